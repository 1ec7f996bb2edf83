package testkit

import (
	"fmt"
	"net"
	"strconv"
	"testing"
	"time"
)

// Cluster is three Consul servers, of which one leads, and an agent that is
// none, as on the machine of a client. All of them keep their data. Its methods
// are to be called from the test's goroutine.
type Cluster struct {
	Agent   *Consul
	Servers [3]*Consul
	t       testing.TB
}

// StartCluster starts a cluster and waits until it is ready, which takes some
// ten seconds. It ends with the test.
func StartCluster(t testing.TB, opts ...Option) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	var join []string
	for i := range c.Servers {
		s := newConsul(t, append([]Option{KeepData()}, opts...))
		s.set.name, s.set.servers = fmt.Sprintf("server-%d", i+1), len(c.Servers)
		s.ports = freePorts(t)
		c.Servers[i] = s
		join = append(join, net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports.serf)))
	}
	c.Agent = newConsul(t, append([]Option{KeepData()}, opts...))
	c.Agent.set.name, c.Agent.set.servers = "client", 0
	c.Agent.ports = freePorts(t)
	all := append(c.Servers[:], c.Agent)
	for _, a := range all {
		a.set.join = join
		if err := a.launch(); err != nil {
			t.Fatalf("starting Consul: %v", err)
		}
	}
	for _, a := range all {
		if err := a.agent.awaitReady(startLimit); err != nil {
			t.Fatalf("starting %s of the cluster: %v", a.set.name, err)
		}
		a.client = a.newClient()
	}
	return c
}

// Leader waits until there is a leader other than a former one, which may be
// nil, and returns it.
func (c *Cluster) Leader(former *Consul) *Consul {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(startLimit); time.Now().Before(limit); <-tick.C {
		for _, asked := range c.Servers {
			if asked == former {
				continue
			}
			address, err := asked.client.Status().Leader()
			if err != nil {
				continue
			}
			for _, s := range c.Servers {
				if s != former && address == net.JoinHostPort("127.0.0.1", strconv.Itoa(s.ports.server)) {
					return s
				}
			}
		}
	}
	c.t.Fatalf("the cluster has no leader after %s", startLimit)
	return nil
}

// AwaitVoters waits until all servers have a vote. One that was away is given it some
// ten seconds after it is back; if another goes before that, nobody can be elected.
func (c *Cluster) AwaitVoters() {
	c.t.Helper()
	leader := c.Leader(nil).client.Operator()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(startLimit); time.Now().Before(limit); <-tick.C {
		raft, err := leader.RaftGetConfiguration(nil)
		if err != nil {
			continue
		}
		voters := 0
		for _, s := range raft.Servers {
			if s.Voter {
				voters++
			}
		}
		if voters == len(c.Servers) {
			return
		}
	}
	c.t.Fatalf("not all servers have a vote after %s", startLimit)
}
