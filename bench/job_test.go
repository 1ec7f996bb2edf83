package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// wellDone is what a backend tells of a request that was forwarded as it
// should be.
const wellDone = "protocol=HTTP/1.1\nconnection=\nhost=bench.test\nfor=127.0.0.1\nproto=http\nforwarded-host=bench.test\nvia=1.1 x\n"

func TestJobFaults(t *testing.T) {
	tests := []struct{ from, to, want string }{
		{"", "", ""},
		{"connection=", "connection=keep-alive", ""},
		{"via=1.1 x", "via=1.1 one, 1.1 two", ""},
		{"HTTP/1.1", "HTTP/1.0", `protocol is "HTTP/1.0", not "HTTP/1.1"`},
		{"connection=", "connection=Close", "the connection to the backend is not kept"},
		{"host=bench.test\nfor", "host=backends\nfor", `host is "backends", not "bench.test"`},
		{"for=127.0.0.1", "for=1.2.3.4, 127.0.0.1", `for is "1.2.3.4, 127.0.0.1", not "127.0.0.1"`},
		{"proto=http\n", "proto=\n", `proto is "", not "http"`},
		{"forwarded-host=bench.test\n", "", `forwarded-host is "", not "bench.test"`},
		{"via=1.1 x", "via=", `via is ""`},
	}
	for _, tt := range tests {
		job := parseJob(strings.Replace(wellDone, tt.from, tt.to, 1))
		if got := strings.Join(jobFaults(job), "; "); got != tt.want {
			t.Errorf("%q for %q: got %q, want %q", tt.to, tt.from, got, tt.want)
		}
	}
	if n := len(jobFaults(nil)); n != 6 {
		t.Errorf("nothing at all has %d faults", n)
	}
}

func TestParseJob(t *testing.T) {
	got := parseJob("a=1\nb=x=y\n\nc=\nd")
	if want := map[string]string{"a": "1", "b": "x=y", "": "", "c": "", "d": ""}; !maps.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// pretender answers like a proxy in front of two backends, in all but what a
// test changes.
type pretender struct {
	backends int
	job      string
	bodies   map[string]int // sizes by path
	post     int            // status
	metrics  string
	logLine  string
}

func honest() pretender {
	return pretender{
		backends: 2, job: wellDone, bodies: map[string]int{"/128": small, "/16k": middle, "/1m": large},
		post: http.StatusNoContent, metrics: "requests 1\n", logLine: `"POST /post HTTP/1.1" 204`,
	}
}

// start serves it and returns its setup.
func (p pretender) start(t *testing.T, full bool) setup {
	t.Helper()
	s := setup{Dir: t.TempDir(), Full: full, Backends: []string{"a", "b"}}
	var turn atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/job":
			fmt.Fprintf(w, "backend=%d\n%s", turn.Add(1)%int64(p.backends), p.job)
		case r.URL.Path == "/metrics":
			io.WriteString(w, p.metrics)
		case r.Method == http.MethodPost:
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(p.post)
			if err := os.WriteFile(accessLog(s.Dir), []byte(p.logLine), 0o600); err != nil {
				t.Error(err)
			}
		default:
			io.WriteString(w, strings.Repeat("x", p.bodies[r.URL.Path]))
		}
	}))
	t.Cleanup(server.Close)
	s.Address = server.Listener.Addr().String()
	s.Admin = s.Address
	return s
}

func TestCheckJob(t *testing.T) {
	tests := []struct {
		name   string
		change func(*pretender)
		full   bool
		want   string // "" for none
	}{
		{"well done", func(*pretender) {}, false, ""},
		{"well done, everything on", func(*pretender) {}, true, ""},
		{"one backend", func(p *pretender) { p.backends = 1 }, false, `only ["0"] of ["a" "b"] are used`},
		{"another job", func(p *pretender) { p.job = "" }, false, "it does another job: protocol is"},
		{"short body", func(p *pretender) { p.bodies["/1m"]-- }, false, "get-1m: 1048575 bytes, not 1048576"},
		{"refuses a POST", func(p *pretender) { p.post = 413 }, false, "POST /post: 413"},
		{"no metrics, none wanted", func(p *pretender) { p.metrics = "" }, false, ""},
		{"no metrics", func(p *pretender) { p.metrics = "" }, true, "no metrics"},
		{"no log, none wanted", func(p *pretender) { p.logLine = "" }, false, ""},
		{"no log", func(p *pretender) { p.logLine = "something else" }, true, "no line in the access log"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := honest()
			tt.change(&p)
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			ctx := t.Context()
			if strings.Contains(tt.want, "log") { // it waits for one as long as it may
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			err := p.start(t, tt.full).checkJob(ctx, client)
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got the error %v, want %q", err, tt.want)
			}
		})
	}
}
