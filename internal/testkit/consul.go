package testkit

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// startLimit is how long an agent may take to become ready. A machine that
// runs other tests beside this one is slow; nothing waits this long otherwise.
const startLimit = 60 * time.Second

// stopLimit is how long an agent may take to leave after SIGTERM.
const stopLimit = 20 * time.Second

// managementToken is the all-powerful token of an agent started [WithACLs].
const managementToken = "5c6d3a94-7b1e-4d5f-9a0c-2e8f1b7a6d30"

// Consul is a real Consul agent on free ports of the loopback address: a
// server on its own, so its own leader. Its methods are to be called from the
// test's goroutine.
type Consul struct {
	t      testing.TB
	binary string
	dir    string
	set    settings
	ports  ports
	http   *http.Transport
	client *api.Client
	agent  *process // nil while it is not running
}

type settings struct {
	keepData   bool
	acls       bool
	name       string   // of the node; "" is "node"
	datacenter string   // that others may join; "": dc1, alone
	servers    int      // of the cluster; 0: the agent is none
	join       []string // host:port of those that it is to meet
}

// Option changes how [StartConsul] starts an agent.
type Option func(*settings)

// KeepData makes the agent keep its catalog on disk, so that a [Consul.Start]
// after a [Consul.Stop] or [Consul.Kill] finds everything as it was. Such an
// agent needs some five seconds to start, because it holds a real election.
// Without it the agent starts in a fraction of a second and forgets all.
func KeepData() Option { return func(s *settings) { s.keepData = true } }

// WithACLs turns access control on, denying by default. [Consul.Client] then
// carries a token that may do everything; [Consul.Token] makes weaker ones.
func WithACLs() Option { return func(s *settings) { s.acls = true } }

// InDatacenter names the agent's datacenter, and has it be one that
// [Consul.JoinDatacenter] can join with others.
func InDatacenter(name string) Option { return func(s *settings) { s.datacenter = name } }

// StartConsul starts an agent and waits until it is ready: it has a leader and
// takes registrations. The agent is killed when the test ends, and its log
// printed if the test has failed.
func StartConsul(t testing.TB, opts ...Option) *Consul {
	t.Helper()
	c := newConsul(t, opts)
	// A port that was free a moment ago may be taken by now; other ports help.
	for try := 1; ; try++ {
		c.ports = freePorts(t)
		err := c.start()
		if err == nil {
			break
		}
		if try == 3 || !c.agent.log.contains("address already in use") {
			t.Fatalf("starting Consul: %v", err)
		}
		c.agent = nil
	}
	c.client = c.newClient()
	return c
}

func newConsul(t testing.TB, opts []Option) *Consul {
	t.Helper()
	c := &Consul{t: t, binary: consulBinary(t), dir: t.TempDir(), http: &http.Transport{}}
	c.set.servers = 1
	for _, o := range opts {
		o(&c.set)
	}
	t.Cleanup(c.cleanup)
	return c
}

// Addr returns host:port of the agent's HTTP API. It stays the same for the
// life of c.
func (c *Consul) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports.http))
}

// Client returns a client of the agent that may do everything.
func (c *Consul) Client() *api.Client { return c.client }

// Register registers a service, or changes it, with the agent. The catalog has
// it a moment later.
func (c *Consul) Register(r *api.AgentServiceRegistration) {
	c.t.Helper()
	if err := c.client.Agent().ServiceRegister(r); err != nil {
		c.t.Fatalf("registering service %s: %v", r.ID, err)
	}
}

// JoinDatacenter joins the datacenter of the agent with that of another, and
// waits until each can be asked for the other. Both were started with
// [InDatacenter].
func (c *Consul) JoinDatacenter(other *Consul) {
	c.t.Helper()
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(other.ports.wan))
	if err := c.client.Agent().Join(address, true); err != nil {
		c.t.Fatalf("joining %s: %v", other.set.datacenter, err)
	}
	for _, pair := range [][2]*Consul{{c, other}, {other, c}} {
		pair[0].awaitDatacenter(pair[1].set.datacenter)
	}
}

func (c *Consul) awaitDatacenter(name string) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var err error
	for limit := time.Now().Add(startLimit); time.Now().Before(limit); <-tick.C {
		if _, _, err = c.client.Catalog().Services(&api.QueryOptions{Datacenter: name}); err == nil {
			return
		}
	}
	c.t.Fatalf("%s can't be asked: %v", name, err)
}

// Deregister removes the service of this ID from the agent.
func (c *Consul) Deregister(id string) {
	c.t.Helper()
	if err := c.client.Agent().ServiceDeregister(id); err != nil {
		c.t.Fatalf("deregistering service %s: %v", id, err)
	}
}

// AwaitListed waits until the catalog has an instance, as it has a moment after
// [Consul.Register]: from then on everybody can know.
func (c *Consul) AwaitListed(service, id string) {
	c.t.Helper()
	query := &api.QueryOptions{WaitTime: startLimit}
	for began := time.Now(); time.Since(began) < startLimit; {
		entries, meta, err := c.client.Health().Service(service, "", false, query)
		if err != nil {
			c.t.Fatalf("asking Consul for %s: %v", service, err)
		}
		for _, e := range entries {
			if e.Service.ID == id {
				return
			}
		}
		query.WaitIndex = meta.LastIndex
	}
	c.t.Fatalf("Consul did not list %s of %s within %s", id, service, startLimit)
}

// Token makes a token with these rules (none if empty) and returns its secret.
// The agent must have been started [WithACLs].
func (c *Consul) Token(rules string) string {
	c.t.Helper()
	token := &api.ACLToken{}
	if rules != "" {
		policy, _, err := c.client.ACL().PolicyCreate(&api.ACLPolicy{
			Name:  fmt.Sprintf("test-%d", time.Now().UnixNano()),
			Rules: rules,
		}, nil)
		if err != nil {
			c.t.Fatalf("making a policy: %v", err)
		}
		token.Policies = []*api.ACLLink{{ID: policy.ID}}
	}
	made, _, err := c.client.ACL().TokenCreate(token, nil)
	if err != nil {
		c.t.Fatalf("making a token: %v", err)
	}
	return made.SecretID
}

// Start starts the agent again after [Consul.Stop] or [Consul.Kill], on the
// same ports, and waits until it is ready.
func (c *Consul) Start() {
	c.t.Helper()
	if err := c.start(); err != nil {
		c.t.Fatalf("starting Consul again: %v", err)
	}
}

// Stop ends the agent with SIGTERM and waits until it has exited.
func (c *Consul) Stop() {
	c.t.Helper()
	c.signal(syscall.SIGTERM)
	if !c.agent.awaitExit(stopLimit) {
		c.t.Fatalf("Consul did not stop within %s", stopLimit)
	}
}

// Kill ends the agent with SIGKILL and waits until it is gone.
func (c *Consul) Kill() {
	c.t.Helper()
	c.signal(syscall.SIGKILL)
	if !c.agent.awaitExit(stopLimit) {
		c.t.Fatalf("Consul survived SIGKILL")
	}
}

// Pause freezes the agent: its connections stay open and connecting goes on
// working, but nothing is answered until [Consul.Resume].
func (c *Consul) Pause() {
	c.t.Helper()
	c.signal(syscall.SIGSTOP)
}

// Resume lets a paused agent go on.
func (c *Consul) Resume() {
	c.t.Helper()
	c.signal(syscall.SIGCONT)
}

func (c *Consul) signal(s syscall.Signal) {
	c.t.Helper()
	if c.agent == nil {
		c.t.Fatalf("signal %v: Consul has not been started", s)
	}
	if err := c.agent.cmd.Process.Signal(s); err != nil {
		c.t.Fatalf("signal %v to Consul: %v", s, err)
	}
}

// start runs the agent and waits until it is ready.
func (c *Consul) start() error {
	if err := c.launch(); err != nil {
		return err
	}
	return c.agent.awaitReady(startLimit)
}

// launch runs the agent.
func (c *Consul) launch() error {
	config := filepath.Join(c.dir, "agent.json")
	if err := os.WriteFile(config, c.config(), 0o600); err != nil {
		return err
	}
	args := []string{"agent", "-config-file", config}
	if !c.set.keepData {
		args = append(args, "-dev")
	}
	agent, err := startProcess(c.binary, args...)
	if err != nil {
		return err
	}
	c.agent = agent
	return nil
}

// cleanup kills the agent, whatever state it is in, and shows its log if that
// can explain a failure.
func (c *Consul) cleanup() {
	c.http.CloseIdleConnections()
	if c.agent == nil {
		return
	}
	_ = c.agent.cmd.Process.Kill() // it may have exited already
	c.agent.awaitExit(stopLimit)
	if c.t.Failed() {
		c.t.Logf("the log of Consul at %s:\n%s", c.Addr(), c.agent.log.tail())
	}
}

func (c *Consul) newClient() *api.Client {
	c.t.Helper()
	config := &api.Config{Address: c.Addr(), Transport: c.http}
	if c.set.acls {
		config.Token = managementToken
	}
	client, err := api.NewClient(config)
	if err != nil {
		c.t.Fatalf("making a client of Consul: %v", err)
	}
	return client
}

// consulBinary finds the Consul to run.
func consulBinary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("ROTA_CONSUL"); path != "" {
		return path
	}
	if root := moduleRoot(); root != "" {
		path := filepath.Join(root, "bin", "consul")
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	if path, err := exec.LookPath("consul"); err == nil {
		return path
	}
	t.Fatal(strings.TrimSpace(`
no Consul to test against. scripts/consul.sh builds one into bin/consul (some minutes, once);
an installed one is found on PATH, or through ROTA_CONSUL=/path/to/consul`))
	return ""
}

// moduleRoot returns the folder of go.mod above the working directory, which
// is the tested package's folder; "" if there is none.
func moduleRoot() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			return ""
		}
		dir = up
	}
}
