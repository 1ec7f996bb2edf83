package proxy

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

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
		"X-Ask": "1", "User-Agent": "tester", "Via": "1.1 " + r.settings.Load().rules.via, "X-Forwarded-For": "127.0.0.1",
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

func TestRotasOwnAnswers(t *testing.T) {
	o := Options{HealthPath: "/health", Health: func() (int, []byte) { return 200, []byte(`{"total":0}`) }}
	web := newRig(t, o, limits)
	nowhere := newRig(t, Options{Routes: NewTable(nil, nil)}, limits)
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
	// A shutdown waits for it as for any request, and then ends it.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Shutdown(ctx, atOnce); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a shutdown with a tunnel open ended with %v", err)
	}
	if _, err := reader.ReadByte(); err == nil {
		t.Error("the tunnel outlived the shutdown")
	}
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
	go func() { down <- r.Shutdown(t.Context(), atOnce) }()
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

// What streams may have nothing to say at first; its head must not wait for
// it, or a client that waits for the head waits for ever.
func TestTheHeadOfAStreamComesAtOnce(t *testing.T) {
	release := make(chan struct{})
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
		fmt.Fprint(w, "an event")
	}))
	response, err := r.client.Get(r.url)
	close(release)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); string(body) != "an event" || err != nil {
		t.Errorf("the body is %q, %v", body, err)
	}
}

// The commonest mistake is a wrong route, so what no service gets is counted
// and logged all the same.
func TestUnroutedRequestsAreAccountedFor(t *testing.T) {
	lines := make(chan string, 2)
	log, stop := logTo(t, AccessCombined, lineWriter(lines))
	r := newRig(t, Options{Routes: NewTable(nil, nil), AccessLog: log}, limits)
	r.do(t, "GET", "/lost", nil)
	if line := <-lines; !strings.Contains(line, `"GET /lost HTTP/1.1" 404`) {
		t.Errorf("logged as %s", line)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	want := "# HELP rota_requests_total Requests answered, by class of status; none where the client left first. No service: no route.\n# TYPE rota_requests_total counter\n" +
		"rota_requests_total{code=\"4xx\",service=\"\"} 1\n"
	if err := testutil.CollectAndCompare(r.options().Routes, strings.NewReader(want), "rota_requests_total"); err != nil {
		t.Error(err)
	}
}

type lineWriter chan string

func (l lineWriter) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

// A body in front of another protocol: nobody could tell where that begins.
func TestNoUpgradeBehindABody(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get("Upgrade"), r.Header.Get("Connection"))
	}))
	_, body := r.do(t, "POST", "/", strings.NewReader("body"), "Connection: Upgrade", "Upgrade: websocket")
	if body != "" {
		t.Errorf("the backend was asked for %q", body)
	}
}

// One request's panic is told loudly, and nobody else notices.
func TestAPanicEndsOneRequest(t *testing.T) {
	var log bytes.Buffer
	r := newRig(t, Options{
		HealthPath: "/health", Health: func() (int, []byte) { panic("a mistake") },
		Logger: hclog.New(&hclog.LoggerOptions{Output: &log}),
	}, limits, backend(t, ok("fine")))
	if response, _ := r.do(t, "GET", "/health", nil); response.StatusCode != http.StatusInternalServerError {
		t.Errorf("answered %s", response.Status)
	}
	if _, body := r.do(t, "GET", "/", nil); body != "fine" {
		t.Errorf("the next request gets %q", body)
	}
	r.finish(t)
	if text := log.String(); !strings.Contains(text, "[ERROR] a mistake in rota ended a request") || !strings.Contains(text, "server_test.go") {
		t.Errorf("told as %q", text)
	}
	after := NewTable(nil, r.options().Routes) // as after a reload
	want := "# HELP rota_panics_total Requests and connections that a mistake in rota has ended.\n" +
		"# TYPE rota_panics_total counter\nrota_panics_total 1\n"
	if err := testutil.CollectAndCompare(after, strings.NewReader(want), "rota_panics_total"); err != nil {
		t.Error(err)
	}
}
