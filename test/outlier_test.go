package test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// moody is a backend whose /health is always good, while everything else is as
// the test says: well, an answer of some status, or silence.
type moody struct {
	*backend
	arrived atomic.Int64
	status  atomic.Int64 // 0: well
	slams   atomic.Bool  // it closes the connection
	gate    atomic.Pointer[chan struct{}]
}

func startMoody(t *testing.T, name string) *moody {
	m := new(moody)
	m.backend = startBackend(t, name, func(s *http.Server) { s.Handler = m })
	t.Cleanup(m.wake) // before the server is closed
	return m
}

func (m *moody) hang() {
	gate := make(chan struct{})
	m.gate.Store(&gate)
}

func (m *moody) wake() {
	if gate := m.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

func (m *moody) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		return
	}
	m.arrived.Add(1)
	if m.slams.Load() {
		panic(http.ErrAbortHandler)
	}
	if gate := m.gate.Load(); gate != nil {
		<-*gate
	}
	if status := m.status.Load(); status != 0 {
		w.WriteHeader(int(status))
	}
	m.backend.ServeHTTP(w, r)
}

// moodyService is a service of such backends. The body of it goes beside.
func moodyService(body string, backends ...*moody) string {
	var urls []string
	for _, b := range backends {
		urls = append(urls, fmt.Sprintf("\"http://127.0.0.1:%d\"", b.port))
	}
	return fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [%s] }\n%s\n}\n", strings.Join(urls, ", "), body)
}

// Checks are too rare to take anybody out in these tests.
const rareChecks = "health_check {\n path = \"/health\"\n interval = \"1h\"\n}\n"

// reached waits until that many more requests have come to the backend.
func (m *moody) reached(t *testing.T, l *load, n int64) {
	t.Helper()
	for until := m.count.Load() + n; m.count.Load() < until; {
		l.pass(10)
	}
}

// faults.md 38: a backend that hangs while its health check passes is taken out
// by what its requests tell, each of which another backend answers; it returns
// when it is well.
func TestAHungBackendIsEjected(t *testing.T) {
	hung, b, c := startMoody(t, "hung"), startMoody(t, "b"), startMoody(t, "c")
	service := func(ejection string, backends ...*moody) string {
		return moodyService(rareChecks+fmt.Sprintf(
			"retry {\n per_try_timeout = \"200ms\"\n budget = 100\n}\noutlier {\n base_ejection = %[1]q\n max_ejection = %[1]q\n}", ejection), backends...)
	}
	r := startReadyRota(t, service("1h", hung, b, c))
	load := startLoad(t, r.url, 300, nil)
	hung.reached(t, load, 50)

	began := time.Now()
	hung.hang()
	address := fmt.Sprint(hung.port)
	line := r.awaitAfter(began, "endpoint ejected", "id", address, "reasons", "consecutive_failures")
	t.Logf("ejected %v after it began to hang", line.at.Sub(began))
	r.counts(3, 2, 1)
	load.pass(100)
	if got := r.said("endpoint ejected"); got != 1 {
		t.Errorf("%d ejections, want one", got)
	}
	hung.wake()

	// An hour is too long to wait for: it is registered anew, to be out for less.
	r.reload(service("1h", b, c))
	r.awaitTotal(2)
	began = time.Now()
	r.reload(service("200ms", hung, b, c))
	r.awaitAfter(began, "endpoint serving", "id", address)
	hung.reached(t, load, 50)
	began = time.Now()
	hung.hang()
	r.awaitAfter(began, "endpoint ejected", "id", address, "reasons", "consecutive_failures")
	began = time.Now()
	hung.wake()
	r.awaitAfter(began, "endpoint serving", "id", address)
	hung.reached(t, load, 50)
	load.stop(t)
}

// The same with a process that stands still: the system still accepts
// connections for it, so a check by TCP passes.
func TestAStoppedProcessIsEjected(t *testing.T) {
	stopped := startProcess(t, "stopped")
	b, c := startBackend(t, "b"), startBackend(t, "c")
	r := startReadyRota(t, fmt.Sprintf(`
service "web" {
  discover "static" {
    urls = ["http://127.0.0.1:%d", "http://127.0.0.1:%d", "http://127.0.0.1:%d"]
  }
  retry {
    per_try_timeout = "200ms"
    budget          = 100
  }
  outlier { base_ejection = "1s" }
}
`, stopped.port, b.port, c.port))
	load := startLoad(t, r.url, 300, nil)
	load.pass(150)

	began := time.Now()
	signal := func(s syscall.Signal) {
		if err := stopped.cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	address := fmt.Sprint(stopped.port)
	line := r.awaitAfter(began, "endpoint ejected", "id", address, "reasons", "consecutive_failures")
	t.Logf("ejected %v after it was stopped", line.at.Sub(began))
	signal(syscall.SIGCONT)
	r.awaitAfter(line.at, "endpoint serving", "id", address)
	load.pass(100)
	load.stop(t)
}

// What returns, and hangs still, costs a request and not the share that it has: it
// gets one at a time until it answers.
func TestABackendThatReturnsIsTried(t *testing.T) {
	hung, b, c := startMoody(t, "hung"), startMoody(t, "b"), startMoody(t, "c")
	r := startReadyRota(t, moodyService(rareChecks+"outlier {\n base_ejection = \"300ms\"\n max_ejection = \"300ms\"\n}", hung, b, c))
	load := startLoad(t, r.url, 400, nil)
	hung.reached(t, load, 50)
	address, began := fmt.Sprint(hung.port), time.Now()
	hung.hang()
	line := r.awaitAfter(began, "endpoint ejected", "id", address)
	for range 2 {
		before := hung.arrived.Load()
		line = r.awaitAfter(line.at, "endpoint serving", "id", address)
		line = r.awaitAfter(line.at, "endpoint ejected", "id", address, "error", "it failed as soon as it was back")
		if n := hung.arrived.Load() - before; n < 1 || n > 3 {
			t.Errorf("%d requests tried it, want one", n)
		}
	}
	hung.wake()
	r.awaitAfter(line.at, "endpoint serving", "id", address)
	hung.reached(t, load, 50)
	load.stop(t)
}

// No GET fails when all but one of a service fail, though not so many may be taken out
// for it: the one that is left gets what they do not answer, and they return.
func TestMostOfAServiceFails(t *testing.T) {
	well := startMoody(t, "well")
	failing := []*moody{startMoody(t, "a"), startMoody(t, "b"), startMoody(t, "c")}
	r := startReadyRota(t, moodyService(rareChecks+"outlier {\n base_ejection = \"500ms\"\n max_ejection = \"500ms\"\n}", append(failing, well)...))
	load := startLoad(t, r.url, 300, nil)
	well.reached(t, load, 20)
	for _, slams := range []bool{true, false, true, false} {
		for _, m := range failing {
			m.slams.Store(slams)
		}
		if slams {
			well.reached(t, load, 600)
			continue
		}
		for _, m := range failing {
			m.reached(t, load, 20)
		}
	}
	load.stop(t)
}

// faults.md 37: answers of 503 in a row take a backend out at once, answers of
// 500 when the others are found not to give them. Until then clients get what
// it answers.
func TestABackendThatAnswersWithErrorsIsEjected(t *testing.T) {
	for status, reason := range map[int]string{503: "consecutive_failures", 500: "success_rate"} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			bad, b, c := startMoody(t, "bad"), startMoody(t, "b"), startMoody(t, "c")
			r := startReadyRota(t, moodyService(rareChecks+
				"outlier {\n interval = \"1s\"\n min_requests = 10\n base_ejection = \"1s\"\n}", bad, b, c))
			load := startLoad(t, r.url, 300, nil)
			bad.reached(t, load, 50)
			began := time.Now()
			bad.status.Store(int64(status))
			address := fmt.Sprint(bad.port)
			line := r.awaitAfter(began, "endpoint ejected", "id", address, "reasons", reason)
			bad.status.Store(0)
			r.awaitAfter(line.at, "endpoint serving", "id", address)
			bad.reached(t, load, 50)
			if failed := load.end(); len(failed) == 0 || !strings.Contains(failed[0], fmt.Sprint(status)) {
				t.Errorf("clients did not get the answers of %d: %v", status, failed)
			}
			n := r.said("endpoint ejected", "id", address, "reasons", reason)
			if _, metrics := r.get(r.admin + "/metrics"); !strings.Contains(metrics,
				fmt.Sprintf("rota_outlier_ejections_total{reason=%q,service=\"web\"} %d\n", reason, n)) {
				t.Errorf("the metrics do not count %d ejections under %s", n, reason)
			}
		})
	}
}

// faults.md 39: a backend that fails ten times a second, and is well between, is
// out for longer each time; requests pass meanwhile, and few pools are made.
func TestAFlappingBackendIsOutForLongerEachTime(t *testing.T) {
	flapping, b, c := startMoody(t, "flapping"), startMoody(t, "b"), startMoody(t, "c")
	r := startReadyRota(t, moodyService(rareChecks+"retry { on = [\"503\"] }\noutlier {\n base_ejection = \"200ms\"\n consecutive = 2\n}", flapping, b, c))
	load := startLoad(t, r.url, 400, nil)
	flap := time.NewTicker(50 * time.Millisecond)
	defer flap.Stop()
	var out []time.Duration
	for began := time.Now(); len(out) < 4; <-flap.C {
		if status := flapping.status.Load(); status == 0 {
			flapping.status.Store(503)
		} else {
			flapping.status.Store(0)
		}
		out = r.ejections(began, fmt.Sprint(flapping.port))
	}
	t.Logf("out for %v", out)
	for i, d := range out {
		// The log is a moment behind.
		if least := 150 * time.Millisecond << i; d < least {
			t.Errorf("ejection %d lasted %v, want %v at least", i+1, d, least)
		}
	}
	load.stop(t)
}

// ejections returns for how long each ejection of an endpoint lasted that is
// over.
func (r *rota) ejections(after time.Time, id string) (out []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var began time.Time
	for _, l := range r.log {
		switch at := l.stamp(); {
		case !l.at.After(after):
		case l.says("endpoint ejected", []string{"id", id}):
			began = at
		case l.says("endpoint serving", []string{"id", id}) && !began.IsZero():
			out, began = append(out, at.Sub(began)), time.Time{}
		}
	}
	return out
}
