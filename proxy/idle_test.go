package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/rota-lb/rota/socket"
)

// ticking has the clock tick between the read of a request and its beginning,
// for the last one when the end is there.
type ticking struct {
	*conn
	requests int
}

func (c *ticking) Ready(n int) socket.Next {
	if n > 0 {
		for c.requests--; c.requests == 0 && c.Peek() != socket.Ended; {
		}
		c.Tick()
	}
	return c.conn.Ready(n)
}

// Who sends no more may still wait for an answer. That is so for the last of
// several requests, too, at whatever moment the clock looks at the connection.
func TestTheLastRequestOfAClientThatHalfCloses(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, ok("fine")))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
	plain, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	// Its clock stands still, so that it ticks when the test says.
	c := newConn(r.Server, socket.New(plain, socket.NewClock(), limits.Stall))
	ended := make(chan error, 1)
	go func() { ended <- c.Loop(&ticking{c, 2}) }()
	in := bufio.NewReader(client)
	for _, last := range []bool{false, true} {
		io.WriteString(client, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if last {
			client.(*net.TCPConn).CloseWrite()
		}
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("last: %v: %v", last, err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "fine" {
			t.Errorf("last: %v: answered %q, %v", last, body, err)
		}
		response.Body.Close()
	}
	for err := error(nil); err == nil; {
		c.Tick() // it has sent no more, and nothing is under way
		select {
		case err = <-ended:
		default:
		}
	}
	c.free()
	c.Close()
}

// The longer a client waits, the less often it is looked at, but never less than
// once a second.
func TestLooks(t *testing.T) {
	n, last := 0, 0
	for tick := 1; tick <= 600; tick++ {
		if looks(tick) {
			n, last = n+1, tick
		}
		if tick-last >= 10 {
			t.Errorf("not looked at for %d ticks at %d", tick-last, tick)
		}
	}
	if n > 70 {
		t.Errorf("looked at %d times in a minute", n)
	}
}
