package upstream

import (
	"net"
	"net/http/httptrace"
	"net/textproto"
	"sync/atomic"
	"time"
)

type map1xx = textproto.MIMEHeader

// countingConn counts what is written, so that "no byte has reached the
// backend" is known rather than guessed, and gives each write its own deadline.
type countingConn struct {
	net.Conn
	stall   time.Duration
	written atomic.Int64
}

func (c *countingConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
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
	if conn, ok := info.Conn.(*countingConn); ok {
		s.before = conn.written.Load()
		s.conn.Store(conn)
	}
}

func (s *sentBytes) any() bool {
	conn := s.conn.Load()
	return s.sent || conn != nil && conn.written.Load() > s.before
}
