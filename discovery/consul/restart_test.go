package consul

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// TestAgentThatForgets: an agent that was killed and keeps nothing on disk knows
// no services when it is back. They stay until it has been told of them anew.
func TestAgentThatForgets(t *testing.T) {
	agent := testkit.StartConsul(t)
	register := func() {
		for n := range 3 {
			agent.Register(&api.AgentServiceRegistration{ID: fmt.Sprintf("web-%d", n), Name: "web", Port: 80 + n})
		}
	}
	register()
	c := newClient(t, Options{Address: agent.Addr()})
	c.holdFor = 4 * patience // so that it ends by what is registered alone
	u := watch(t, c, Watch{Service: "web"})
	u.await("all", count(3))
	agent.Kill()
	agent.Start()
	held := 0
	all := func(update discovery.Update) bool {
		if update.Kind != discovery.Set {
			return false
		}
		held = 0
		for _, i := range update.Instances {
			if i.Held {
				held++
			}
		}
		if len(update.Instances) != 3 {
			t.Fatalf("told %+v meanwhile", update)
		}
		return true
	}
	if u.first("the agent's answer", all); held == 0 {
		t.Error("nobody is held, though the agent knows nobody")
	}
	register()
	u.first("the end of the hold", func(update discovery.Update) bool { return all(update) && held == 0 })
}

// TestNodeLeaves: with its node all instances go at once. They are held, and
// then the leader confirms that they are gone.
func TestNodeLeaves(t *testing.T) {
	agent := testkit.StartConsul(t)
	catalog := agent.Client().Catalog()
	for _, id := range []string{"web-1", "web-2", "web-3"} {
		if _, err := catalog.Register(&api.CatalogRegistration{
			Node: "other", Address: "10.0.0.1",
			Service: &api.AgentService{ID: id, Service: "web", Port: 80},
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	u := watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "web"})
	u.await("all", count(3))
	left := time.Now()
	if _, err := catalog.Deregister(&api.CatalogDeregistration{Node: "other"}, nil); err != nil {
		t.Fatal(err)
	}
	if got := brief(u.want(discovery.Set), true); got != "[WEB-1WEB-2WEB-3]" {
		t.Errorf("at first it tells %s", got)
	}
	u.await("the end", count(0))
	if held := time.Since(left); held < holdFor {
		t.Errorf("they were held for %v, want at least %v", held, holdFor)
	}
}

// TestServerRestored: with an old snapshot the indexes of a server go back, too.
// What it says then is believed, and no change after it is missed. An agent that
// streams does not end a query because of that, so it takes one's time.
func TestServerRestored(t *testing.T) {
	agent := testkit.StartConsul(t)
	catalog := agent.Client().Catalog()
	register := func(id string) {
		t.Helper()
		if _, err := catalog.Register(&api.CatalogRegistration{
			Node: "other", Address: "10.0.0.1",
			Service: &api.AgentService{ID: id, Service: "web", Port: 80},
		}, nil); err != nil {
			t.Fatal(err)
		}
	}
	register("web-1")
	c := newClient(t, Options{Address: agent.Addr()})
	c.blockFor = time.Second
	u := watch(t, c, Watch{Service: "web"})
	u.await("web-1", count(1))
	old, _, err := agent.Client().Snapshot().Save(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	kept, err := io.ReadAll(old)
	if err != nil {
		t.Fatal(err)
	}
	register("web-2")
	u.await("web-2", count(2))
	if err := agent.Client().Snapshot().Restore(nil, bytes.NewReader(kept)); err != nil {
		t.Fatal(err)
	}
	u.first("the snapshot's list", func(update discovery.Update) bool { return len(update.Instances) == 1 })
	register("web-3")
	u.first("web-3", func(update discovery.Update) bool { return len(update.Instances) == 2 })
}
