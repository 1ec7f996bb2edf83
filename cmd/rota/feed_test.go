package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// consuls plays the agents of datacenters that know one service: that of "" is
// the agent's own, which calls itself dc1.
type consuls struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	index   int
	changed chan struct{}
	lists   map[string][]*api.ServiceEntry
	down    map[string]bool // answers 500
	silent  map[string]bool // answers nothing
	asked   map[string]int  // how often
	arrived chan struct{}   // closed when it is
}

func startConsuls(t *testing.T) *consuls {
	c := &consuls{
		t: t, index: 1, changed: make(chan struct{}), arrived: make(chan struct{}),
		lists: map[string][]*api.ServiceEntry{}, down: map[string]bool{}, silent: map[string]bool{}, asked: map[string]int{},
	}
	c.Server = httptest.NewServer(c)
	t.Cleanup(func() {
		c.CloseClientConnections()
		c.Close()
	})
	return c
}

// change has the datacenters be as they are after a change of them.
func (c *consuls) change(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	c.index++
	close(c.changed)
	c.changed = make(chan struct{})
}

// list has a datacenter list backends at these addresses.
func (c *consuls) list(datacenter string, addresses ...string) {
	c.change(func() {
		c.lists[datacenter] = []*api.ServiceEntry{}
		for _, address := range addresses {
			host, port, _ := strings.Cut(address, ":")
			var n int
			fmt.Sscan(port, &n)
			e := testkit.Entry("web", port, host, n)
			e.Node.Datacenter = datacenter
			if datacenter == "" {
				e.Node.Datacenter = "dc1"
			}
			c.lists[datacenter] = append(c.lists[datacenter], e)
		}
	})
}

// await waits until a datacenter has been asked so often, and returns how often.
func (c *consuls) await(datacenter string, n int) int {
	c.t.Helper()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	for {
		c.mu.Lock()
		asked, arrived := c.asked[datacenter], c.arrived
		c.mu.Unlock()
		if asked >= n {
			return asked
		}
		select {
		case <-arrived:
		case <-timer.C:
			c.t.Fatalf("%q was asked %d times, want %d", datacenter, asked, n)
		}
	}
}

func (c *consuls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == testkit.LeaderPath {
		fmt.Fprint(w, `"127.0.0.1:8300"`)
		return
	}
	datacenter := r.URL.Query().Get("dc")
	c.mu.Lock()
	c.asked[datacenter]++
	close(c.arrived)
	c.arrived = make(chan struct{})
	for c.silent[datacenter] || r.URL.Query().Get("index") == fmt.Sprint(c.index) && !c.down[datacenter] {
		changed := c.changed
		c.mu.Unlock()
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.down[datacenter] {
		http.Error(w, "No path to datacenter", http.StatusInternalServerError)
		return
	}
	w.Header().Set("X-Consul-Index", fmt.Sprint(c.index))
	w.Header().Set("X-Consul-KnownLeader", "true")
	w.Header().Set("X-Consul-LastContact", "0")
	_ = json.NewEncoder(w).Encode(c.lists[datacenter])
}

// web is the service that they know, with something before it.
func (c *consuls) web(more string, failover ...string) string {
	locality := ""
	if len(failover) > 0 {
		locality = fmt.Sprintf("  locality {\n    failover = [\"%s\"]\n  }\n", strings.Join(failover, `", "`))
	}
	return addresses + more + fmt.Sprintf("consul { address = %q }\nservice \"web\" {\n%s}\n", c.Listener.Addr(), locality)
}

// states returns the states of the service's endpoints, by address.
func (r *running) states() map[string]string {
	return statesOf(r.stage.Load().service("web"))
}

// A source that takes the place of another doubts its first answer as any other,
// and so does one that has a snapshot: an agent that starts anew knows nobody.
func TestTheFirstAnswerIsDoubted(t *testing.T) {
	a, b := address(t, says("a")), address(t, says("b"))
	folder := fmt.Sprintf("state_dir = %q\n", t.TempDir())
	c := startConsuls(t)
	c.list("", a, b)
	held := map[string]string{a: "held", b: "held"}
	t.Run("after a reload", func(t *testing.T) {
		r := start(t, c.web(""))
		r.log.await(t, "ready\n")
		c.change(func() { c.silent[""] = true })
		r.reloads(c.web(folder), "state_dir changed")
		c.change(func() { c.silent[""], c.lists[""] = false, []*api.ServiceEntry{} })
		r.log.await(t, "endpoint held: service=web")
		if status, _ := r.get(r.url); status != 200 || !maps.Equal(r.states(), held) {
			t.Errorf("answers %d by %v", status, r.states())
		}
		c.list("", a, b)
		r.log.await(t, "Consul's list is believed again")
	})
	t.Run("after a start from a snapshot", func(t *testing.T) {
		c.change(func() { c.down[""] = true })
		r := start(t, c.web(folder))
		r.log.await(t, "ready\n")
		c.change(func() { c.down[""], c.lists[""] = false, []*api.ServiceEntry{} })
		r.log.await(t, "endpoint held: service=web")
		if status, _ := r.get(r.url); status != 200 || !maps.Equal(r.states(), held) {
			t.Errorf("answers %d by %v", status, r.states())
		}
	})
}

// While another datacenter carries the service, neither a start nor a reload has
// a moment without it.
func TestAnotherDatacenterIsWaitedFor(t *testing.T) {
	a, b := address(t, says("a")), address(t, says("b"))
	folder := t.TempDir()
	more := fmt.Sprintf("state_dir = %q\n", folder)
	c := startConsuls(t)
	c.list("")
	c.list("dc2", b)
	c.change(func() { c.silent["dc2"] = true })
	r := launch(t, c.web("", "dc2"))
	asked := c.await("dc2", 1)
	c.await("", 2) // so it has told that there is nobody
	c.change(func() { c.silent["dc2"] = false })
	r.log.await(t, "ready\n")
	if status, body := r.get(r.url); status != 200 || body != "b" || strings.Contains(r.log.String(), "nobody is on duty") {
		t.Errorf("at the start: %d %q, and\n%s", status, body, r.log)
	}

	// One that can't be reached at that moment stays, on disk too.
	c.change(func() { c.down["dc2"] = true })
	c.await("dc2", asked+2)
	r.reloads(c.web(more, "dc2"), "state_dir changed")
	c.list("", a)
	for began := time.Now(); !maps.Equal(r.states(), map[string]string{a: "serving", b: "serving"}); {
		if status, _ := r.get(r.url); status != 200 || time.Since(began) > 10*time.Second {
			t.Fatalf("after the reload: %d by %v", status, r.states())
		}
	}
	r.end(nil)
	files, err := filepath.Glob(filepath.Join(folder, "*.snapshot"))
	if err != nil || len(files) != 1 {
		t.Fatalf("on disk is %v, %v", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || !strings.Contains(string(text), a) || !strings.Contains(string(text), b) {
		t.Errorf("on disk is %s, %v", text, err)
	}
}

// What is on disk of another Consul, or of another part of it, is not served.
func TestASnapshotOfAnotherConsul(t *testing.T) {
	folder := fmt.Sprintf("state_dir = %q\n", t.TempDir())
	c := startConsuls(t)
	c.list("", address(t, says("a")))
	first := start(t, c.web(folder))
	first.log.await(t, "ready\n")
	first.end(nil)
	t.Setenv("CONSUL_NAMESPACE", "other")
	c.change(func() { c.down[""] = true })
	r := launch(t, c.web(folder))
	r.log.await(t, "the snapshot is ignored")
	if states := r.states(); len(states) != 0 {
		t.Errorf("it serves %v", states)
	}
}

// The client of Consul hears how many sources there are to be.
func TestConsulSources(t *testing.T) {
	services := "service \"a\" {}\nservice \"b\" {\n locality {\n  failover = [\"dc2\", \"dc3\"]\n }\n}\n"
	r := start(t, addresses+"consul { address = \"127.0.0.1:1\" }\n"+services+list("c", "", "127.0.0.1:1")+
		"route { service = \"a\" }\nroute {\n path_prefix = \"/b\"\n service = \"b\"\n}\nroute {\n path_prefix = \"/c\"\n service = \"c\"\n}\n")
	if n := r.stage.Load().consulSources(); n != 4 {
		t.Errorf("%d sources, want 4", n)
	}
}

func TestMemory(t *testing.T) {
	in := func(kind discovery.Kind, ids ...string) discovery.Update {
		u := discovery.Update{Kind: kind}
		for _, id := range ids {
			datacenter, _, _ := strings.Cut(id, "/")
			u.Instances = append(u.Instances, discovery.Instance{ID: id, Datacenter: datacenter})
		}
		return u
	}
	type told struct {
		update    discovery.Update
		elsewhere []string
	}
	first := told{in(discovery.Set, "dc1/a", "dc1/b", "dc2/a"), []string{"dc2"}}
	tests := []struct {
		name       string
		told       []told
		datacenter string
		elsewhere  []string
		want       string
	}{
		{"nothing", nil, "", nil, ""},
		{"the agent's own", []told{first}, "", []string{"dc2"}, "dc1/a dc1/b"},
		{"the agent's own, though no other stands in any more", []told{first}, "", nil, "dc1/a dc1/b"},
		{"the agent's own by its name", []told{first}, "dc1", nil, "dc1/a dc1/b"},
		{"another", []told{first}, "dc2", []string{"dc2"}, "dc2/a"},
		{"one that is new", []told{first}, "dc3", []string{"dc3"}, ""},
		{"what is told later", []told{first, {in(discovery.Set, "dc1/c"), nil}}, "", nil, "dc1/c"},
		{"a failure", []told{first, {in(discovery.Failed), nil}}, "dc2", []string{"dc2"}, "dc2/a"},
		{"a snapshot", []told{{in(discovery.Kept, "dc1/c"), nil}}, "", nil, "dc1/c"},
		{"a snapshot that is older", []told{first, {in(discovery.Kept, "dc1/c"), nil}}, "dc1", nil, "dc1/a dc1/b"},
	}
	for _, tt := range tests {
		var m memory
		recall := m.of(tt.datacenter, tt.elsewhere, nil)
		for _, told := range tt.told {
			m.take(told.update, &feed{elsewhere: told.elsewhere})
		}
		var got []string
		for _, i := range recall() {
			got = append(got, i.ID)
		}
		if !slices.Equal(got, strings.Fields(tt.want)) {
			t.Errorf("%s: recalls %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestTagged(t *testing.T) {
	told := told{Instances: []discovery.Instance{{ID: "a", Tags: []string{"v1", "x"}}, {ID: "b", Tags: []string{"v1"}}, {ID: "c"}}}
	for want, tags := range map[string][]string{"a b c": nil, "a b": {"v1"}, "a": {"x", "v1"}, "": {"v1", "y"}} {
		var got []string
		for _, i := range told.tagged(tags) {
			got = append(got, i.ID)
		}
		if !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("with %q: %q, want %q", tags, got, want)
		}
	}
}
