package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rota-lb/rota/upstream"
)

// shows fails the test unless the samples of one metric of the table are those
// given in the text format.
func shows(t *testing.T, table *Table, metric, samples string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(table)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == metric { // the comments are not what is tested
			kind := strings.ToLower(f.GetType().String())
			samples = fmt.Sprintf("# HELP %s %s\n# TYPE %s %s\n%s\n", metric, f.GetHelp(), metric, kind, samples)
		}
	}
	if err := testutil.GatherAndCompare(registry, strings.NewReader(samples), metric); err != nil {
		t.Error(err)
	}
}

// Every request is counted once, in its class and its bucket, and none is left
// in flight.
func TestStats(t *testing.T) {
	s := &Service{Name: "web", stats: new(serviceStats)}
	for _, end := range []struct {
		status int
		took   time.Duration
	}{
		{0, time.Millisecond}, // no answer; a bound is part of its bucket
		{101, time.Minute + 1},
		{200, 0},
		{204, 1},
		{302, time.Millisecond + 1},
		{404, 2500 * time.Microsecond},
		{499, time.Second},
		{502, time.Minute},
		{599, time.Hour},
		{600, 3 * time.Second}, // not a class that anybody knows
		{999, 5 * time.Second},
	} {
		s.stats.begin(0).end(end.status, end.took)
	}
	s.stats.begin(0) // under way
	s.stats.retries.Add(2)
	s.stats.fault(upstream.Reset)
	s.stats.fault(upstream.Reset)
	s.stats.fault(upstream.OwnLimit)
	table := NewTable([]Route{{PathPrefix: "/", Service: s}, {PathPrefix: "/idle", Service: &Service{Name: "idle"}}}, nil)

	shows(t, table, "rota_requests_total", `
rota_requests_total{code="1xx",service="web"} 1
rota_requests_total{code="2xx",service="web"} 2
rota_requests_total{code="3xx",service="web"} 1
rota_requests_total{code="4xx",service="web"} 2
rota_requests_total{code="5xx",service="web"} 2
rota_requests_total{code="none",service="web"} 3
`)
	shows(t, table, "rota_requests_in_flight", `
rota_requests_in_flight{service="idle"} 0
rota_requests_in_flight{service="web"} 1
`)
	shows(t, table, "rota_retries_total", `
rota_retries_total{service="idle"} 0
rota_retries_total{service="web"} 2
`)
	shows(t, table, "rota_attempt_faults_total", `
rota_attempt_faults_total{fault="own_limit",service="web"} 1
rota_attempt_faults_total{fault="reset",service="web"} 2
`)
}

func TestDurations(t *testing.T) {
	s := &Service{Name: "web", stats: new(serviceStats)}
	for _, took := range []time.Duration{0, time.Millisecond, time.Millisecond + 1, 2 * time.Second, time.Minute, time.Minute + 1} {
		s.stats.begin(0).end(200, took)
	}
	shows(t, NewTable([]Route{{PathPrefix: "/", Service: s}}, nil), "rota_request_duration_seconds", `
rota_request_duration_seconds_bucket{service="web",le="0.001"} 2
rota_request_duration_seconds_bucket{service="web",le="0.0025"} 3
rota_request_duration_seconds_bucket{service="web",le="0.005"} 3
rota_request_duration_seconds_bucket{service="web",le="0.01"} 3
rota_request_duration_seconds_bucket{service="web",le="0.025"} 3
rota_request_duration_seconds_bucket{service="web",le="0.05"} 3
rota_request_duration_seconds_bucket{service="web",le="0.1"} 3
rota_request_duration_seconds_bucket{service="web",le="0.25"} 3
rota_request_duration_seconds_bucket{service="web",le="0.5"} 3
rota_request_duration_seconds_bucket{service="web",le="1"} 3
rota_request_duration_seconds_bucket{service="web",le="2.5"} 4
rota_request_duration_seconds_bucket{service="web",le="5"} 4
rota_request_duration_seconds_bucket{service="web",le="10"} 4
rota_request_duration_seconds_bucket{service="web",le="30"} 4
rota_request_duration_seconds_bucket{service="web",le="60"} 5
rota_request_duration_seconds_bucket{service="web",le="+Inf"} 6
rota_request_duration_seconds_sum{service="web"} 122.002000002
rota_request_duration_seconds_count{service="web"} 6
`)
}

func TestMetricNames(t *testing.T) {
	s := &Service{Name: "web", stats: new(serviceStats)}
	s.stats.begin(0).end(200, time.Second)
	s.stats.fault(upstream.Reset)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(NewTable([]Route{{PathPrefix: "/", Service: s}}, nil), NewAccessLog(AccessJSON, io.Discard))
	problems, err := testutil.GatherAndLint(registry)
	if len(problems) > 0 || err != nil {
		t.Errorf("%v %v", problems, err)
	}
}

// What is counted is what clients saw.
func TestRequestsAreCounted(t *testing.T) {
	o := Options{HealthPath: "/health", Health: func() (int, []byte) { return 200, nil }}
	r := newRig(t, o, limits, dead, backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/404":
			w.WriteHeader(404)
		case "/hints":
			w.WriteHeader(103)
		case "/abort":
			panic(http.ErrAbortHandler)
		}
	}))
	// Turns alternate: each odd one meets the dead backend first.
	for _, path := range []string{"/204", "/204", "/404", "/hints", "/health"} {
		r.do(t, "GET", path, nil)
	}
	r.do(t, "POST", "/abort", nil)
	r.finish(t)
	attempts, failures := uint64(0), uint64(0)
	for m := range r.service.Duty.Pool().Members() {
		a, f := m.Endpoint.Totals()
		attempts, failures = attempts+a, failures+f
	}
	retries := r.service.stats.retries.Load()
	if attempts != 5+retries || failures != retries+1 || retries == 0 {
		t.Errorf("5 requests took %d attempts, %d failed, %d retried", attempts, failures, retries)
	}
	shows(t, r.options().Routes, "rota_requests_total", `
rota_requests_total{code="2xx",service="web"} 3
rota_requests_total{code="4xx",service="web"} 1
rota_requests_total{code="5xx",service="web"} 1
`)
	shows(t, r.options().Routes, "rota_attempt_faults_total", fmt.Sprintf(`
rota_attempt_faults_total{fault="reset",service="web"} 1
rota_attempt_faults_total{fault="unreachable",service="web"} %d
`, retries))
	shows(t, r.options().Routes, "rota_requests_in_flight", `
rota_requests_in_flight{service="web"} 0
`)
}

// A request is in flight until its last byte, and a client that left has no
// status.
func TestARequestInFlight(t *testing.T) {
	arrived := make(chan struct{})
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		close(arrived)
		_, _ = conn.Read(make([]byte, 1)) // until rota gives up
	}))
	c := r.dial(t)
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-arrived
	shows(t, r.options().Routes, "rota_requests_in_flight", "rota_requests_in_flight{service=\"web\"} 1\n")
	c.Close()
	r.finish(t)
	shows(t, r.options().Routes, "rota_requests_in_flight", "rota_requests_in_flight{service=\"web\"} 0\n")
	shows(t, r.options().Routes, "rota_requests_total", "rota_requests_total{code=\"none\",service=\"web\"} 1\n")
	shows(t, r.options().Routes, "rota_attempt_faults_total", "rota_attempt_faults_total{fault=\"client_gone\",service=\"web\"} 1\n")
	r.blameless(t)
}
