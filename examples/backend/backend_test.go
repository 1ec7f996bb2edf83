package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestHandler(t *testing.T) {
	tests := []struct {
		method, target string
		code           int
		body           string
	}{
		{"GET", "/", 200, "web-1: GET /\n"},
		{"POST", "/a/b?c=d", 200, "web-1: POST /a/b\n"},
		{"GET", "/health", 200, "ok\n"},
		{"GET", "/slow?d=soon", 400, "say how long: /slow?d=5s\n"},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		handler("web-1").ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
		if w.Code != tt.code || w.Body.String() != tt.body {
			t.Errorf("%s %s: got %d %q, want %d %q", tt.method, tt.target, w.Code, w.Body, tt.code, tt.body)
		}
	}
}

func TestSlowStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		w := httptest.NewRecorder()
		handler("web-1").ServeHTTP(w, httptest.NewRequest("GET", "/slow?d=300ms", nil))
		want := "web-1: 100ms of 300ms\nweb-1: 200ms of 300ms\nweb-1: 300ms of 300ms\n"
		if w.Body.String() != want || !w.Flushed || time.Since(began) != 300*time.Millisecond {
			t.Errorf("got %q in %v, want %q in 300ms", w.Body, time.Since(began), want)
		}
	})
}

func TestSlowEndsWithItsClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		began := time.Now()
		r := httptest.NewRequestWithContext(ctx, "GET", "/slow?d=1h", nil)
		handler("web-1").ServeHTTP(httptest.NewRecorder(), r)
		if d := time.Since(began); d != 150*time.Millisecond {
			t.Errorf("went on for %v after its client had gone", d)
		}
	})
}

func TestParseOptions(t *testing.T) {
	defaults := options{listen: ":8081", service: "web", drain: 500 * time.Millisecond}
	with := func(change func(*options)) options {
		o := defaults
		change(&o)
		return o
	}
	tests := []struct {
		name string
		args []string
		env  map[string]string
		want options
	}{
		{"defaults", nil, nil, defaults},
		{"flag", []string{"-id", "a"}, nil, with(func(o *options) { o.id = "a" })},
		{"environment", nil, map[string]string{"BACKEND_ID": "b"}, with(func(o *options) { o.id = "b" })},
		{"flag over environment", []string{"-id", "a"}, map[string]string{"BACKEND_ID": "b"}, with(func(o *options) { o.id = "a" })},
		{
			"all", []string{"-listen", ":1", "-service", "s", "-advertise", "h", "-drain", "1s"}, nil,
			options{listen: ":1", service: "s", advertise: "h", drain: time.Second},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseOptions(tt.args, func(n string) string { return tt.env[n] }, io.Discard)
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
	for _, args := range [][]string{{"-port", "1"}, {"web-1"}, {"-drain", "1"}} {
		var told strings.Builder
		if _, err := parseOptions(args, os.Getenv, &told); err == nil || told.Len() == 0 {
			t.Errorf("%v: accepted, or refused without a word", args)
		}
	}
}

func TestAdvertised(t *testing.T) {
	tests := []struct {
		name   string
		o      options
		consul string
		want   string // "" for an error
	}{
		{"told", options{listen: ":1", advertise: "web.example"}, "127.0.0.1:8500", "web.example"},
		{"told and bound", options{listen: "127.0.0.2:1", advertise: "web.example"}, "127.0.0.1:8500", "web.example"},
		{"bound", options{listen: "127.0.0.2:1"}, "127.0.0.1:8500", "127.0.0.2"},
		{"bound to a name", options{listen: "localhost:1"}, "127.0.0.1:8500", "localhost"},
		{"towards Consul", options{listen: ":1"}, "127.0.0.1:8500", "127.0.0.1"},
		{"towards a URL", options{listen: "0.0.0.0:1"}, "http://127.0.0.1:8500/consul", "127.0.0.1"},
		{"towards a URL without port", options{listen: "[::]:1"}, "https://127.0.0.1", "127.0.0.1"},
		{"towards a socket", options{listen: ":1"}, "unix:///run/consul.sock", ""},
		{"towards nonsense", options{listen: ":1"}, "http://a b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := advertised(tt.o, tt.consul)
			if got != tt.want || (err == nil) != (tt.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestTakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := options{listen: l.Addr().String()}
	err = run(t.Context(), o, api.DefaultConfig(), slog.New(slog.DiscardHandler))
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

// The flags that README and demo print must be the ones there are.
func TestUsageNamesEveryFlag(t *testing.T) {
	var usage strings.Builder
	parseOptions([]string{"-h"}, os.Getenv, &usage)
	for _, name := range []string{"-listen", "-id", "-service", "-advertise", "-drain"} {
		if !slices.Contains(strings.Fields(usage.String()), name) {
			t.Errorf("%s is missing from %s", name, filepath.Base(os.Args[0]))
		}
	}
}
