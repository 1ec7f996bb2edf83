package upstream

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptrace"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

const hello = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

// keepsAlive returns a backend that answers requests without a body for as long
// as the client likes, and counts connections and those that the client closed.
func keepsAlive(t *testing.T) (address string, conns *atomic.Int64, closed <-chan struct{}) {
	conns = new(atomic.Int64)
	ends := make(chan struct{}, 100)
	return listen(t, func(p *peer) {
		conns.Add(1)
		for p.head() != "" {
			p.say(hello)
		}
		ends <- struct{}{}
	}), conns, ends
}

func TestConnectionsAreReused(t *testing.T) {
	address, conns, _ := keepsAlive(t)
	c := newClient(t, patient)
	for range 10 {
		if _, body := answer(t, c, address, get()); body != "hello" {
			t.Fatalf("answered %q", body)
		}
	}
	if n := conns.Load(); n != 1 {
		t.Errorf("10 requests, one after another, took %d connections", n)
	}
}

// A backend that left must hear of it at once, and only that backend.
func TestLeaveClosesTheConnectionsToOneAddress(t *testing.T) {
	gone, goneConns, goneClosed := keepsAlive(t)
	stays, staysConns, staysClosed := keepsAlive(t)
	c := newClient(t, patient)
	for _, address := range []string{gone, stays} {
		answer(t, c, address, get())
	}
	c.Leave(gone)
	<-goneClosed
	answer(t, c, stays, get())
	if n := staysConns.Load(); n != 1 {
		t.Errorf("the other backend saw %d connections, want the first one still", n)
	}
	answer(t, c, gone, get()) // it may come back
	if n := goneConns.Load(); n != 2 {
		t.Errorf("the backend that left saw %d connections, want a new one", n)
	}
	c.Leave("127.0.0.1:1") // nobody knows it

	c.Close()
	<-goneClosed
	<-staysClosed
}

// A connection in use when its address leaves finishes, and is not kept.
func TestLeaveLetsARequestUnderWayFinish(t *testing.T) {
	arrived, release, closed := make(chan struct{}), make(chan struct{}), make(chan struct{})
	address := listen(t, func(p *peer) {
		p.head()
		close(arrived)
		<-release
		p.say(hello)
		_, _ = p.in.ReadByte()
		close(closed)
	})
	c := newClient(t, patient)
	go func() {
		<-arrived
		c.Leave(address)
		close(release)
	}()
	if _, body := answer(t, c, address, get()); body != "hello" {
		t.Errorf("answered %q", body)
	}
	<-closed
}

// The keep-alive race: the backend closes a connection as a request is written
// on it. What has no effect twice is tried anew, on another connection; the
// rest says that it may have arrived.
func TestAReusedConnectionThatTheBackendCloses(t *testing.T) {
	tests := []struct {
		name    string
		request *Request
		want    failure // None: answered
		heads   int64   // that the backend has seen, the first request's not counted
	}{
		{"GET", get(), failure{}, 2},
		{"POST", post(strings.NewReader("hello")), failure{Reset, true, true}, 1},
		{"POST without a body", &Request{Method: "POST", Target: "/"}, failure{Reset, true, false}, 1},
		{"DELETE", &Request{Method: "DELETE", Target: "/"}, failure{Reset, true, false}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var conns, heads atomic.Int64
			address := listen(t, func(p *peer) {
				first := conns.Add(1) == 1
				if p.head(); !first {
					heads.Add(1)
				}
				p.say(hello)
				if first {
					p.head()
					heads.Add(1)
					_, _ = p.in.Discard(p.in.Buffered())
				}
			})
			c := newClient(t, patient)
			answer(t, c, address, get())
			var got failure
			if response, err := c.Send(t.Context(), address, tt.request); err != nil {
				got = failed(t, err)
			} else {
				response.Body.Close()
			}
			if got != tt.want || heads.Load() != tt.heads {
				t.Errorf("ended as %v after %d heads, want %v after %d", got, heads.Load(), tt.want, tt.heads)
			}
		})
	}
}

// A connection that was closed while idle, noticed or not, is never an excuse
// to send a request twice, and never loses one that may be sent twice.
func TestAnIdleConnectionThatTheBackendCloses(t *testing.T) {
	var bodies atomic.Int64
	address := listen(t, func(p *peer) {
		if head := p.head(); strings.HasPrefix(head, "POST") {
			bodies.Add(1)
			_, _ = p.in.Discard(len("5\r\nhello\r\n0\r\n\r\n"))
		}
		p.say(hello) // and close, without a word of it
	})
	c := newClient(t, patient)
	arrived := int64(0)
	for range 50 {
		answer(t, c, address, get())
		response, err := c.Send(t.Context(), address, post(strings.NewReader("hello")))
		switch {
		case err == nil:
			response.Body.Close()
			arrived++
		default:
			if got := failed(t, err); got.fault != Reset {
				t.Errorf("ended as %v", got)
			}
		}
	}
	if n := bodies.Load(); n != arrived {
		t.Errorf("the backend saw %d POSTs, %d were answered", n, arrived)
	}
}

// What a backend says beyond its response never answers the next request, which
// may be somebody else's.
func TestBytesBeyondAResponse(t *testing.T) {
	const extra = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
	log.SetOutput(io.Discard) // net/http tells of each
	defer log.SetOutput(os.Stderr)
	address := listen(t, func(p *peer) {
		for head := p.head(); head != ""; head = p.head() {
			p.say(hello + extra) // after a HEAD, hello is too much already
		}
	})
	c := newClient(t, patient)
	for range 200 {
		for _, r := range []*Request{get(), {Method: "HEAD", Target: "/"}, {Method: "POST", Target: "/"}} {
			if _, body := answer(t, c, address, r); body != "hello" && r.Method != "HEAD" {
				t.Fatalf("answered %q, which belongs to the request before", body)
			}
		}
		// A connection that turns out to be spoilt has taken nothing.
		if response, err := c.Send(t.Context(), address, post(strings.NewReader("hello"))); err == nil {
			response.Body.Close()
		} else if got, want := failed(t, err), (failure{Reset, false, false}); got != want {
			t.Fatalf("a POST ended as %v, want %v", got, want)
		}
	}
}

// brittleConn takes nothing more once it is broken.
type brittleConn struct {
	net.Conn
	broken *atomic.Bool
}

func (c brittleConn) Write(p []byte) (int, error) {
	if c.broken.Load() {
		return 0, &net.OpError{Op: "write", Err: syscall.EPIPE}
	}
	return c.Conn.Write(p)
}

// A request of which no byte was written may go elsewhere, whatever its method.
func TestAReusedConnectionThatTakesNothing(t *testing.T) {
	address, conns, _ := keepsAlive(t)
	c := newClient(t, patient)
	var broken atomic.Bool
	c.transport(address).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		broken.Store(false) // whatever is dialed anew works
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return newConn(brittleConn{conn, &broken}, patient.Stall), err
	}
	answer(t, c, address, get())

	broken.Store(true)
	got := fail(t, c, address, post(untouched(t)))
	if want := (failure{Reset, false, false}); got != want {
		t.Errorf("POST with a body ended as %v, want %v", got, want)
	}
	for i, r := range []*Request{get(), {Method: "POST", Target: "/"}} {
		answer(t, c, address, get()) // something to be reused
		broken.Store(true)
		if _, body := answer(t, c, address, r); body != "hello" || conns.Load() != int64(i+3) {
			t.Errorf("%s ended with %q on connection %d", r.Method, body, conns.Load())
		}
	}
}

// An attempt knows of every connection it was tried on.
func TestSentBytes(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	go func() {
		for b := make([]byte, 9); ; {
			if _, err := theirs.Read(b); err != nil {
				return
			}
		}
	}()
	used, fresh := newConn(ours, patient.Stall), newConn(nil, 0)
	fmt.Fprint(used, "an earlier request")
	var s sentBytes
	if s.any() {
		t.Error("sent before there is a connection")
	}
	s.gotConn(httptrace.GotConnInfo{Conn: used})
	if s.any() {
		t.Error("what an earlier request has sent is not ours")
	}
	fmt.Fprint(used, "x")
	if !s.any() {
		t.Error("a byte was sent and not counted")
	}
	if s.gotConn(httptrace.GotConnInfo{Conn: fresh}); !s.any() {
		t.Error("what was sent on the first connection is forgotten on the second")
	}
}

// A write that failed whole did not reach anybody.
func TestAFailedWriteDoesNotCount(t *testing.T) {
	ours, theirs := net.Pipe()
	theirs.Close()
	defer ours.Close()
	c := newConn(ours, patient.Stall)
	if _, err := c.Write([]byte("hello")); err == nil || c.written.Load() != 0 {
		t.Errorf("%d bytes of a write that ended with %v are counted", c.written.Load(), err)
	}
}
