package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Who sends no more may still wait for an answer. That is so for the last of
// several requests, too.
func TestTheLastRequestOfAClientThatHalfCloses(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, ok("fine")))
	client, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_ = client.SetDeadline(time.Now().Add(10 * time.Second))
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
	if _, err := in.ReadByte(); err != io.EOF {
		t.Errorf("after the last it ends with %v", err)
	}
	r.finish(t)
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
