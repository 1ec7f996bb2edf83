package proxy

import (
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// prime has a client whose first request has been answered, so that there is a
// connection to the backend that has been used. What comes next on the client's
// connection comes after that has been given back.
func prime(t *testing.T, r *rig) *testkit.Client {
	c := testkit.Dial(t, r.Addr().String())
	c.Say(fresh)
	if m, err := c.Answer("GET"); err != nil || m.Status != 200 {
		t.Fatalf("answered %s", tell(m, err))
	}
	return c
}

// raceRequests are the requests that meet a connection about to end.
var raceRequests = map[string]string{
	"GET":              getting("/race"),
	"DELETE":           lines("DELETE /race HTTP/1.1", "Host: x"),
	"POST":             lines("POST /race HTTP/1.1", "Host: x"),
	"POST with a body": lines("POST /race HTTP/1.1", "Host: x", "Content-Length: 5") + "hello",
	"POST with chunks": lines("POST /race HTTP/1.1", "Host: x", "Transfer-Encoding: chunked") + "5\r\nhello\r\n0\r\n\r\n",
}

// race sends a request, and tells how it was answered and how many times it has
// arrived.
func race(t *testing.T, c *testkit.Client, b *testkit.Backend, request string) (status, times int) {
	t.Helper()
	c.Say(request)
	m, err := c.Answer("")
	if err != nil || m.Status == 200 && !strings.HasSuffix(m.Body, " /race") {
		t.Fatalf("answered %s", tell(m, err))
	}
	for _, s := range b.Seen() {
		if s.Target == "/race" {
			times++
		}
	}
	return m.Status, times
}

// A connection that has ended, or has something to say, while it was idle is
// not used: no request is lost on it, whatever its method, and none is sent
// twice. Nobody is to blame.
func TestAnIdleConnectionThatIsOfNoUse(t *testing.T) {
	for what, script := range map[string]func(*testkit.BackendConn){
		"closed":                     func(c *testkit.BackendConn) { c.Close() },
		"reset":                      func(c *testkit.BackendConn) { c.Reset(); c.Close() },
		"says what nobody asked for": func(c *testkit.BackendConn) { c.Say(stolen) },
		"says that it waits no longer": func(c *testkit.BackendConn) {
			c.Say("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			c.Close()
		},
		"says garbage": func(c *testkit.BackendConn) { c.Say("\r\n") },
	} {
		for method, request := range raceRequests {
			t.Run(what+" "+method, func(t *testing.T) {
				t.Parallel()
				answered, ready := make(chan struct{}), make(chan struct{})
				b := testkit.StartBackend(t, func(c *testkit.BackendConn) {
					c.Say(testkit.Echo(c.Request()))
					<-answered
					script(c)
					close(ready)
					_, _ = io.Copy(io.Discard, c)
				})
				r := newRig(t, Options{}, limits, b.Addr())
				c := prime(t, r)
				close(answered)
				<-ready
				if status, times := race(t, c, b, request); status != 200 || times != 1 {
					t.Errorf("answered %d, and sent %d times", status, times)
				}
				r.finish(t)
				r.struck(t, 0)
			})
		}
	}
}

// trap is a backend that ends one connection under a request, once it is set.
type trap struct {
	*testkit.Backend
	set, shut, reused atomic.Bool
}

func newTrap(t *testing.T, end func(*testkit.BackendConn)) *trap {
	b := new(trap)
	b.Backend = testkit.StartBackend(t, slices.Repeat([]func(*testkit.BackendConn){func(c *testkit.BackendConn) {
		for used := false; c.Peek(1); used = true {
			if b.set.Load() && b.shut.CompareAndSwap(false, true) {
				b.reused.Store(used)
				end(c)
				return
			}
			if m := c.Request(); m != nil {
				c.Say(testkit.Echo(m))
			}
		}
	}}, 1000)...)
	return b
}

// ends are the ways in which it does.
var ends = map[string]func(*testkit.BackendConn){
	"closed at the first byte": closes,
	"reset at the first byte":  (*testkit.BackendConn).Reset,
	"closed within the head":   func(c *testkit.BackendConn) { _, _ = io.ReadFull(c, make([]byte, 5)) },
	"closed behind the head":   func(c *testkit.BackendConn) { c.Head() },
	"closed":                   func(c *testkit.BackendConn) { c.Request() },
	"reset":                    func(c *testkit.BackendConn) { c.Request(); c.Reset() },
}

// A connection that ends as a request is on its way: whether it was read nobody
// knows. What has no effect twice is sent again, without a strike where the
// connection was used before; anything else never is.
func TestAConnectionThatEndsUnderARequest(t *testing.T) {
	for what, end := range ends {
		for method, request := range raceRequests {
			t.Run(what+" "+method, func(t *testing.T) {
				t.Parallel()
				b := newTrap(t, end)
				r := newRig(t, Options{}, limits, b.Addr())
				c := prime(t, r)
				b.set.Store(true)
				status, times := race(t, c, b.Backend, request)
				harmless := isIdempotent(strings.Fields(method)[0])
				if harmless && (status != 200 || times > 2) || !harmless && (status != 502 || times > 1) {
					t.Errorf("answered %d, and sent %d times", status, times)
				}
				for _, p := range freshly(t, r.Addr().String()) {
					t.Error(p)
				}
				if r.finish(t); harmless {
					r.struck(t, 0)
				}
			})
		}
	}
}

// A request that can't be asked twice goes on a connection that was used before
// only where that is known to last. Where it ends nevertheless, the request is
// not asked twice.
func TestAConnectionThatEndsUnderAPost(t *testing.T) {
	for what, end := range ends {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			b := newTrap(t, end)
			r := newRig(t, Options{}, limits, b.Addr())
			c := testkit.Dial(t, r.Addr().String())
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for conns := map[int]bool{}; ; <-pace.C {
				c.Say(sized(" 5"))
				if m, err := c.Answer("POST"); err != nil {
					t.Fatalf("answered %s", tell(m, err))
				}
				seen := b.Seen()
				last := seen[len(seen)-1].Conn
				if conns[last] {
					break
				}
				conns[last] = true
			}
			b.set.Store(true)
			status, times := race(t, c, b.Backend, raceRequests["POST with a body"])
			if status != 502 || times > 1 || !b.reused.Load() {
				t.Errorf("answered %d, and sent %d times, on a connection used before: %v", status, times, b.reused.Load())
			}
			for _, p := range freshly(t, r.Addr().String()) {
				t.Error(p)
			}
		})
	}
}

// RFC 9110 §10.1.1, §15.5.14: an answer that comes before the upload is through
// is relayed at once, whatever the backend does then, and the connection ends.
func TestAnAnswerBeforeTheEndOfAnUpload(t *testing.T) {
	const large = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge"
	uploads := map[string]string{
		"a length": posting("Content-Length: 1000000000") + long,
		"chunks":   chunking("3b9aca00\r\n" + long),
	}
	for what, then := range map[string]func(c *testkit.BackendConn){
		"reads on": (*testkit.BackendConn).Hang, "closes": closes, "resets": (*testkit.BackendConn).Reset,
	} {
		for how, upload := range uploads {
			t.Run(what+", of "+how, func(t *testing.T) {
				t.Parallel()
				b := testkit.StartBackend(t, func(c *testkit.BackendConn) {
					c.Head()
					c.Say(large)
					then(c)
				})
				r := newRig(t, Options{}, limits, b.Addr())
				c := testkit.Dial(t, r.Addr().String())
				c.Say(upload)
				m, err := c.Answer("POST")
				if err != nil || m.Status != 413 || m.Body != "large" || !hasToken(m, "Connection", "close") {
					t.Errorf("answered %s", tell(m, err))
				}
				c.Say(long)
				if rest, err := c.Rest(); rest != "" || err != nil && !isEnd(err) {
					t.Errorf("then came %q, %v", rest, err)
				}
				for _, p := range freshly(t, r.Addr().String()) {
					t.Error(p)
				}
				r.finish(t)
				r.struck(t, 0)
			})
		}
	}
}
