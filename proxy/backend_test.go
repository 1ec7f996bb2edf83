package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWhatABackendsFaultBecomes(t *testing.T) {
	short := limits
	short.Response, short.Stall = 50*time.Millisecond, 50*time.Millisecond
	hang := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) } // until the other side gives up
	tests := []struct {
		name   string
		first  string // the first backend; the second is well
		get    int
		post   int
		broken bool // the body ends without its end
	}{
		{"refused", dead, 200, 200, false},
		{"reset before a response", raw(t, resets), 200, 502, false},
		{"closed before a response", raw(t, says("")), 200, 502, false},
		{"closed within the head", raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n")), 200, 502, false},
		{"no head in time", raw(t, hang), 200, 504, false},
		{"not HTTP", raw(t, says("220 mail.example.com ESMTP\r\n\r\n")), 502, 502, false},
		{"a malformed length", raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello")), 502, 502, false},
		{"101 not asked for", raw(t, says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")), 502, 502, false},
		{"closed within the body", raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")), 200, 200, true},
		{"closed within a chunk", raw(t, says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel")), 200, 200, true},
		{"stalled within the body", raw(t, func(conn net.Conn) {
			says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")(conn)
			hang(conn)
		}), 200, 200, true},
	}
	for _, tt := range tests {
		for method, want := range map[string]int{"GET": tt.get, "POST": tt.post} {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				r := newRig(t, Options{}, short, tt.first, backend(t, ok("fine")))
				request, _ := http.NewRequestWithContext(t.Context(), method, r.url, nil)
				response, err := r.client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, err := io.ReadAll(response.Body)
				if response.StatusCode != want || (err != nil) != tt.broken {
					t.Errorf("answered %d %q, %v; want %d", response.StatusCode, body, err, want)
				}
				if want == 200 && !tt.broken && string(body) != "fine" {
					t.Errorf("the answer is %q, not the second backend's", body)
				}
			})
		}
	}
}

// Informational responses pass: RFC 9110 §15.2.
func TestEarlyHints(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		fmt.Fprint(w, "done")
	}))
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	text, _ := io.ReadAll(conn)
	hint, final, _ := strings.Cut(string(text), "\r\n\r\n")
	if !strings.HasPrefix(hint, "HTTP/1.1 103 ") || !strings.Contains(hint, "Link: </a.css>") ||
		!strings.HasPrefix(final, "HTTP/1.1 200 OK") || strings.Contains(final, "Link:") {
		t.Errorf("came as\n%s", text)
	}
}
