package testkit

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"testing"
)

// noted is a test that takes note of errors, and ends when it is told to.
type noted struct {
	testing.TB
	errors []string
	end    []func()
}

func (n *noted) Errorf(format string, args ...any) {
	n.errors = append(n.errors, fmt.Sprintf(format, args...))
}

func (n *noted) Cleanup(f func()) { n.end = append(n.end, f) }

func (n *noted) finish() {
	for _, f := range slices.Backward(n.end) {
		f()
	}
}

// What is not one request behind the other fails the test; what ends early does
// not.
func TestBackendJudges(t *testing.T) {
	tests := []struct {
		name, in string
		seen     string
		faults   int
	}{
		{"nothing", "", "[]", 0},
		{"two requests", get + "\r\n" + post + "5\r\nhello\r\n0\r\n\r\n", `["GET /" "POST /"]`, 0},
		{"a request that is cut", post + "5\r\nhello\r\n", `["POST / cut"]`, 0},
		{"a head that is cut", get, "[]", 0},
		{"garbage behind a request", get + "\r\nX\r\n", `["GET /"]`, 1},
		{"a broken chunk", post + "x\r\n", `["POST / cut"]`, 1},
		{"a malformed head", get + "A : b\r\n\r\n", "[]", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := &noted{TB: t}
			b := StartBackend(n)
			c := Dial(t, b.Addr())
			c.Say(tt.in)
			c.CloseWrite()
			if _, err := c.Rest(); err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Error(err)
			}
			n.finish()
			seen := []string{}
			for _, s := range b.Seen() {
				text := s.Method + " " + s.Target
				if !s.Whole {
					text += " cut"
				}
				seen = append(seen, text)
			}
			if got := fmt.Sprintf("%q", seen); got != tt.seen || len(n.errors) != tt.faults {
				t.Errorf("saw %s with the errors %q, want %s and %d", got, n.errors, tt.seen, tt.faults)
			}
		})
	}
}

// Each connection has its own script, and those without one are served.
func TestBackendScripts(t *testing.T) {
	b := StartBackend(t,
		func(c *BackendConn) {
			c.Request()
			c.Say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			c.Reset()
		},
		func(c *BackendConn) { c.Head(); c.Hang() },
		func(c *BackendConn) { c.Flood() })
	first := Dial(t, b.Addr())
	first.Say(get + "\r\n")
	if m, err := first.Answer("GET"); m == nil || m.Body != "hello" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the first was answered %+v, %v", m, err)
	}
	second := Dial(t, b.Addr())
	second.Say(post)
	b.Await(2)
	second.Reset()
	third := Dial(t, b.Addr())
	if _, err := io.ReadFull(third, make([]byte, 1<<20)); err != nil {
		t.Error(err)
	}
	third.Close()
	b.AwaitEnds(3)
	fourth := Dial(t, b.Addr())
	fourth.Say("POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if m, err := fourth.Answer("POST"); err != nil || m.Status != 100 || fourth.Pending() {
		t.Errorf("told %+v, %v", m, err)
	}
	fourth.Drip("hello")
	if m, err := fourth.Answer("POST"); err != nil || m.Body != "POST /a" {
		t.Errorf("answered %+v, %v", m, err)
	}
	fourth.Say("HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n" + get + "\r\n")
	if m, err := fourth.Answer("HEAD"); err != nil || m.Get("content-length") != "7" || m.Body != "" {
		t.Errorf("answered %+v, %v", m, err)
	}
	if m, err := fourth.Head("GET"); err != nil || m.Status != 200 {
		t.Errorf("answered %+v, %v", m, err)
	}
	if !fourth.Pending() {
		t.Error("there is no body")
	}
	fourth.CloseWrite()
	if rest, err := fourth.Rest(); rest != "GET /" || err != nil {
		t.Errorf("at last came %q, %v", rest, err)
	}
	if n := b.Conns(); n != 4 {
		t.Errorf("there were %d connections", n)
	}
}
