package test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// Whatever Consul answers but the truth, the last good set stays, traffic goes
// on, and /health says that the knowledge is old.
func TestNoBadAnswerEmptiesThePool(t *testing.T) {
	consul := testkit.StartFaultConsul(t)
	a, b := startBackend(t, "a"), startBackend(t, "b")
	entryA, entryB := testkit.Entry("web", "a", "127.0.0.1", a.port), testkit.Entry("web", "b", "127.0.0.1", b.port)
	consul.Script("web", testkit.Instances(10, entryA, entryB))
	rota := startReadyRota(t, "service \"web\" {\n"+unhedged+"}\n", "CONSUL_HTTP_ADDR="+consul.Addr())
	load := startLoad(t, rota.url, 200, nil)

	tests := []struct {
		name   string
		answer testkit.Answer
		error  string // part of what /health says
	}{
		{"500", testkit.Status(http.StatusInternalServerError, "rpc error: No cluster leader"), "No cluster leader"},
		{"403", testkit.Status(http.StatusForbidden, "Permission denied"), "Permission denied"},
		{"429", testkit.Status(http.StatusTooManyRequests, "Your IP is issuing too many concurrent connections"), "429"},
		{"an empty list that access control made", testkit.Filtered(11), `service "web" { policy = "read" }`},
		{"half an answer", testkit.Truncated(12, entryA), ""},
		{"a reset", testkit.Reset(), ""},
		{"an endless answer", testkit.Endless(13), ""},
		{"something else", testkit.Body(14, "<html>"), ""},
		{"null", testkit.Body(15, "null"), "null"},
		{"no leader", testkit.NoLeader(16, entryA), "leader"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			consul.Script("web", tt.answer.Forever())
			rota.awaitAfter(began, "discovery from Consul fails", "error", tt.error)
			load.pass(50)
			rota.counts(2, 2, 0)
			if d := rota.health().Discovery[0]; d.Fresh || !strings.Contains(d.Error, tt.error) {
				t.Errorf("/health says %+v", d)
			}
			consul.Script("web", testkit.Instances(20, entryA, entryB))
			rota.awaitAfter(began, "discovery from Consul works again")
			rota.awaitFresh()
		})
	}
	// An index that goes backwards is a reason to ask anew, not to believe less.
	consul.Script("web", testkit.Instances(3, entryA), testkit.Instances(3, entryA, entryB))
	load.pass(50)
	rota.counts(2, 2, 0)
	load.stop(t)
	if n := rota.said("endpoint draining"); n > 0 {
		t.Errorf("an endpoint was drained %d times", n)
	}
}

// Consul is not there when rota starts: a static service is served all the
// same, and rota says what it waits for until Consul comes.
func TestStartWithoutConsul(t *testing.T) {
	consul := testkit.StartConsul(t)
	consul.Stop()
	fixed, found := startBackend(t, "fixed"), startBackend(t, "found")
	rota := startRota(t, fmt.Sprintf(`
service "web" {}
service "fixed" {
  discover "static" { urls = ["http://127.0.0.1:%d"] }
}
route {
  path_prefix = "/fixed"
  service     = "fixed"
}
route { service = "web" }
`, fixed.port), watching(consul))

	if status, body := rota.get(rota.url + "/fixed/x"); status != 200 || body != "fixed" {
		t.Errorf("the static service answers %d %q", status, body)
	}
	if status, body := rota.get(rota.url); status != 503 || !strings.Contains(body, "no backend is on duty") {
		t.Errorf("the service that is not known yet answers %d %q", status, body)
	}
	status, body := rota.get(rota.admin + "/health/ready")
	if status != 503 || !strings.Contains(body, `service "web"`) || !strings.Contains(body, "refused") {
		t.Errorf("/health/ready says %d %q", status, body)
	}
	if h := rota.health(); h.Status != 503 || h.Total != 1 || h.Alive != 1 || h.Discovery[0].AgeMS != nil || h.Discovery[0].Fresh {
		t.Errorf("/health says %+v", h)
	}

	consul.Start()
	register(consul, "found", found.port)
	rota.await("ready")
	rota.await("endpoint serving", "id", "found")
	if status, body := rota.get(rota.url); status != 200 || body != "found" {
		t.Errorf("with Consul the service answers %d %q", status, body)
	}
	if status, _ := rota.get(rota.admin + "/health/ready"); status != 200 {
		t.Errorf("/health/ready says %d when rota is ready", status)
	}
	if h := rota.health(); h.Status != 200 {
		t.Errorf("/health says %+v", h)
	}
}

// When everybody is dead, clients are told so at once, with a reason and when
// to come back; and the first backend that returns is found.
func TestEverybodyIsDeadAndOneReturns(t *testing.T) {
	consul := testkit.StartConsul(t)
	backends := []*process{startProcess(t, "a"), startProcess(t, "b")}
	for _, b := range backends {
		register(consul, b.name, b.port)
	}
	rota := startReadyRota(t, "service \"web\" {\n  health_check {\n    interval = \"2s\"\n  }\n}\n", watching(consul))
	for _, b := range backends {
		b.kill()
	}
	if status, body := rota.get(rota.url); status != 503 || !strings.Contains(body, "no backend could be reached") {
		t.Errorf("with everybody dead rota answers %d %q", status, body)
	}
	for _, b := range backends {
		rota.await("endpoint ejected", "id", b.name)
	}
	rota.counts(2, 0, 2)
	if status := rota.health().Status; status != 503 {
		t.Errorf("/health answers %d with everybody dead", status)
	}

	b := startBackend(t, "c") // the same instance, started again elsewhere
	died := time.Now()
	register(consul, "a", b.port)
	rota.awaitAfter(died, "endpoint serving", "id", "a")
	if status, body := rota.get(rota.url); status != 200 || body != "c" {
		t.Errorf("with one back rota answers %d %q", status, body)
	}
	rota.counts(2, 1, 1)
}

// Maintenance takes an instance out at once and puts it back at once.
func TestMaintenance(t *testing.T) {
	consul := testkit.StartConsul(t)
	startRegistered(t, consul, 2)
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 200, nil)
	agent := consul.Client().Agent()
	for range 2 {
		began := time.Now()
		if err := agent.EnableServiceMaintenance("web-1", "upgrade"); err != nil {
			t.Fatal(err)
		}
		rota.awaitAfter(began, "endpoint draining", "id", "web-1", "reasons", "maintenance")
		rota.counts(2, 1, 1)
		load.pass(50)
		if err := agent.DisableServiceMaintenance("web-1"); err != nil {
			t.Fatal(err)
		}
		rota.awaitAfter(began, "endpoint serving", "id", "web-1")
		rota.counts(2, 2, 0)
		load.pass(50)
	}
	load.stop(t)
}

// SIGTERM: what is under way finishes, and rota exits with 0.
func TestSIGTERMFinishesWhatIsUnderWay(t *testing.T) {
	b := startBackend(t, "slow")
	arrived, release := make(chan struct{}), make(chan struct{})
	b.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "finished")
	})
	rota := startReadyRota(t, fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [\"http://127.0.0.1:%d\"] }\n}\n", b.port))
	answer := make(chan string, 1)
	go func() {
		_, body := rota.get(rota.url)
		answer <- body
	}()
	<-arrived
	stopped := make(chan error, 1)
	go func() { stopped <- rota.stop() }()
	rota.await("stopping")
	close(release)
	if got := <-answer; got != "finished" {
		t.Errorf("the request under way ended with %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("rota exited with %v", err)
	}
	rota.await("stopped")
}
