package testkit

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// services returns the addresses under which the catalog lists a service.
func services(t *testing.T, c *Consul, name string, index uint64) ([]string, uint64) {
	t.Helper()
	entries, meta, err := c.Client().Health().Service(name, "", false, &api.QueryOptions{WaitIndex: index})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, e := range entries {
		ids = append(ids, e.Service.ID)
	}
	return ids, meta.LastIndex
}

// awaitServices waits until the catalog lists n instances.
func awaitServices(t *testing.T, c *Consul, name string, n int) {
	t.Helper()
	var index uint64
	for {
		ids, next := services(t, c, name, index)
		if len(ids) == n {
			return
		}
		if index != 0 && next == index {
			t.Fatalf("the catalog stays at %v, want %d of %s", ids, n, name)
		}
		index = next
	}
}

func TestConsulRegister(t *testing.T) {
	c := StartConsul(t)
	c.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	c.Register(&api.AgentServiceRegistration{ID: "web-2", Name: "web", Port: 81})
	awaitServices(t, c, "web", 2)
	c.Deregister("web-1")
	awaitServices(t, c, "web", 1)
}

func TestConsulForgetsWithoutKeepData(t *testing.T) {
	c := StartConsul(t)
	kv := &api.KVPair{Key: "a", Value: []byte("b")}
	if _, err := c.Client().KV().Put(kv, nil); err != nil {
		t.Fatal(err)
	}
	c.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	c.Kill()
	c.Start()
	got, _, err := c.Client().KV().Get("a", nil)
	if err != nil || got != nil {
		t.Fatalf("after a restart: %v, %v; want nothing", got, err)
	}
	if known, err := c.Client().Agent().Services(); err != nil || len(known) > 0 {
		t.Errorf("after a restart the agent knows %v (%v), want nobody", known, err)
	}
}

func TestConsulKeepData(t *testing.T) {
	c := StartConsul(t, KeepData())
	c.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	awaitServices(t, c, "web", 1)
	c.Stop()
	if _, err := c.Client().Status().Leader(); err == nil {
		t.Fatal("a stopped agent answered")
	}
	c.Start()
	if ids, _ := services(t, c, "web", 0); len(ids) != 1 {
		t.Fatalf("after a restart the catalog has %v, want web-1", ids)
	}
}

func TestConsulPause(t *testing.T) {
	c := StartConsul(t)
	c.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	query := (&api.QueryOptions{}).WithContext(ctx)
	if _, err := c.Client().Status().LeaderWithQueryOptions(query); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused agent: %v, want a timeout", err)
	}
	c.Resume()
	if _, err := c.Client().Status().Leader(); err != nil {
		t.Errorf("a resumed agent: %v", err)
	}
}

func TestConsulToken(t *testing.T) {
	c := StartConsul(t, WithACLs())
	c.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	awaitServices(t, c, "web", 1)
	for _, tt := range []struct {
		name, rules string
		want        int
	}{
		{"no rules", "", 0},
		{"enough", `service "web" { policy = "read" } node_prefix "" { policy = "read" }`, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			entries, meta, err := c.Client().Health().Service("web", "", false, &api.QueryOptions{Token: c.Token(tt.rules)})
			if err != nil {
				t.Fatal(err)
			}
			if len(entries) != tt.want || meta.ResultsFilteredByACLs != (tt.want == 0) {
				t.Errorf("%d instances, filtered %v; want %d", len(entries), meta.ResultsFilteredByACLs, tt.want)
			}
		})
	}
}

func TestConsulJoinDatacenter(t *testing.T) {
	one, two := StartConsul(t, InDatacenter("dc1")), StartConsul(t, InDatacenter("dc2"))
	one.JoinDatacenter(two)
	two.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	list, _, err := one.Client().Health().Service("web", "", false, &api.QueryOptions{Datacenter: "dc2"})
	if err != nil || len(list) != 1 || list[0].Node.Datacenter != "dc2" {
		t.Errorf("asked for dc2, dc1 lists %v (%v)", list, err)
	}
}
