//go:build !race

package proxy

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// spare is a backend that takes no memory for a request of any size: it answers
// whenever what it has read ends as a request of the test does.
func spare(t testing.TB, end, answer string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		in, out := make([]byte, 64<<10), []byte(answer)
		for n := 0; ; {
			k, err := conn.Read(in[n:])
			if err != nil {
				return
			}
			if n += k; bytes.HasSuffix(in[:n], []byte(end)) {
				n = 0
				if _, err := conn.Write(out); err != nil {
					return
				}
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-served })
	return l.Addr().String()
}

// A request on a connection that is kept takes no memory, in the steady state,
// with everything on that there is for each request.
func TestNoAllocationsForRequests(t *testing.T) {
	const warm, measured = 2000, 500 // lines of the log come back in batches
	tests := []struct {
		name, request, end, answer string
		whole                      string // what the client gets ends so
	}{
		{"GET", "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nUser-Agent: tester\r\nAccept: */*\r\nCookie: a=b\r\n\r\n", "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 128\r\n\r\n" + strings.Repeat("x", 127) + "!", "!"},
		{"GET without a date", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!", "!"},
		{"GET of chunks", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\n"},
		{"GET of 16 KB", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "\r\n\r\n",
			"HTTP/1.1 200 OK\r\nContent-Length: 16384\r\n\r\n" + strings.Repeat("x", 16383) + "!", "!"},
		{"PUT", "PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello", "hello",
			"HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, _ := logTo(t, AccessCombined, io.Discard)
			s := onDuty(spare(t, tt.end, tt.answer), spare(t, tt.end, tt.answer))
			s.Hedge = Hedge{Attempts: 1, MinDelay: time.Second, UnknownDelay: time.Second}
			r := newRigOf(t, Options{AccessLog: log, HealthPath: "/health"}, limits, s)
			c := r.dial(t)
			request, in := []byte(tt.request), make([]byte, 64<<10)
			exchange := func() {
				if _, err := c.Write(request); err != nil {
					t.Fatal(err)
				}
				for n := 0; ; {
					k, err := c.Read(in[n:])
					if err != nil {
						t.Fatal(err)
					}
					if n += k; bytes.HasSuffix(in[:n], []byte(tt.whole)) {
						return
					}
				}
			}
			for range warm {
				exchange()
			}
			if n := testing.AllocsPerRun(measured, exchange); n > 0 {
				t.Errorf("%v allocations for a request", n)
			}
			r.Shutdown(t.Context(), atOnce)
			for m := range r.service.Duty.Pool().Members() {
				if requests, failures := m.Endpoint.Totals(); requests < (warm+measured)/2 || failures > 0 {
					t.Errorf("%d requests and %d failures", requests, failures)
				}
			}
		})
	}
}
