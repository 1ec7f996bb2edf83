package testkit

import (
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	c.Agent.Register(&api.AgentServiceRegistration{ID: "a", Name: "web", Port: 80})
	awaitServices(t, c.Agent, "web", 1)
	former := c.Leader(nil)
	former.Kill()
	if c.Leader(former) == former {
		t.Fatal("who was killed still leads")
	}
	c.Agent.Register(&api.AgentServiceRegistration{ID: "b", Name: "web", Port: 80})
	awaitServices(t, c.Agent, "web", 2)
	former.Start()
	awaitServices(t, former, "web", 2)
}
