package consul

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestMain(m *testing.M) {
	// The environment of whoever runs the tests must not reach them.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "CONSUL_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// patience is how long a test waits for what must come at once, or where an agent
// is slow to tell, once a blocking query has ended.
const patience = 60 * time.Second

// updates is what a running source has published, and the test not yet read.
// There is room for all that a test can wait for, so the source never blocks.
type updates struct {
	t *testing.T
	c chan discovery.Update
}

// watch runs a source of the client until the test ends.
func watch(t *testing.T, c *Client, w Watch) *updates {
	t.Helper()
	return run(t, c.Source(w, nil))
}

func run(t *testing.T, s discovery.Source) *updates {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	u := &updates{t: t, c: make(chan discovery.Update, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, func(update discovery.Update) {
			select {
			case u.c <- update:
			case <-ctx.Done():
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	return u
}

// next returns the next update.
func (u *updates) next() discovery.Update {
	u.t.Helper()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case update := <-u.c:
		return update
	case <-timer.C:
		u.t.Fatalf("no update within %s", patience)
		return discovery.Update{}
	}
}

// want fails the test unless the next update is of this kind.
func (u *updates) want(kind discovery.Kind) discovery.Update {
	u.t.Helper()
	update := u.next()
	if update.Kind != kind {
		u.t.Fatalf("update %+v, want kind %d", update, kind)
	}
	return update
}

// first returns the first update that fits, passing over everything before it:
// Consul puts a registration in its catalog in several steps, and comes back
// from an outage in several.
func (u *updates) first(what string, fits func(discovery.Update) bool) discovery.Update {
	u.t.Helper()
	var update discovery.Update
	for start := time.Now(); time.Since(start) < patience; {
		if update = u.next(); fits(update) {
			return update
		}
	}
	u.t.Fatalf("waiting for %s: the last update is %+v", what, update)
	return update
}

// await returns the first Set whose instances fit. Until then nothing may fail.
func (u *updates) await(what string, fits func([]discovery.Instance) bool) discovery.Update {
	u.t.Helper()
	return u.first(what, func(update discovery.Update) bool {
		if update.Kind == discovery.Failed {
			u.t.Fatalf("waiting for %s: %v", what, update.Err)
		}
		return update.Kind == discovery.Set && fits(update.Instances)
	})
}

// after returns the first update that is not of this kind.
func (u *updates) after(kind discovery.Kind) discovery.Update {
	u.t.Helper()
	return u.first("another kind of update", func(update discovery.Update) bool { return update.Kind != kind })
}

// newClient returns a client that is closed when the test ends.
func newClient(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// count returns a condition for await.
func count(n int) func([]discovery.Instance) bool {
	return func(instances []discovery.Instance) bool { return len(instances) == n }
}

func status(s discovery.Status) func([]discovery.Instance) bool {
	return func(instances []discovery.Instance) bool { return len(instances) == 1 && instances[0].Status == s }
}

// The agent is asked for the datacenter of the watch, and says so where there is
// none of that name.
func TestAsksForADatacenter(t *testing.T) {
	agent := testkit.StartConsul(t)
	agent.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 80})
	client := newClient(t, Options{Address: agent.Addr(), Datacenter: "nowhere"})
	watch(t, client, Watch{Service: "web", Datacenter: "dc1"}).await("web-1", count(1))
	update := watch(t, client, Watch{Service: "web"}).after(discovery.Set)
	if update.Kind != discovery.Failed || !strings.Contains(update.Err.Error(), "No path to datacenter") {
		t.Errorf("of a datacenter that does not exist: %+v", update)
	}
}

func TestFollowsAnAgent(t *testing.T) {
	agent := testkit.StartConsul(t)
	u := watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "web", Tags: []string{"v1"}})
	u.await("nothing yet", count(0))

	web := &api.AgentServiceRegistration{
		ID: "web-1", Name: "web", Address: "10.0.0.1", Port: 80, Tags: []string{"v1"},
		Meta:    map[string]string{"zone": "a"},
		Weights: &api.AgentWeights{Passing: 7, Warning: 2},
		Check:   &api.AgentServiceCheck{CheckID: "web-1-ttl", TTL: "1h", Status: api.HealthPassing},
	}
	agent.Register(web)
	got := u.await("web-1", count(1)).Instances[0]
	want := discovery.Instance{
		ID: "dc1/node/web-1", Name: "web-1", Address: "10.0.0.1:80", Weight: 7,
		Node: "node", Datacenter: "dc1", Tags: []string{"v1"}, Meta: map[string]string{"zone": "a"},
	}
	if !got.Equal(&want) {
		t.Errorf("instance %+v, want %+v", got, want)
	}

	ttl := func(status string) {
		t.Helper()
		if err := agent.Client().Agent().UpdateTTL("web-1-ttl", "", status); err != nil {
			t.Fatal(err)
		}
	}
	ttl(api.HealthWarning)
	if got := u.await("warning", status(discovery.Warning)).Instances[0]; got.Weight != 2 {
		t.Errorf("weight %d while warning, want 2", got.Weight)
	}
	ttl(api.HealthCritical)
	u.await("critical", status(discovery.Critical))
	ttl(api.HealthPassing)
	u.await("passing", status(discovery.Passing))

	if err := agent.Client().Agent().EnableServiceMaintenance("web-1", "test"); err != nil {
		t.Fatal(err)
	}
	u.await("service in maintenance", status(discovery.Maintenance))
	if err := agent.Client().Agent().DisableServiceMaintenance("web-1"); err != nil {
		t.Fatal(err)
	}
	u.await("service out of maintenance", status(discovery.Passing))
	if err := agent.Client().Agent().EnableNodeMaintenance("test"); err != nil {
		t.Fatal(err)
	}
	u.await("node in maintenance", status(discovery.Maintenance))
	if err := agent.Client().Agent().DisableNodeMaintenance(); err != nil {
		t.Fatal(err)
	}
	u.await("node out of maintenance", status(discovery.Passing))

	agent.Register(&api.AgentServiceRegistration{ID: "web-2", Name: "web", Port: 81, Tags: []string{"v1", "new"}})
	if got := u.await("web-2", count(2)).Instances[1]; got.Address != "127.0.0.1:81" || got.Weight != 1 {
		t.Errorf("instance without address %+v, want the node's, and weight 1", got)
	}
	web.Tags = []string{"v2"}
	agent.Register(web)
	if got := u.await("web-1 without its tag", count(1)).Instances[0]; got.Name != "web-2" {
		t.Errorf("after the change of a tag %s is left, want web-2", got.Name)
	}
	web.Tags, web.Address = []string{"v1"}, "10.0.0.9"
	agent.Register(web)
	if got := u.await("web-1 with its tag", count(2)).Instances[0]; got.ID != "dc1/node/web-1" || got.Address != "10.0.0.9:80" {
		t.Errorf("instance %+v, want the same ID at the new address", got)
	}
	agent.Deregister("web-1")
	agent.Deregister("web-2")
	u.await("nothing any more", count(0))
}

func TestRejectsOneInstanceOfAnAgent(t *testing.T) {
	agent := testkit.StartConsul(t)
	agent.Register(&api.AgentServiceRegistration{ID: "good", Name: "web", Port: 80})
	agent.Register(&api.AgentServiceRegistration{ID: "no-port", Name: "web"})
	u := watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "web"})
	update := u.first("both", func(update discovery.Update) bool {
		return len(update.Instances) == 1 && len(update.Rejected) == 1
	})
	want := discovery.Rejected{ID: "dc1/node/no-port", Name: "no-port", Reason: "its port 0 is not between 1 and 65535"}
	if update.Rejected[0] != want {
		t.Errorf("rejected %+v, want %+v", update.Rejected[0], want)
	}
}

func TestOutlivesAnAgent(t *testing.T) {
	agent := testkit.StartConsul(t, testkit.KeepData())
	agent.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	u := watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "web"})
	u.await("web-1", count(1))
	agent.Stop()
	u.first("a failure", func(update discovery.Update) bool { return update.Kind == discovery.Failed })
	agent.Start()
	agent.Register(&api.AgentServiceRegistration{ID: "web-2", Name: "web", Port: 81})
	// An agent that stops or starts fails and answers by turns. Whatever it
	// does, the service is never told to be without web-1.
	u.first("web-2", func(update discovery.Update) bool {
		if update.Kind == discovery.Set && (len(update.Instances) == 0 || update.Instances[0].Name != "web-1") {
			t.Fatalf("told %+v meanwhile", update)
		}
		return update.Kind == discovery.Set && len(update.Instances) == 2
	})
}

func TestNamesTheMissingRule(t *testing.T) {
	agent := testkit.StartConsul(t, testkit.WithACLs())
	agent.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	const rules = `service "web" { policy = "read" } node_prefix "" { policy = "read" }`
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		// Renamed into place, as whoever renews tokens does.
		if err := os.WriteFile(file+".new", []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".new", file); err != nil {
			t.Fatal(err)
		}
	}
	strong := agent.Token(rules)
	write(strong)
	c := newClient(t, Options{Address: agent.Addr(), TokenFile: file, Logger: hclog.NewNullLogger()})
	c.blockFor = 100 * time.Millisecond // so that a token is soon in use
	u := watch(t, c, Watch{Service: "web"})
	u.await("web-1", count(1))

	awaitFailed := func(part string) {
		t.Helper()
		update := u.first("a failure that says "+part, func(update discovery.Update) bool {
			return update.Kind == discovery.Failed && strings.Contains(update.Err.Error(), part)
		})
		if !strings.Contains(update.Err.Error(), `service "web" { policy = "read" } and node_prefix "" { policy = "read" }`) {
			t.Errorf("%q does not name the missing rules", update.Err)
		}
	}
	write(agent.Token(""))
	awaitFailed("may not see all instances")
	write("0d7e6b7e-0000-4000-8000-000000000000")
	awaitFailed("ACL not found")
	write(strong)
	if update := u.after(discovery.Failed); update.Kind != discovery.Unchanged {
		t.Errorf("with its token back: %+v, want what was known to be confirmed", update)
	}
}

func TestWithoutTokenEmptyIsNotBelieved(t *testing.T) {
	agent := testkit.StartConsul(t, testkit.WithACLs())
	agent.Register(&api.AgentServiceRegistration{ID: "web-1", Name: "web", Port: 80})
	u := watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "web"})
	if err := u.want(discovery.Failed).Err; !strings.Contains(err.Error(), `set one and grant it service "web"`) {
		t.Errorf("error %q does not say what to do", err)
	}
	// The agent's default token counts for requests without one, and with it
	// Consul tells whether it hides anything.
	token := agent.Token(`service "web" { policy = "read" } service "none" { policy = "read" } node_prefix "" { policy = "read" }`)
	if _, err := agent.Client().Agent().UpdateDefaultACLToken(token, nil); err != nil {
		t.Fatal(err)
	}
	// It may be asked once more before that.
	u.first("web-1", func(update discovery.Update) bool { return update.Kind == discovery.Set && count(1)(update.Instances) })
	watch(t, newClient(t, Options{Address: agent.Addr()}), Watch{Service: "none"}).await("an empty set", count(0))
}
