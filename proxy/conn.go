package proxy

import (
	"net"
	"time"
)

// clientListener makes every write to a client end within a timeout. net/http
// can only limit whole responses, which would cut a long download, and what it
// writes of its own accord must not wait for ever either.
type clientListener struct {
	net.Listener
	timeout time.Duration
}

// Accept is part of [net.Listener].
func (l clientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return clientConn{conn, l.timeout}, nil
}

type clientConn struct {
	net.Conn
	timeout time.Duration
}

func (c clientConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.timeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite lets net/http say its last word before it closes: a reset would
// take it from a client that is still sending.
func (c clientConn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}
