package testkit

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

// summary tells what a wire made of a message.
func summary(m *Message, err error) string {
	var wrong Malformed
	switch {
	case errors.As(err, &wrong):
		return "malformed"
	case err != nil:
		return err.Error()
	}
	text := fmt.Sprintf("%s%q", m.Framing, m.Body)
	for _, f := range m.Trailers {
		text += fmt.Sprintf(" %s=%s", f.Name, f.Value)
	}
	return text
}

const (
	get  = "GET / HTTP/1.1\r\nHost: x\r\n"
	post = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// The wire is stricter than any server: what it takes, all take for the same.
func TestWireRequests(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", "EOF"},
		{get + "\r\n", `""`},
		{"OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n", `""`},
		{get + "A: \t b\xff \r\nContent-Length: 5\r\n\r\nhello", `sized"hello"`},
		{get + "Content-Length: 0\r\n\r\n", `sized""`},
		{post + "5\r\nhello\r\nA\r\n world, hi\r\n0\r\nX: 1\r\n\r\n", `chunked"hello world, hi" X=1`},

		{get, "unexpected EOF"},
		{"GET / HT", "unexpected EOF"},
		{get + "Content-Length: 5\r\n\r\nhell", "unexpected EOF"},
		{post + "5\r\nhello", "unexpected EOF"},
		{post + "5\r\nhello\r", "unexpected EOF"},
		{post + "5\r\nhello\r\n", "unexpected EOF"},
		{post + "5\r\nhello\r\n0\r\n", "unexpected EOF"},

		{"\r\n" + get + "\r\n", "malformed"},
		{"GET / HTTP/1.0\r\nHost: x\r\n\r\n", "malformed"},
		{"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"GET * HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"GET /\xe4 HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"G@T / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed"},
		{"GET / HTTP/1.1\r\n\r\n", "malformed"},
		{get + "Host: x\r\n\r\n", "malformed"},
		{"GET / HTTP/1.1\nHost: x\r\n\r\n", "malformed"},
		{get + "A: b\n\r\n", "malformed"},
		{get + "A: b\rc\r\n\r\n", "malformed"},
		{get + "A: b\x00\r\n\r\n", "malformed"},
		{get + "A: b\x7f\r\n\r\n", "malformed"},
		{get + "A : b\r\n\r\n", "malformed"},
		{get + "A\r\n\r\n", "malformed"},
		{get + ": b\r\n\r\n", "malformed"},
		{get + "A: b\r\n c\r\n\r\n", "malformed"},
		{get + "Content-Length: 05\r\n\r\nhello", "malformed"},
		{get + "Content-Length: +5\r\n\r\nhello", "malformed"},
		{get + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "malformed"},
		{get + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"},
		{get + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "malformed"},
		{post + "\r\n", "malformed"},
		{post + "x\r\n", "malformed"},
		{post + "5;a=b\r\nhello\r\n0\r\n\r\n", "malformed"},
		{post + "5\r\nhello0\r\n\r\n", "malformed"},
		{post + "5\nhello\r\n0\r\n\r\n", "malformed"},
		{post + "5\r\nhello\r\n0\r\n\n", "malformed"},
		{post + "ffffffffffffffff\r\nhello\r\n", "malformed"},
		{post + "0\r\nA b\r\n\r\n", "malformed"},
	}
	for _, tt := range tests {
		w := NewWire(strings.NewReader(tt.in))
		m, err := w.Request()
		if err == nil {
			err = w.Body(m)
		}
		if got := summary(m, err); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestWireResponses(t *testing.T) {
	tests := []struct{ method, in, want string }{
		{"GET", "", "EOF"},
		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", `sized"hello"`},
		{"GET", "HTTP/1.1 200 \r\n\r\nhello", `until close"hello"`},
		{"GET", "HTTP/1.0 200 OK\r\n\r\nhello", `until close"hello"`},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", `""`},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", `""`},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n", `""`},
		{"GET", "HTTP/1.1 100 Continue\r\n\r\n", `""`},

		{"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "unexpected EOF"},
		{"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "unexpected EOF"},

		{"GET", "HTTP/2.0 200 OK\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 200\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 20 OK\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 +20 OK\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 099 OK\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", "malformed"},
		{"GET", "HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"},
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed"},
	}
	for _, tt := range tests {
		w := NewWire(strings.NewReader(tt.in))
		m, err := w.Response(tt.method)
		if err == nil {
			err = w.Body(m)
		}
		if got := summary(m, err); got != tt.want {
			t.Errorf("%q is %s, want %s", tt.in, got, tt.want)
		}
	}
}

// One message ends where the next begins.
func TestWireGoesOn(t *testing.T) {
	w := NewWire(strings.NewReader(post + "5\r\nhello\r\n0\r\n\r\n" + get + "Content-Length: 2\r\n\r\nhi" + get + "\r\n"))
	for _, want := range []string{"hello", "hi", ""} {
		m, err := w.Request()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Body(m); err != nil || m.Body != want {
			t.Errorf("the body is %q, %v, want %q", m.Body, err, want)
		}
	}
	if _, err := w.Request(); err != io.EOF {
		t.Errorf("at the end comes %v", err)
	}
}
