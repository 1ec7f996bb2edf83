package test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// web is the service of these tests, watched in Consul and checked by TCP.
const web = "service \"web\" {}\n"

func watching(c *testkit.Consul) string { return "CONSUL_HTTP_ADDR=" + c.Addr() }

// An instance gets requests once it is registered, and none any more once it is
// not. How soon is printed, not judged: the machine may be busy.
func TestAnInstanceComesAndGoes(t *testing.T) {
	consul := testkit.StartConsul(t)
	startRegistered(t, consul, 3)
	rota := startReadyRota(t, "service \"web\" {\n"+unhedged+"}\n", watching(consul))
	load := startLoad(t, rota.url, 500, nil)

	var came, went []time.Duration
	for i := range 9 {
		b := startBackend(t, fmt.Sprintf("new-%d", i))
		register(consul, b.name, b.port)
		registered := time.Now()
		came = append(came, max(0, (<-b.first).Sub(registered)))
		rota.await("endpoint serving", "id", b.name) // the pool may be ahead of /health
		rota.counts(4, 4, 0)

		consul.Deregister(b.name)
		deregistered := time.Now()
		rota.await("endpoint draining", "id", b.name, "reasons", "deregistered")
		rota.awaitTotal(3)
		rota.counts(3, 3, 0)
		served := b.count.Load()
		load.pass(100)
		if late := b.count.Load() - served; late > 0 {
			t.Errorf("%s got %d requests after it had left", b.name, late)
		}
		went = append(went, max(0, b.lastRequest().Sub(deregistered)))
	}
	load.stop(t)
	if n := rota.said("discovery from Consul fails"); n > 0 {
		t.Errorf("discovery from a Consul that is well failed %d times", n)
	}
	t.Logf("registered → first request: %v", came)
	t.Logf("deregistered → last request: %v", went)
}

func TestNoGETFailsWhenABackendIsKilled(t *testing.T) {
	consul := testkit.StartConsul(t)
	var backends []*process
	for i := range 3 {
		b := startProcess(t, fmt.Sprintf("web-%d", i+1))
		register(consul, b.name, b.port)
		backends = append(backends, b)
	}
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 500, nil)
	load.pass(300)
	rota.counts(3, 3, 0)

	backends[1].kill()
	rota.await("endpoint ejected", "id", "web-2", "reasons", "check_failed")
	load.pass(500)
	load.stop(t)
	rota.counts(3, 2, 1)
	for _, b := range rota.health().Backends {
		if dead := b.ID == "web-2"; b.Alive == dead || dead && b.State != "ejected" {
			t.Errorf("/health says %+v", b)
		}
	}
}

// drain is how long an instance that has left the service goes on serving, as
// the sample backend does: POSTs on their way to it can't be sent twice.
const drain = 500 * time.Millisecond

// Ten times, each of four instances is replaced by a new one, as a deploy does.
func TestRollingReplacements(t *testing.T) {
	consul := testkit.StartConsul(t)
	backends := startRegistered(t, consul, 4)
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 500, func(n int) string { return []string{"GET", "POST"}[n%2] })

	var retired sync.WaitGroup
	for round := range 10 {
		for i, old := range backends {
			b := startBackend(t, fmt.Sprintf("web-%d-%d", i+1, round))
			register(consul, b.name, b.port)
			<-b.first
			consul.Deregister(old.name)
			rota.await("endpoint draining", "id", old.name, "reasons", "deregistered")
			retired.Add(1)
			old.retire(drain, retired.Done)
			backends[i] = b
			load.pass(100)
		}
	}
	retired.Wait()
	load.pass(200)
	load.stop(t)
	for _, b := range backends {
		rota.await("endpoint serving", "id", b.name)
	}
	rota.counts(4, 4, 0)
}

// For a minute there is no Consul: traffic goes on, a backend that dies is
// noticed all the same, and /health shows how old the knowledge is. When
// Consul is back, so is the truth. How soon is printed, not judged: an agent that
// starts keeps the machine busy.
func TestConsulIsGoneForAMinute(t *testing.T) {
	t.Parallel()
	gone := time.Minute
	if testing.Short() {
		gone = 3 * time.Second
	}
	consul := testkit.StartConsul(t, testkit.KeepData())
	startRegistered(t, consul, 2)
	mortal := startProcess(t, "mortal")
	register(consul, mortal.name, mortal.port)
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 100, nil)
	load.pass(100)

	stopped := time.Now()
	consul.Stop()
	load.pass(100)
	mortal.kill()
	rota.await("endpoint ejected", "id", "mortal")
	load.pass(100 * int((gone - time.Since(stopped)).Seconds()))
	rota.counts(3, 2, 1)
	d := rota.health().Discovery[0]
	if d.Fresh || d.Error == "" || time.Duration(*d.AgeMS)*time.Millisecond < gone-5*time.Second {
		t.Errorf("after %v without Consul /health says %+v", time.Since(stopped), d)
	}

	var felt []time.Duration
	for i := range 3 {
		if i > 0 {
			stopped = time.Now()
			consul.Stop()
			rota.awaitAfter(stopped, "discovery from Consul fails")
		}
		consul.Start()
		b := startBackend(t, fmt.Sprintf("new-%d", i))
		register(consul, b.name, b.port)
		consul.AwaitListed("web", b.name)
		listed := time.Now()
		felt = append(felt, max(0, (<-b.first).Sub(listed)))
		rota.await("endpoint serving", "id", b.name)
		rota.awaitFresh()
		rota.counts(4+i, 3+i, 1)
	}
	load.stop(t)
	t.Logf("listed by a Consul that is back → first request: %v", felt)
}

// An agent that keeps nothing on disk starts anew, and is told of its services
// a moment later. Nobody is the worse for it. A machine that takes too long to
// tell it gets another try.
func TestNobodyNoticesAnAgentThatStartsAnew(t *testing.T) {
	for range 5 {
		if agentStartsAnew(t) {
			return
		}
	}
	t.Skip("this machine takes longer to register a service than rota holds it")
}

// agentStartsAnew reports whether the services were registered again in time.
func agentStartsAnew(t *testing.T) (inTime bool) {
	const soon = 2 * time.Second // of the three for which they are held
	consul := testkit.StartConsul(t)
	backends := startRegistered(t, consul, 3)
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 200, func(n int) string { return []string{"GET", "POST"}[n%2] })
	load.pass(100)
	for range 2 {
		began := time.Now()
		consul.Kill()
		consul.Start()
		held := rota.awaitAfter(began, "endpoint held", "reasons", "unconfirmed")
		for _, b := range backends {
			register(consul, b.name, b.port)
		}
		since, err := time.Parse(time.RFC3339, fmt.Sprint(held.fields["@timestamp"]))
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(since); took > soon {
			t.Logf("the services were registered %v after they were held: too late to tell anything", took)
			load.end()
			if err := rota.stop(); err != nil {
				t.Error(err)
			}
			return false
		}
		for _, b := range backends {
			rota.awaitAfter(began, "endpoint serving", "id", b.name)
		}
		rota.counts(3, 3, 0)
		load.pass(50)
	}
	load.stop(t)
	if n := rota.said("endpoint draining"); n > 0 {
		t.Errorf("an endpoint was drained %d times", n)
	}
	return true
}

// A service that loses everybody at once keeps them until that is confirmed, and
// says so.
func TestAnEmptiedServiceIsConfirmedFirst(t *testing.T) {
	consul := testkit.StartConsul(t)
	catalog := consul.Client().Catalog()
	for i := range 3 {
		b := startBackend(t, fmt.Sprintf("web-%d", i))
		if _, err := catalog.Register(&api.CatalogRegistration{
			Node: "other", Address: "127.0.0.1",
			Service: &api.AgentService{ID: b.name, Service: "web", Port: b.port},
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	rota := startReadyRota(t, web, watching(consul))
	rota.counts(3, 3, 0)
	if _, err := catalog.Deregister(&api.CatalogDeregistration{Node: "other"}, nil); err != nil {
		t.Fatal(err)
	}
	rota.await("Consul has lost most instances", "service", "web")
	for i := range 3 {
		rota.await("endpoint held", "id", fmt.Sprintf("web-%d", i))
	}
	if h := rota.health(); h.Status != 200 || h.Alive != 3 || h.Discovery[0].Held != 3 || h.Backends[0].State != "held" {
		t.Errorf("/health says %+v", h)
	}
	if _, metrics := rota.get(rota.admin + "/metrics"); !strings.Contains(metrics, `rota_endpoints{service="web",state="held"} 3`) {
		t.Error("the metrics don't tell of the three that are held")
	}
	for i := range 3 {
		rota.await("endpoint draining", "id", fmt.Sprintf("web-%d", i), "reasons", "deregistered")
	}
	rota.counts(0, 0, 0)
}
