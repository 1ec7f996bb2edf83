package admin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/balancer"
	discover "github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
	"github.com/rota-lb/rota/pool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve starts an admin server, which the test's end stops, and returns its
// URL.
func serve(t *testing.T, o Options) string {
	t.Helper()
	o.Address, o.Logger = "127.0.0.1:0", hclog.NewNullLogger()
	s, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		s.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "http://" + s.Addr().String()
}

// ask sends a request and returns the response with its body.
func ask(t *testing.T, method, url string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
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

// web is a real service of two instances that take connections.
func web(t *testing.T) *pool.Service {
	s := pool.New(pool.Options{
		Name: "web", Source: "static", Balance: balancer.RoundRobin, Logger: hclog.NewNullLogger(),
		Check: health.Spec{Interval: time.Hour, Timeout: time.Second, HealthyAfter: 1, UnhealthyAfter: 1},
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-stopped })
	var set discover.Update
	for i := range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		name := fmt.Sprint("web-", i)
		set.Instances = append(set.Instances, discover.Instance{ID: name, Name: name, Address: l.Addr().String(), Weight: 1})
	}
	s.Apply(set)
	<-s.Ready()
	return s
}

func ready() []string { return nil }

func TestWhatIsAnswered(t *testing.T) {
	service := web(t)
	url := serve(t, Options{Services: func() []Viewer { return []Viewer{service} }, Waiting: ready})
	const text, object = "text/plain; charset=utf-8", "application/json"
	tests := []struct {
		method, path string
		status       int
		contentType  string
		body         string // the beginning of it
	}{
		{"GET", "/health", 200, object, `{"total":2,"alive":2,"dead":0,"backends":[{"url":"http://127.0.0.1:`},
		{"HEAD", "/health", 200, object, ""},
		{"GET", "/health/live", 200, text, "alive\n"},
		{"HEAD", "/health/live", 200, text, ""},
		{"GET", "/health/ready", 200, text, "ready\n"},
		{"HEAD", "/health/ready", 200, text, ""},
		{"GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", "# HELP "},
		{"HEAD", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores", ""},
		{"GET", "/", 404, text, "404 page not found\n"},
		{"GET", "/health/", 404, text, "404 page not found\n"},
		{"POST", "/health", 405, text, "Method Not Allowed\n"},
		{"PUT", "/health/live", 405, text, "Method Not Allowed\n"},
		{"DELETE", "/health/ready", 405, text, "Method Not Allowed\n"},
		{"GET", "/reload", 405, text, "Method Not Allowed\n"},
		{"OPTIONS", "/metrics", 405, text, "Method Not Allowed\n"},
	}
	for _, tt := range tests {
		response, body := ask(t, tt.method, url+tt.path)
		if response.StatusCode != tt.status || response.Header.Get("Content-Type") != tt.contentType ||
			!strings.HasPrefix(body, tt.body) || tt.body == "" && body != "" {
			t.Errorf("%s %s: %d %s\n%s", tt.method, tt.path, response.StatusCode, response.Header.Get("Content-Type"), body)
		}
		if allow := response.Header.Get("Allow"); tt.status == 405 && tt.path != "/reload" && allow != "GET, HEAD" {
			t.Errorf("%s %s: Allow is %q", tt.method, tt.path, allow)
		}
		if cache := response.Header.Get("Cache-Control"); tt.status == 200 && strings.HasPrefix(tt.path, "/health") && cache != "no-store" {
			t.Errorf("%s %s: Cache-Control is %q", tt.method, tt.path, cache)
		}
	}
}

func TestReadySaysWhatItWaitsFor(t *testing.T) {
	waiting := []string{"starting", `service "web": no answer from consul yet`}
	url := serve(t, Options{Waiting: func() []string { return waiting }})
	response, body := ask(t, "GET", url+"/health/ready")
	want := "not ready\nstarting\nservice \"web\": no answer from consul yet\n"
	if response.StatusCode != 503 || body != want {
		t.Errorf("answered %d %q, want 503 %q", response.StatusCode, body, want)
	}
	if response, _ := ask(t, "GET", url+"/health/live"); response.StatusCode != 200 {
		t.Errorf("not alive while it waits: %d", response.StatusCode)
	}
	waiting = nil
	if response, body := ask(t, "GET", url+"/health/ready"); response.StatusCode != 200 || body != "ready\n" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
}

// Every metric is well-formed and well-named, and tells of the process too.
func TestMetrics(t *testing.T) {
	own := prometheus.NewCounter(prometheus.CounterOpts{Name: "rota_own_total", Help: "Of a room's own."})
	url := serve(t, Options{
		Waiting: ready, Version: `1.2.3 "beta"`, Collectors: []prometheus.Collector{web(t), own},
	})
	_, text := ask(t, "GET", url+"/metrics")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "rota_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for _, want := range []string{
		`rota_build_info{version="1.2.3 \"beta\""} 1`,
		`rota_own_total 0`,
		`rota_endpoints{service="web",state="serving"} 2`,
		`rota_discovery_age_seconds{service="web"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("no sample %s", want)
		}
	}
	for _, want := range []string{"go_goroutines ", "process_start_time_seconds "} {
		if !strings.Contains(text, "\n"+want) {
			t.Errorf("no sample %s", want)
		}
	}
}

// A request under way finishes within the time it is given; a client that says
// nothing can't hold the process back.
func TestShutdown(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	s, err := Listen(t.Context(), Options{
		Address: "127.0.0.1:0", Logger: hclog.NewNullLogger(),
		Waiting: func() []string { close(asked); <-release; return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	silent, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	fmt.Fprint(conn, "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
	<-asked

	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	down := make(chan struct{})
	go func() { defer close(down); s.Shutdown(ctx) }()
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	close(release)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 200 {
		t.Errorf("the request under way ended with %v, %v", response, err)
	}
	<-down
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("the silent client was not waited for at all")
	}
	if err := silent.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := silent.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the silent client is still connected: %v", err)
	}
}

func TestListenTellsWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, err = Listen(t.Context(), Options{Address: taken.Addr().String(), Logger: hclog.NewNullLogger()})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second listener on %s: %v", taken.Addr(), err)
	}
}
