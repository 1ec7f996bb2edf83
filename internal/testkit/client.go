package testkit

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// clientLimit is how long a [Client] waits for an answer, so that a test ends.
const clientLimit = 3 * time.Second

// Client is an HTTP/1.1 client on a raw socket: it says what it is told to,
// however wrong, and reads what comes by the letter.
type Client struct {
	net.Conn
	wire *Wire
}

// Dial connects to a server. The connection ends with the test.
func Dial(t testing.TB, address string) *Client {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(clientLimit)); err != nil {
		t.Fatal(err)
	}
	return &Client{conn, NewWire(conn)}
}

// Say writes bytes. A server that is through with us is no error.
func (c *Client) Say(text string) { _, _ = c.Write([]byte(text)) }

// Drip writes bytes one by one.
func (c *Client) Drip(text string) {
	for i := range len(text) {
		c.Say(text[i : i+1])
	}
}

// CloseWrite says that nothing more will come; what comes back is still read.
func (c *Client) CloseWrite() { _ = c.Conn.(*net.TCPConn).CloseWrite() }

// Reset ends the connection with a RST.
func (c *Client) Reset() {
	reset(c.Conn)
	c.Close()
}

// Answer reads a response, be it an interim one, to a request of the given
// method. With an error comes what there was of it, if anything.
func (c *Client) Answer(method string) (*Message, error) {
	m, err := c.Head(method)
	if err != nil {
		return m, err
	}
	return m, c.wire.Body(m)
}

// Head reads the head of a response alone.
func (c *Client) Head(method string) (*Message, error) { return c.wire.Response(method) }

// Read reads what has not been taken as an answer.
func (c *Client) Read(p []byte) (int, error) { return c.wire.in.Read(p) }

// Rest reads what comes until the connection ends. An error is that of a
// connection that does not end by itself, or not cleanly.
func (c *Client) Rest() (string, error) {
	rest, err := io.ReadAll(c.wire.in)
	return string(rest), err
}

// Pending tells whether something has come, without waiting for it.
func (c *Client) Pending() bool {
	limit := time.Now().Add(clientLimit)
	_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := c.wire.in.Peek(1)
	_ = c.SetReadDeadline(limit)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}
