package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limits are short enough to wait for; only the tests of a limit come near it.
var limits = upstream.Options{Connect: 5 * time.Second, Response: 5 * time.Second, Stall: 5 * time.Second}

// rig is a server in front of backends, with a client.
type rig struct {
	*Server
	url     string
	client  *http.Client
	service *Service
}

// newRig serves the given backends, tried in order.
func newRig(t *testing.T, o Options, u upstream.Options, backends ...string) *rig {
	t.Helper()
	s := onDuty(backends...)
	s.Upstream = upstream.New(u)
	if o.Routes == nil {
		o.Routes = NewTable([]Route{{PathPrefix: "/", Service: s}})
	}
	o.Address, o.Logger = "127.0.0.1:0", hclog.NewNullLogger()
	o.ReadTimeout, o.WriteTimeout = max(o.ReadTimeout, 50*time.Millisecond), max(o.WriteTimeout, 5*time.Second)
	server, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		s.Upstream.Close()
	})
	return &rig{Server: server, url: "http://" + server.Addr().String(), service: s, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do sends a request and returns the response with its whole body.
func (r *rig) do(t *testing.T, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// backend starts a real HTTP backend and returns its address.
func backend(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// raw starts a backend that takes one connection after another, reads the head
// of a request, and leaves the rest to answer.
func raw(t *testing.T, answer func(conn net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
			}
			answer(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-stopped })
	return l.Addr().String()
}

// says returns an answer of fixed bytes, after which the connection closes.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// resets ends the connection with a RST.
func resets(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// dead returns an address where nobody listens.
func dead(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ok(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }
}

func TestARequestArrivesAsItWasSent(t *testing.T) {
	var got *http.Request
	var target string
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		got, target = r, r.RequestURI
		w.Header().Set("X-Answer", "42")
		w.Header()["Content-Type"] = nil
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	}))
	response, body := r.do(t, "POST", "/a%2fb//c;d?q=%20&", strings.NewReader("hello"), "X-Ask: 1", "User-Agent: tester")
	if response.StatusCode != http.StatusTeapot || body != "hello" || response.Header.Get("X-Answer") != "42" {
		t.Errorf("answered %d %q %v", response.StatusCode, body, response.Header)
	}
	if _, ok := response.Header["Content-Type"]; ok {
		t.Error("a Content-Type was made up")
	}
	if target != "/a%2fb//c;d?q=%20&" {
		t.Errorf("the target arrived as %s", target)
	}
	host := strings.TrimPrefix(r.url, "http://")
	for name, want := range map[string]string{
		"X-Ask": "1", "User-Agent": "tester", "Via": "1.1 rota", "X-Forwarded-For": "127.0.0.1",
		"X-Forwarded-Proto": "http", "X-Forwarded-Host": host, "Content-Length": "5", "Accept-Encoding": "",
	} {
		if value := got.Header.Get(name); value != want {
			t.Errorf("%s arrived as %q, want %q", name, value, want)
		}
	}
	if got.Host != host {
		t.Errorf("Host arrived as %s, want %s", got.Host, host)
	}
}

func TestMessagesWithoutABody(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("Content-Length", "1000")
		}
	}))
	for path, want := range map[string]int{"/204": 204, "/304": 304} {
		if response, body := r.do(t, "GET", path, nil); response.StatusCode != want || body != "" {
			t.Errorf("GET %s: %d %q", path, response.StatusCode, body)
		}
	}
	if response, body := r.do(t, "HEAD", "/", nil); response.ContentLength != 1000 || body != "" {
		t.Errorf("HEAD: length %d, body %q", response.ContentLength, body)
	}
}

// Neither side's body is held back: each piece arrives before the next is sent.
func TestBodiesStreamBothWays(t *testing.T) {
	r := newRig(t, Options{ReadTimeout: 5 * time.Second}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Trailer", "X-Sum")
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			_ = control.Flush()
		}
		w.Header().Set("X-Sum", "3")
	}))
	reader, writer := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), "PUT", r.url, reader)
	go fmt.Fprintln(writer, "0")
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d came as %q", i, lines.Text())
		}
		if i < 2 {
			fmt.Fprintln(writer, i+1)
		}
	}
	writer.Close()
	if lines.Scan() {
		t.Errorf("an extra line %q", lines.Text())
	}
	if sum := response.Trailer.Get("X-Sum"); sum != "3" {
		t.Errorf("the trailer reads %q", sum)
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
		{"refused", dead(t), 200, 200, false},
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

func TestRotasOwnAnswers(t *testing.T) {
	o := Options{HealthPath: "/health", Health: func() (int, []byte) { return 200, []byte(`{"total":0}`) }}
	web := newRig(t, o, limits)
	nowhere := newRig(t, Options{Routes: NewTable(nil)}, limits)
	tests := []struct {
		rig          *rig
		method, path string
		status       int
		body         string
	}{
		{web, "GET", "/health", 200, `{"total":0}`},
		{web, "HEAD", "/health", 200, ""},
		{web, "GET", "/", 503, "rota: 503 Service Unavailable: no backend is on duty\n"},
		{web, "TRACE", "/", 405, "rota: 405 Method Not Allowed: not through this proxy\n"},
		{nowhere, "GET", "/", 404, "rota: 404 Not Found: no route for this host and path\n"},
		{nowhere, "GET", "/health", 404, "rota: 404 Not Found: no route for this host and path\n"},
	}
	for _, tt := range tests {
		response, body := tt.rig.do(t, tt.method, tt.path, nil)
		if response.StatusCode != tt.status || body != tt.body {
			t.Errorf("%s %s: %d %q, want %d %q", tt.method, tt.path, response.StatusCode, body, tt.status, tt.body)
		}
		if retry := response.Header.Get("Retry-After"); (tt.status == 503) != (retry != "") {
			t.Errorf("%s %s: Retry-After is %q", tt.method, tt.path, retry)
		}
	}
}

// A body that stops is told as 408, and the backend is let go.
func TestAStalledUpload(t *testing.T) {
	released := make(chan struct{})
	r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(released)
	}))
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhell")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %d, want 408", response.StatusCode)
	}
	<-released
	if _, failures := r.service.Duty.Pool().Members()[0].Endpoint.Totals(); failures != 0 {
		t.Error("the client's stall counts against the backend")
	}
}

// A client that goes away ends the request to the backend, and it is not the
// backend's failure.
func TestAClientThatLeaves(t *testing.T) {
	for _, when := range []string{"before the response", "within the response"} {
		t.Run(when, func(t *testing.T) {
			arrived, ended := make(chan struct{}), make(chan struct{})
			r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
				if when == "within the response" {
					fmt.Fprint(w, "hello")
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(ended)
			}))
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			request, _ := http.NewRequestWithContext(ctx, "GET", r.url, nil)
			if response, err := r.client.Do(request); err == nil {
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
				if !errors.Is(err, context.Canceled) {
					t.Errorf("ended with %v", err)
				}
			}
			<-ended
			if _, failures := r.service.Duty.Pool().Members()[0].Endpoint.Totals(); failures != 0 {
				t.Error("the client's leaving counts against the backend")
			}
		})
	}
}

func TestWebSocketsAreTunnelled(t *testing.T) {
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n")(conn)
		_, _ = io.Copy(conn, conn)
	}))
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Sec-Websocket-Accept") != "y" {
		t.Fatalf("the handshake ended with %v %v", response, err)
	}
	echo := make([]byte, 9)
	fmt.Fprint(conn, "late")
	if _, err := io.ReadFull(reader, echo); err != nil || string(echo) != "earlylate" {
		t.Errorf("echoed %q, %v", echo, err)
	}
	// Shutdown, in the rig's cleanup, must end the tunnel that is still open.
}

// SIGTERM's promise: what is under way finishes, nothing new is taken.
func TestShutdownFinishesWhatIsUnderWay(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "finished")
	}))
	answer := make(chan string)
	go func() {
		response, err := r.client.Get(r.url)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answer <- string(body)
	}()
	<-arrived
	down := make(chan error, 1)
	go func() { down <- r.Shutdown(t.Context()) }()
	for { // the listener closes first
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	close(release)
	if got := <-answer; got != "finished" {
		t.Errorf("the request under way ended with %q", got)
	}
	if err := <-down; err != nil {
		t.Errorf("shutdown: %v", err)
	}
}

func TestTurnsAreTakenThroughTheProxy(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, ok("a")), backend(t, ok("b")), backend(t, ok("c")))
	count := map[string]int{}
	for range 30 {
		_, body := r.do(t, "GET", "/", nil)
		count[body]++
	}
	if count["a"] != 10 || count["b"] != 10 || count["c"] != 10 {
		t.Errorf("30 requests went %v, want 10 each", count)
	}
}

func TestListenTellsWhy(t *testing.T) {
	r := newRig(t, Options{}, limits)
	_, err := Listen(t.Context(), Options{Address: r.Addr().String(), Logger: hclog.NewNullLogger()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second listener on %s: %v", r.Addr(), err)
	}
}
