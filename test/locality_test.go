package test

import (
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// answered asserts which backend answers some requests.
func (r *rota) answered(by string) {
	r.t.Helper()
	for range 10 {
		if status, body := r.get(r.url); status != 200 || body != by {
			r.t.Fatalf("answered %d by %s, want %s", status, body, by)
		}
	}
}

// unhedged keeps requests that a busy machine lets wait from going further.
const unhedged = "  hedge { attempts = 0 }\n"

// The other datacenter stands in when the last backend of the own one dies, and
// hands back when there is one again. No request fails.
func TestAnotherDatacenterStandsIn(t *testing.T) {
	own, other := testkit.StartConsul(t, testkit.InDatacenter("dc1")), testkit.StartConsul(t, testkit.InDatacenter("dc2"))
	own.JoinDatacenter(other)
	near, far := startBackend(t, "near"), startBackend(t, "far")
	register(own, near.name, near.port)
	register(other, far.name, far.port)
	rota := startReadyRota(t, `service "web" {
  locality {
    failover = ["dc2"]
  }
`+unhedged+`}
`, watching(own))
	rota.await("endpoint", "id", "near", "state", "serving")
	rota.await("endpoint", "id", "far", "state", "serving")
	rota.answered("near")

	died := time.Now()
	near.server.Close()
	rota.answered("far") // the first two by a retry
	rota.awaitAfter(died, "endpoint ejected", "id", "near")
	rota.awaitAfter(died, "shares of the tiers", "percent", "[0 100]")
	rota.answered("far")

	again := startBackend(t, "again")
	register(own, again.name, again.port)
	own.Deregister(near.name)
	rota.await("endpoint serving", "id", "again")
	// Before that, one of two serves, and the others help.
	rota.awaitAfter(died, "endpoint draining", "id", "near", "reasons", "deregistered")
	rota.answered("again")
}

// The backend in the same zone gets the requests; in maintenance it drains at
// once, and returns at once, slowly where that is asked for.
func TestTheOwnZoneIsPreferred(t *testing.T) {
	consul := testkit.StartConsul(t)
	for name, zone := range map[string]string{"near": "z1", "far": "z2"} {
		b := startBackend(t, name)
		consul.Register(&api.AgentServiceRegistration{
			ID: name, Name: "web", Address: "127.0.0.1", Port: b.port, Meta: map[string]string{"zone": zone},
		})
		consul.AwaitListed("web", name) // the first set has both
	}
	rota := startReadyRota(t, `service "web" {
  locality {
    prefer = "zone"
    zone   = env("ZONE")
  }
  slow_start {
    duration = "1h"
  }
`+unhedged+`}
`, watching(consul), "ZONE=z1")
	rota.answered("near")
	began := rota.await("ready").at
	agent := consul.Client().Agent()
	if err := agent.EnableServiceMaintenance("near", "test"); err != nil {
		t.Fatal(err)
	}
	rota.await("endpoint draining", "id", "near", "reasons", "maintenance")
	rota.answered("far")
	if err := agent.DisableServiceMaintenance("near"); err != nil {
		t.Fatal(err)
	}
	rota.awaitAfter(began, "endpoint warming", "id", "near", "reasons", "slow_start")
	near := 0
	for range 100 {
		if _, body := rota.get(rota.url); body == "near" {
			near++
		}
	}
	if near < 13 || near > 15 { // a tenth of its tier, which is worth 1.4 times what serves
		t.Errorf("in its slow start it gets %d of 100 requests, want 14", near)
	}
	rota.counts(2, 2, 0)
}
