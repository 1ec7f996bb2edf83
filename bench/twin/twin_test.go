package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// backends are two servers that tell what came to them.
func backends(t *testing.T) []string {
	t.Helper()
	var addresses []string
	for name := range 2 {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			if r.URL.Path == "/missing" {
				w.WriteHeader(http.StatusNotFound)
			}
			fmt.Fprintf(w, "%d %s %s %s for=%s proto=%s host=%s via=%s agent=%q accept=%q body=%s", name, r.Method, r.Host,
				r.Proto, r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Proto"),
				r.Header.Get("X-Forwarded-Host"), r.Header.Get("Via"), r.UserAgent(), r.Header.Get("Accept-Encoding"), body)
		}))
		t.Cleanup(s.Close)
		addresses = append(addresses, s.Listener.Addr().String())
	}
	return addresses
}

func TestForwarder(t *testing.T) {
	f := forwarder(backends(t))
	defer f.Transport.(*http.Transport).CloseIdleConnections()
	for _, backend := range []string{"1", "0", "1"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader("hello"))
		r.Host, r.RemoteAddr = "example.test", "192.0.2.7:1234"
		r.Header.Set("X-Forwarded-For", "forged")
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		want := backend + " POST example.test HTTP/1.1 for=192.0.2.7 proto=http host=example.test via=1.1 twin agent=\"\" accept=\"\" body=hello"
		if got := w.Body.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestBuffersAreReused(t *testing.T) {
	var b buffers
	p := b.Get()
	if len(p) == 0 {
		t.Fatal("a buffer without room")
	}
	b.Put(p)
	if q := b.Get(); len(q) != len(p) {
		t.Errorf("got one of %d bytes, want %d", len(q), len(p))
	}
}

func TestCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	h := counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(map[string]int{"/": 200, "/no": 404}[r.URL.Path])
	}), registry)
	for _, path := range []string{"/", "/no", "/"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.Metric {
			key := f.GetName() + " " + m.Label[0].GetValue()
			got[key] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	for key, want := range map[string]float64{
		"twin_requests_total 200": 2, "twin_requests_total 404": 1,
		"twin_request_duration_seconds 200": 2, "twin_request_duration_seconds 404": 1,
	} {
		if got[key] != want {
			t.Errorf("%s: got %v, want %v", key, got[key], want)
		}
	}
}

func TestLogged(t *testing.T) {
	var out strings.Builder
	l := newLog(&out)
	h := l.logged(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short ")
		io.WriteString(w, "and stout")
	}))
	r := httptest.NewRequest("GET", `/a?b="c"`, nil)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("User-Agent", "me\n")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if out.Len() > 0 {
		t.Errorf("%q was written at once: lines are to gather", out.String())
	}
	if err := l.flush(); err != nil {
		t.Fatal(err)
	}
	want := `^192\.0\.2\.7 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "GET /a\?b=\\"c\\" HTTP/1\.1" 418 15 "-" "me\\n"` + "\n$"
	if !regexp.MustCompile(want).MatchString(out.String()) {
		t.Errorf("got %q", out.String())
	}
}

// The whole twin, with everything on.
func TestRun(t *testing.T) {
	var addresses []string
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addresses = append(addresses, l.Addr().String())
		l.Close()
	}
	o := options{listen: addresses[0], admin: addresses[1], backends: backends(t), accessLog: filepath.Join(t.TempDir(), "log")}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, o) }()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var answer *http.Response
	for limit := time.Now().Add(10 * time.Second); answer == nil; <-tick.C {
		var err error
		if answer, err = client.Get("http://" + o.listen + "/missing"); err != nil && time.Now().After(limit) {
			t.Fatal(err)
		}
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusNotFound {
		t.Errorf("got %s", answer.Status)
	}
	metrics, err := client.Get("http://" + o.admin)
	if err != nil {
		t.Fatal(err)
	}
	defer metrics.Body.Close()
	if text, err := io.ReadAll(metrics.Body); err != nil || !strings.Contains(string(text), `twin_requests_total{status="404"} 1`) {
		t.Errorf("%v, no count of the request in\n%s", err, text)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if log, err := os.ReadFile(o.accessLog); err != nil || !strings.Contains(string(log), `"GET /missing HTTP/1.1" 404 `) {
		t.Errorf("the log is %q, %v", log, err)
	}
}

func TestRunFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, o := range map[string]options{
		"a taken port": {listen: taken.Addr().String(), backends: []string{"x"}},
		"no such folder": {listen: "127.0.0.1:0", backends: []string{"x"},
			accessLog: filepath.Join(t.TempDir(), "missing", "log")},
	} {
		if err := run(t.Context(), o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
