package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// checkOnce runs one check of address by spec, as a Checker would.
func checkOnce(t *testing.T, spec Spec, address string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), spec.Timeout)
	defer cancel()
	return spec.prober()(ctx, address)
}

// wantError compares the text of err with want; "" wants no error.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("the check ended with %q, want %q", got, want)
	}
}

// serve runs handler and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// speak accepts connections, reads a request head from each, says words and
// hangs up.
func speak(t *testing.T, words string) string {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, words)
		conn.Close()
	})
}

// hang accepts connections and never says a word.
func hang(t *testing.T) string {
	t.Helper()
	return listen(t, func(conn net.Conn) {
		io.Copy(io.Discard, conn)
		conn.Close()
	})
}

// listen has talk hold one connection after the other until the test ends.
func listen(t *testing.T, talk func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			talk(conn)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		<-done
	})
	return listener.Addr().String()
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestHTTPStatus(t *testing.T) {
	some := []StatusRange{{200, 204}, {401, 401}}
	tests := []struct {
		status int
		expect []StatusRange
		want   string
	}{
		{200, nil, ""},
		{204, nil, ""},
		{299, nil, ""},
		{300, nil, "status 300, want 200-299"},
		{302, nil, "status 302, want 200-299"},
		{404, nil, "status 404, want 200-299"},
		{503, nil, "status 503, want 200-299"},
		{204, some, ""},
		{401, some, ""},
		{205, some, "status 205, want 200-204 or 401"},
		{400, some, "status 400, want 200-204 or 401"},
		{302, []StatusRange{{200, 399}}, ""},
		{503, []StatusRange{{503, 503}}, ""},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, test.expect), func(t *testing.T) {
			address := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(test.status) })
			spec := Spec{Path: "/health", Expect: test.expect, Timeout: 2 * time.Second}
			wantError(t, checkOnce(t, spec, address), test.want)
		})
	}
}

func TestHTTPRedirectIsNotFollowed(t *testing.T) {
	var asked atomic.Int32
	address := serve(t, func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		http.Redirect(w, req, "/elsewhere", http.StatusFound)
	})
	err := checkOnce(t, Spec{Path: "/", Timeout: 2 * time.Second}, address)
	wantError(t, err, "status 302, want 200-299")
	if n := asked.Load(); n != 1 {
		t.Errorf("the server was asked %d times, want 1", n)
	}
}

func TestHTTPRequest(t *testing.T) {
	tests := []struct{ path, host, wantURI, wantHost string }{
		{path: "/health", wantURI: "/health"},
		{path: "/health?deep=1&x=%20", wantURI: "/health?deep=1&x=%20"},
		{path: "/", wantURI: "/"},
		{path: "health", wantURI: "/health"},
		{path: "@evil.example/", wantURI: "/@evil.example/"},
		{path: "/health", host: "web.example", wantURI: "/health", wantHost: "web.example"},
	}
	for _, test := range tests {
		t.Run(test.path+" "+test.host, func(t *testing.T) {
			requests := make(chan *http.Request, 1)
			address := serve(t, func(_ http.ResponseWriter, req *http.Request) { requests <- req })
			spec := Spec{Path: test.path, Host: test.host, Timeout: 2 * time.Second}
			wantError(t, checkOnce(t, spec, address), "")

			got := <-requests
			wantHost := test.wantHost
			if wantHost == "" {
				wantHost = address
			}
			if got.Method != "GET" || got.RequestURI != test.wantURI || got.Host != wantHost {
				t.Errorf("asked %s %s of %s, want GET %s of %s", got.Method, got.RequestURI, got.Host, test.wantURI, wantHost)
			}
			if agent := got.UserAgent(); agent != "rota-health-check" {
				t.Errorf("User-Agent is %q", agent)
			}
			if encoding := got.Header.Get("Accept-Encoding"); encoding != "" {
				t.Errorf("Accept-Encoding is %q; the body is not looked at", encoding)
			}
			if !got.Close {
				t.Error("the check did not ask for the connection to be closed")
			}
		})
	}
}

func TestHTTPBody(t *testing.T) {
	const short = 100 * time.Millisecond
	tests := []struct {
		name    string
		handler http.HandlerFunc
		want    string
	}{
		{"small", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }, ""},
		{"as much as is read", func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, maxBody)) }, ""},
		{"endless", func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 64<<10); ; {
				if _, err := w.Write(block); err != nil {
					return // which ends the handler, or the test would hang
				}
			}
		}, ""},
		{"stalls", func(w http.ResponseWriter, req *http.Request) {
			io.WriteString(w, "wait for it")
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}, "timeout after 100ms"},
		{"stalls after what is read", func(w http.ResponseWriter, req *http.Request) {
			w.Write(make([]byte, maxBody))
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}, ""},
		{"cut short", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, "half")
		}, "connection closed before the answer was complete"},
		{"of a failure, stalls", func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.(http.Flusher).Flush()
			<-req.Context().Done()
		}, "status 503, want 200-299"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			address := serve(t, test.handler)
			wantError(t, checkOnce(t, Spec{Path: "/", Timeout: short}, address), test.want)
		})
	}
}

func TestHTTPNoAnswer(t *testing.T) {
	tests := []struct {
		name    string
		address string
		want    string
	}{
		{"closed port", closedPort(t), "connection refused"},
		{"silence", hang(t), "timeout after 100ms"},
		{"hangs up", speak(t, ""), "connection closed before the answer was complete"},
		{"hangs up in the head", speak(t, "HTTP/1.1 200 OK\r\nX: y\r\n"), "connection closed before the answer was complete"},
		{"another protocol", speak(t, "220 mail ESMTP\r\n"), `malformed HTTP status code "mail"`},
		{"a head without end", speak(t, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", 2*maxHead)),
			"net/http: server response headers exceeded 65536 bytes; aborted"},
		{"not an address", "[::1", `missing ']' in host`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			spec := Spec{Path: "/", Timeout: 100 * time.Millisecond}
			wantError(t, checkOnce(t, spec, test.address), test.want)
		})
	}
}

func TestTCP(t *testing.T) {
	tests := []struct {
		name    string
		address string
		want    string
	}{
		{"open", hang(t), ""},
		{"closed port", closedPort(t), "connection refused"},
		{"connect goes nowhere", fullBacklog(t), "timeout after 100ms"},
		{"no port", "127.0.0.1", "address 127.0.0.1: missing port in address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			wantError(t, checkOnce(t, Spec{Timeout: 100 * time.Millisecond}, test.address), test.want)
		})
	}
}

// TestCancelledCheckEnds has a check of a silent backend cancelled: it must not
// go on until its timeout.
func TestCancelledCheckEnds(t *testing.T) {
	for _, path := range []string{"", "/"} {
		address := hang(t)
		if path == "" {
			address = fullBacklog(t)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Spec{Path: path, Timeout: time.Hour}.prober()(ctx, address) }()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("path %q: the check ended with %v, want %v", path, err, context.Canceled)
		}
	}
}

// fullBacklog returns an address where connects are neither accepted nor
// refused: the queue of a listener that accepts none is full.
func fullBacklog(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for {
		conn, err := net.DialTimeout("tcp", address, 50*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
}
