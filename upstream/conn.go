package upstream

import (
	"net"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"
)

// countingConn counts what is written, so that "no byte has reached the
// backend" is known rather than guessed, gives each write its own deadline, and
// knows when it is silent.
type countingConn struct {
	net.Conn
	stall   time.Duration
	written atomic.Int64

	mu      sync.Mutex
	changed sync.Cond // of what follows
	reading bool      // the transport waits for the backend
	ended   bool      // a read failed
	closed  bool      // by the transport
}

func newConn(conn net.Conn, stall time.Duration) *countingConn {
	c := &countingConn{Conn: conn, stall: stall}
	c.changed.L = &c.mu
	return c
}

func (c *countingConn) Read(p []byte) (int, error) {
	c.set(&c.reading, true)
	n, err := c.Conn.Read(p)
	if err != nil {
		c.set(&c.ended, true)
	}
	c.set(&c.reading, false)
	return n, err
}

// Close is the transport's.
func (c *countingConn) Close() error {
	c.set(&c.closed, true)
	return c.Conn.Close()
}

func (c *countingConn) set(what *bool, value bool) {
	c.mu.Lock()
	*what = value
	c.mu.Unlock()
	c.changed.Broadcast()
}

// awaitSilence returns once nothing that was read of the last response is left,
// or the connection is closed because something was. The transport gives a
// connection away before it looks, and would take what is left for the response
// to the next request.
func (c *countingConn) awaitSilence() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.reading && !c.ended && !c.closed {
		c.changed.Wait()
	}
}

func (c *countingConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	// Counted before, since the answer may be here before Write returns.
	c.written.Add(int64(len(p)))
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n - len(p)))
	return n, err
}

// sentBytes follows an attempt over the connections that it is tried on: the
// transport itself takes another one where a reused one turns out to be dead.
type sentBytes struct {
	conn   atomic.Pointer[countingConn]
	before int64
	sent   bool
}

func (s *sentBytes) gotConn(info httptrace.GotConnInfo) {
	s.sent = s.any()
	conn, ok := info.Conn.(*countingConn)
	if !ok {
		return
	}
	if info.Reused {
		conn.awaitSilence()
	}
	s.before = conn.written.Load()
	s.conn.Store(conn)
}

func (s *sentBytes) any() bool {
	conn := s.conn.Load()
	return s.sent || conn != nil && conn.written.Load() > s.before
}

// ended reports whether the backend ended the connection of the last try.
func (s *sentBytes) ended() bool {
	conn := s.conn.Load()
	if conn == nil {
		return false
	}
	conn.mu.Lock()
	defer conn.mu.Unlock()
	return conn.ended
}
