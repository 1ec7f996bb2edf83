package testkit

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// backendLimit is how long a [Backend] waits for the proxy, so that a test ends.
const backendLimit = 10 * time.Second

// Backend is an HTTP/1.1 server on a raw socket. It notes each request, and
// fails the test where anything but requests, one behind the other, reaches it
// in what it reads. It misbehaves as it is told to. Its methods are safe for
// concurrent use.
type Backend struct {
	t        testing.TB
	listener net.Listener
	scripts  []func(*BackendConn)
	all      sync.WaitGroup

	mu      sync.Mutex
	conns   int
	ended   int // of them
	seen    []*Seen
	faults  []string
	changed chan struct{} // closed and made anew with each request and each end
}

// Seen is a request that has arrived, the head of it at least.
type Seen struct {
	Message
	Whole bool // its body too
	Conn  int  // the connection it came on, counted from 0
}

// StartBackend starts a server that ends with the test, after waiting for its
// clients to end theirs. The first connection is served by the first script and
// so on; further ones as [BackendConn.Serve] does.
func StartBackend(t testing.TB, scripts ...func(*BackendConn)) *Backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &Backend{t: t, listener: l, scripts: scripts, changed: make(chan struct{})}
	b.all.Go(b.accept)
	t.Cleanup(func() {
		l.Close()
		b.all.Wait()
		for _, f := range b.faults {
			t.Errorf("what arrived at the backend: %s", f)
		}
	})
	return b
}

// Addr returns host:port of the server.
func (b *Backend) Addr() string { return b.listener.Addr().String() }

// Seen returns the requests that have arrived so far.
func (b *Backend) Seen() (seen []Seen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.seen {
		seen = append(seen, *s)
	}
	return seen
}

// Conns returns how many connections there have been.
func (b *Backend) Conns() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.conns
}

// Await waits until the heads of n requests have arrived.
func (b *Backend) Await(n int) {
	b.t.Helper()
	b.await("requests", n, func() int { return len(b.seen) })
}

// AwaitEnds waits until n connections have ended, by script or by the client.
func (b *Backend) AwaitEnds(n int) {
	b.t.Helper()
	b.await("ends of connections", n, func() int { return b.ended })
}

func (b *Backend) await(what string, n int, count func() int) {
	b.t.Helper()
	timer := time.NewTimer(backendLimit)
	defer timer.Stop()
	for {
		b.mu.Lock()
		got, changed := count(), b.changed
		b.mu.Unlock()
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			b.t.Fatalf("%d %s within %s, not %d", got, what, backendLimit, n)
		}
	}
}

// change makes a change that somebody may wait for.
func (b *Backend) change(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *Backend) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(backendLimit))
		b.mu.Lock()
		c := &BackendConn{Conn: conn, number: b.conns, backend: b, wire: NewWire(conn)}
		b.conns++
		b.mu.Unlock()
		script := (*BackendConn).Serve
		if c.number < len(b.scripts) {
			script = b.scripts[c.number]
		}
		b.all.Go(func() {
			script(c)
			conn.Close()
			b.change(func() { b.ended++ })
		})
	}
}

// judge notes an error of reading if it is not the connection's end.
func (b *Backend) judge(err error) {
	var wrong Malformed
	if !errors.As(err, &wrong) && !errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults = append(b.faults, err.Error())
}

// BackendConn is a connection to a [Backend], for a script. It is closed when
// the script returns.
type BackendConn struct {
	net.Conn
	number  int
	backend *Backend
	wire    *Wire
	seen    *Seen // the request under way
}

// Serve answers one request after another, until the other side closes.
func (c *BackendConn) Serve() {
	for m := c.Request(); m != nil; m = c.Request() {
		c.Say(Echo(m))
	}
}

// Request reads a whole request, and asks for its body where that is waited for.
// It returns nil where the connection ends before that.
func (c *BackendConn) Request() *Message {
	m := c.Head()
	if m == nil {
		return nil
	}
	if m.Get("Expect") == "100-continue" {
		c.Say("HTTP/1.1 100 Continue\r\n\r\n")
	}
	if !c.Body(m) {
		return nil
	}
	return m
}

// Head reads the head of a request, nil where there is none.
func (c *BackendConn) Head() *Message {
	m, err := c.wire.Request()
	if err != nil {
		c.backend.judge(err)
		return nil
	}
	c.seen = &Seen{Message: *m, Whole: m.Framing == Unframed, Conn: c.number}
	c.backend.change(func() { c.backend.seen = append(c.backend.seen, c.seen) })
	return m
}

// Body reads the body of the request whose head was read last, and tells whether
// it came to its end.
func (c *BackendConn) Body(m *Message) bool {
	err := c.wire.Body(m)
	c.backend.judge(err)
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	c.seen.Message, c.seen.Whole = *m, err == nil
	return err == nil
}

// Peek waits until n bytes are there, and leaves them. It tells whether there
// are.
func (c *BackendConn) Peek(n int) bool {
	_, err := c.wire.in.Peek(n)
	return err == nil
}

// Read reads what has not been taken as a request.
func (c *BackendConn) Read(p []byte) (int, error) { return c.wire.in.Read(p) }

// Say writes bytes. A client that left is no error.
func (c *BackendConn) Say(text string) { _, _ = c.Write([]byte(text)) }

// Flood writes without end, until the client is gone.
func (c *BackendConn) Flood() {
	for b := make([]byte, 32<<10); ; {
		if _, err := c.Write(b); err != nil {
			c.backend.judge(err)
			return
		}
	}
}

// Reset makes the connection end with a RST.
func (c *BackendConn) Reset() { reset(c.Conn) }

// Hang takes no notice of anything until the other side closes. That it must do.
func (c *BackendConn) Hang() {
	_, err := io.Copy(io.Discard, c.wire.in)
	c.backend.judge(err)
}

func reset(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// Echo is the answer of a [Backend] that is well: it names what was asked for,
// so that no answer can be taken for another.
func Echo(m *Message) string {
	body := m.Method + " " + m.Target
	head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
	if m.Method == "HEAD" {
		return head
	}
	return head + body
}
