package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/config"
)

// running is a program that runs within the test's process.
type running struct {
	*program
	t       *testing.T
	log     *lines
	url     string
	admin   string // "" where it is off
	hangups chan os.Signal
	stop    context.CancelFunc
	ended   chan error
}

// lines is a log that can be waited for.
type lines struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.changed.Broadcast()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) await(t *testing.T, part string) {
	t.Helper()
	began := time.Now()
	alarm := time.AfterFunc(10*time.Second, l.changed.Broadcast)
	defer alarm.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !strings.Contains(l.text.String(), part) {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the log never says %q:\n%s", part, l.text.String())
		}
		l.changed.Wait()
	}
}

const addresses = "listen \"http\" { address = \"127.0.0.1:0\" }\nadmin { address = \"127.0.0.1:0\" }\n"

// start runs a configuration and waits until the listeners are open.
func start(t *testing.T, text string) *running {
	t.Helper()
	r := launch(t, text)
	r.log.await(t, "listening: listener=http")
	return r
}

// launch runs a configuration.
func launch(t *testing.T, text string) *running {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	log := new(lines)
	log.changed = sync.NewCond(&log.mu)
	ctx, stop := context.WithCancel(context.Background())
	p, err := wire(ctx, file, c, newLogs(config.Log{Level: "debug", Format: "text"}, log), nil)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	r := &running{program: p, t: t, log: log, stop: stop, hangups: make(chan os.Signal, 1), ended: make(chan error, 1)}
	s := p.stage.Load()
	r.url = "http://" + s.listeners[0].server.Addr().String()
	if s.admin != nil {
		r.admin = "http://" + s.admin.Addr().String()
	}
	go func() { r.ended <- p.run(ctx, r.hangups) }()
	t.Cleanup(func() { r.end(nil) })
	return r
}

// end stops the program and asserts on how it ended.
func (r *running) end(want error) {
	r.t.Helper()
	r.stop()
	err := <-r.ended
	r.ended <- err
	if err != want {
		r.t.Errorf("ended with %v, want %v", err, want)
	}
}

func (r *running) get(url string) (status int, body string) {
	r.t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// fixed returns a service of one static backend.
func fixed(t *testing.T, name string, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return fmt.Sprintf("service %q {\n  discover \"static\" {\n    urls = [%q]\n  }\n}\n", name, s.URL)
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }
}

func TestTwoServicesAndTheirRoutes(t *testing.T) {
	r := start(t, addresses+fixed(t, "web", says("web"))+fixed(t, "api", says("api"))+
		"route { service = \"web\" }\nroute {\n  path_prefix = \"/api\"\n  service = \"api\"\n}\n")
	r.log.await(t, "ready")
	for path, want := range map[string]string{"/": "web", "/api/x": "api", "/apix": "web"} {
		if status, body := r.get(r.url + path); status != 200 || body != want {
			t.Errorf("%s: %d %q, want %q", path, status, body, want)
		}
	}
	for _, url := range []string{r.url + "/health", r.admin + "/health"} {
		if status, body := r.get(url); status != 200 || !strings.HasPrefix(body, `{"total":2,"alive":2,"dead":0,"backends":[{"url":"http://127.0.0.1:`) {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	if status, body := r.get(r.admin + "/health/ready"); status != 200 || body != "ready\n" {
		t.Errorf("/health/ready: %d %q", status, body)
	}
	if status, body := r.get(r.admin + "/health/live"); status != 200 || body != "alive\n" {
		t.Errorf("/health/live: %d %q", status, body)
	}
	if _, body := r.get(r.admin + "/metrics"); !strings.Contains(body, `rota_requests_total{code="2xx",service="api"} 1`) ||
		!strings.Contains(body, `rota_build_info{version="dev"} 1`) {
		t.Errorf("/metrics says\n%s", body)
	}
}

// A stop lets what is under way finish, and then leaves no goroutine behind.
func TestAStopFinishesWhatIsUnderWay(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	r := start(t, addresses+fixed(t, "web", func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "finished")
	}))
	answer := make(chan string, 1)
	go func() {
		_, body := r.get(r.url)
		answer <- body
	}()
	<-arrived
	r.stop()
	r.log.await(t, "stopping: no new connections")
	if status, body := r.get(r.admin + "/health/ready"); status != 503 || body != "not ready\nstopping\n" {
		t.Errorf("while stopping /health/ready says %d %q", status, body)
	}
	close(release)
	if got := <-answer; got != "finished" {
		t.Errorf("the request under way ended with %q", got)
	}
	r.end(nil)
}

func TestShutdownTimeoutCutsWhatDoesNotEnd(t *testing.T) {
	arrived := make(chan struct{})
	r := start(t, "shutdown_timeout = \"50ms\"\n"+addresses+fixed(t, "web", func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	cut := make(chan error, 1)
	go func() {
		response, err := http.Get(r.url)
		if err == nil {
			response.Body.Close()
		}
		cut <- err
	}()
	<-arrived
	r.end(nil)
	if err := <-cut; err == nil {
		t.Error("the request that was cut off ended well")
	}
	r.log.await(t, "requests were cut off at shutdown_timeout")
}

// Whoever just holds a connection to admin must not turn a stop into a failure.
func TestASilentConnectionToAdminDoesNotFailAStop(t *testing.T) {
	r := start(t, addresses+fixed(t, "web", says("web")))
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.admin, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r.end(nil)
}

func TestAdminCanBeOff(t *testing.T) {
	r := start(t, "listen \"http\" { address = \"127.0.0.1:0\" }\nadmin { address = \"\" }\n"+fixed(t, "web", says("web")))
	if status, body := r.get(r.url); r.admin != "" || status != 200 || body != "web" {
		t.Errorf("without admin (%q): %d %q", r.admin, status, body)
	}
}

func TestTheAccessLogGoesToAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	r := start(t, addresses+fmt.Sprintf("access_log {\n  format = \"combined\"\n  path = %q\n}\n", file)+fixed(t, "web", says("web")))
	r.get(r.url + "/seen")
	r.end(nil)
	text, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(text), `"GET /seen HTTP/1.1" 200 3`) {
		t.Errorf("the file says %q, %v", text, err)
	}
}

// A reader that takes no lines any more can't hold up a stop.
func TestAStuckAccessLogDoesNotHoldUpAStop(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "access.log")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Skipf("no FIFO here: %v", err)
	}
	reader, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	r := start(t, addresses+fmt.Sprintf("access_log { path = %q }\n", fifo)+fixed(t, "web", says("web")))
	for range 400 { // more than a pipe holds
		r.get(r.url + "/" + strings.Repeat("x", 500))
	}
	r.end(nil)
	r.log.await(t, "the access log lost lines")
}
