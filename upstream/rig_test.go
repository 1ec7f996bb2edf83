package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient limits are never reached; hasty ones are for the tests of a limit.
var (
	patient = Options{Connect: 10 * time.Second, Response: 10 * time.Second, Stall: 10 * time.Second}
	hasty   = Options{Connect: 100 * time.Millisecond, Response: 100 * time.Millisecond, Stall: 100 * time.Millisecond}
)

// newClient returns a client that is closed when the test ends.
func newClient(t *testing.T, o Options) *Client {
	c := New(o)
	t.Cleanup(c.Close)
	return c
}

// peer is the backend's end of a connection.
type peer struct {
	net.Conn
	in   *bufio.Reader
	over <-chan struct{} // closed when the test ends
}

// head reads the head of a request and returns it with its empty line, "" where
// the connection ends before.
func (p *peer) head() string {
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return ""
		}
		head.WriteString(line)
	}
	return head.String()
}

func (p *peer) say(text string) { _, _ = io.WriteString(p.Conn, text) }

// hang neither reads nor writes until the test ends.
func (p *peer) hang() { <-p.over }

// reset makes closing the connection a RST.
func (p *peer) reset() { _ = p.Conn.(*net.TCPConn).SetLinger(0) }

// listen starts a backend that has serve take care of each connection, and
// closes the connection after it.
func listen(t *testing.T, serve func(*peer)) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				stop := make(chan struct{})
				defer close(stop)
				all.Go(func() { // a read must not outlive the test
					select {
					case <-over:
						conn.Close()
					case <-stop:
					}
				})
				serve(&peer{Conn: conn, in: bufio.NewReader(conn), over: over})
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(over)
		all.Wait()
	})
	return l.Addr().String()
}

// says returns a backend that answers each connection's first request with
// fixed bytes and closes.
func says(text string) func(*peer) {
	return func(p *peer) {
		p.head()
		p.say(text)
	}
}

// dead is an address where nobody listens. A free port would not do: the next
// backend of a test might get it.
const dead = "127.0.0.1:1"

// get is the plainest request.
func get() *Request { return &Request{Method: "GET", Target: "/", Host: "example.com"} }

// post is a request with a body of unknown length.
func post(body io.Reader) *Request {
	return &Request{Method: "POST", Target: "/", Host: "example.com", Body: body, Length: -1}
}

// answer sends a request that must succeed, and returns the response with its
// whole body.
func answer(t *testing.T, c *Client, address string, r *Request) (*Response, string) {
	t.Helper()
	response, err := c.Send(t.Context(), address, r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// failure is how an attempt failed and how far it had got.
type failure struct {
	fault         Fault
	sent, touched bool
}

func failed(t *testing.T, err error) failure {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("ended with %v, not an *Error", err)
	}
	return failure{e.Fault, e.Sent, e.Touched}
}

// fail sends a request that must fail, in its head or in its body.
func fail(t *testing.T, c *Client, address string, r *Request) failure {
	t.Helper()
	response, err := c.Send(t.Context(), address, r)
	if err == nil {
		_, err = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	return failed(t, err)
}

// reader makes a function an io.Reader.
type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

// untouched is a body that must not be read.
func untouched(t *testing.T) io.Reader {
	return reader(func([]byte) (int, error) {
		t.Error("the body was touched")
		return 0, io.EOF
	})
}

// endless is a body without an end.
func endless() io.Reader {
	return reader(func(p []byte) (int, error) { return len(p), nil })
}

// broken is a body that ends with an error after a few bytes.
func broken(err error) io.Reader {
	return io.MultiReader(strings.NewReader("hello"), reader(func([]byte) (int, error) { return 0, err }))
}
