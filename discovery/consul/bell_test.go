package consul

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// crowdedClient returns a client that takes more than a few sources for many,
// with sources of so many services, each of one instance.
func crowdedClient(t *testing.T, agent *testkit.Consul, n int) (all []*updates) {
	t.Helper()
	c := newClient(t, Options{Address: agent.Addr()})
	c.slots, c.lasting = make(slots, 6), make(slots, 2)
	c.blockFor = 4 * patience // so that it is not because of the time that something is noticed
	c.Expect(cap(c.slots) + n)
	for i := range n {
		agent.Register(numbered(i))
	}
	for i := range n {
		agent.AwaitListed(numbered(i).Name, numbered(i).ID)
		all = append(all, watch(t, c, Watch{Service: numbered(i).Name}))
	}
	for _, u := range all {
		u.await("its instance", count(1))
	}
	return all
}

func numbered(i int) *api.AgentServiceRegistration {
	name := fmt.Sprintf("web-%03d", i)
	return &api.AgentServiceRegistration{ID: name, Name: name, Port: 80, Check: &api.AgentServiceCheck{
		CheckID: name + "-ttl", TTL: "1h", Status: api.HealthPassing,
	}}
}

// TestMoreSourcesThanConnections: an agent takes so many connections of one
// client and no more. Whoever has to rest is told all the same, of whatever kind
// a change is, and however many change at once.
func TestMoreSourcesThanConnections(t *testing.T) {
	agent := testkit.StartConsul(t)
	const services = 30
	all := crowdedClient(t, agent, services)
	at := func(port int) func([]discovery.Instance) bool {
		return func(instances []discovery.Instance) bool {
			return len(instances) == 1 && strings.HasSuffix(instances[0].Address, fmt.Sprintf(":%d", port))
		}
	}
	for _, i := range []int{0, 7, services - 1} {
		r := numbered(i)
		ttl := func(status string) {
			t.Helper()
			if err := agent.Client().Agent().UpdateTTL(r.Name+"-ttl", "", status); err != nil {
				t.Fatal(err)
			}
		}
		ttl(api.HealthCritical)
		all[i].await("critical", status(discovery.Critical))
		ttl(api.HealthPassing)
		all[i].await("passing", status(discovery.Passing))
		agent.Deregister(r.ID)
		all[i].await("nobody", count(0))
		agent.Register(r)
		all[i].await("somebody", count(1))
	}
	for i := range services {
		r := numbered(i)
		r.Port = 81
		agent.Register(r)
	}
	for _, u := range all {
		u.await("the new port", at(81))
	}
}

// TestOnlyWhatRunsIsExpected: sources that are made for a reload that is refused
// then count for nothing.
func TestOnlyWhatRunsIsExpected(t *testing.T) {
	c := newClient(t, Options{})
	for range 2 * maxRequests {
		c.Source(Watch{Service: "web"}, nil)
	}
	if c.crowded() {
		t.Error("it is crowded by sources that never ran")
	}
	for _, n := range []int{maxRequests + 1, maxRequests} {
		if c.Expect(n); c.crowded() != (n > maxRequests) {
			t.Errorf("with %d it is crowded: %v", n, c.crowded())
		}
	}
}

// TestRestingSourcesNoticeThatConsulIsGone: and that it is back.
func TestRestingSourcesNoticeThatConsulIsGone(t *testing.T) {
	agent := testkit.StartConsul(t, testkit.KeepData())
	all := crowdedClient(t, agent, 10)
	agent.Stop()
	for _, u := range all {
		u.first("a failure", func(update discovery.Update) bool { return update.Kind == discovery.Failed })
	}
	agent.Start()
	for _, u := range all {
		u.first("the truth", func(update discovery.Update) bool { return update.Kind != discovery.Failed })
	}
}

func TestMarkChecks(t *testing.T) {
	seed := maphash.MakeSeed()
	mark := func(body string) uint64 {
		t.Helper()
		m, err := markChecks(seed, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const a = `{"Node":"n","ServiceID":"s","CheckID":"c","Status":"critical","Output":"x"}`
	b := strings.Replace(a, "critical", "warning", 1)
	base := mark("[" + a + "]")
	for body, same := range map[string]bool{
		"[" + strings.Replace(a, `"x"`, `"y"`, 1) + "]": true, // only its text
		"[" + b + "]":           false,
		"[]":                    false,
		"[" + a + "," + a + "]": false,
		strings.Replace("["+a+"]", `"n"`, `"m"`, 1): false,
	} {
		if got := mark(body) == base; got != same {
			t.Errorf("%s has the same mark: %v, want %v", body, got, same)
		}
	}
	if mark("["+a+","+b+"]") != mark("["+b+","+a+"]") {
		t.Error("the order matters")
	}
	if _, err := markChecks(seed, strings.NewReader("null and void")); err == nil {
		t.Error("no error of what is no list")
	}
}

// TestRingsArePaced: the first ring is heard at once, those after it not before
// the time is over.
func TestRingsArePaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := chime{rung: make(chan struct{})}
		start := time.Now()
		for n := range 3 {
			heard := c.next()
			c.ring(t.Context(), time.Second)
			select {
			case <-heard:
			default:
				t.Error("a ring that nobody hears")
			}
			if took := time.Since(start); took != time.Duration(n)*time.Second {
				t.Errorf("ring %d after %v", n+1, took)
			}
		}
	})
}

// TestAChangeIsRungByTheNext: a source that has heard a change may have to wait
// before it may ring, and its rest may end before. Then whoever takes the bell
// next rings, unless another has.
func TestAChangeIsRungByTheNext(t *testing.T) {
	for _, another := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			c := &Client{chime: chime{rung: make(chan struct{}), last: time.Now()}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if another {
				stop := time.AfterFunc(time.Second/2, func() {
					if !c.chime.ring(t.Context(), 0) {
						t.Error("the other does not ring")
					}
				}).Stop
				defer stop()
			}
			if rang := c.chime.ring(ctx, 2*time.Second); rang != another {
				t.Errorf("it has rung: %v, want %v", rang, another)
			}
		})
	}
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Consul-Index", "11")
		fmt.Fprint(w, "{}")
	}))
	defer f.Close()
	c := newClient(t, Options{Address: f.Listener.Addr().String()})
	c.Expect(int(time.Hour / ringEvery))
	c.chime.last = time.Now()
	c.bells = make(chan *bell, 1)
	c.bells <- &bell{path: "/v1/catalog/services", mark: skip, any: true, index: 10, last: 10}
	c.rest(t.Context(), c.chime.next(), time.Second/2)
	if !c.listen(t.Context(), <-c.bells) {
		t.Error("the change is lost")
	}
}

// cpu returns how long this process has been computing.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkThousandServices shows what 1,000 services cost that are watched
// through one agent: at rest, and while one after the other changes; how soon a
// change is told of one that has rested, and how soon all are if all change.
func BenchmarkThousandServices(b *testing.B) {
	const services = 1000
	agent := testkit.StartConsul(b)
	for i := range services {
		agent.Register(numbered(i))
	}
	c, err := NewClient(Options{Address: agent.Addr()})
	if err != nil {
		b.Fatal(err)
	}
	told := make(chan string, services)
	stop := runAll(b, c, services, told)
	defer stop()
	for range services {
		<-told
	}
	// Those that have just been told for the first time are eager for a while.
	<-time.NewTimer(eagerFor + blockFor).C
	share := func(d time.Duration, act func()) float64 {
		start, from := time.Now(), cpu(b)
		act()
		if left := d - time.Since(start); left > 0 {
			<-time.NewTimer(left).C
		}
		return 100 * float64(cpu(b)-from) / float64(time.Since(start))
	}
	for b.Loop() {
		b.ReportMetric(share(30*time.Second, func() {}), "%core-at-rest")
		var waits time.Duration
		const changes = 20
		b.ReportMetric(share(0, func() {
			for n := range changes {
				r := numbered(services/2 + n)
				r.Port = 1000 + n
				start := time.Now()
				agent.Register(r)
				for name := ""; name != r.Name; name = <-told {
				}
				waits += time.Since(start)
			}
		}), "%core-changing")
		b.ReportMetric(float64(waits.Milliseconds())/changes, "ms/change")
		// The maintenance of the node is a change of each.
		start := time.Now()
		if err := agent.Client().Agent().EnableNodeMaintenance(""); err != nil {
			b.Fatal(err)
		}
		for range services {
			<-told
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "ms/all")
		if err := agent.Client().Agent().DisableNodeMaintenance(); err != nil {
			b.Fatal(err)
		}
		for range services {
			<-told
		}
	}
}

// runAll runs sources of so many services, and has the name of each told that
// has a new set, if there is room.
func runAll(b *testing.B, c *Client, services int, told chan<- string) (stop func()) {
	ctx, cancel := context.WithCancel(b.Context())
	c.Expect(services)
	var running sync.WaitGroup
	for i := range services {
		name := numbered(i).Name
		s := c.Source(Watch{Service: name}, nil)
		running.Go(func() {
			s.Run(ctx, func(u discovery.Update) {
				if u.Kind == discovery.Set {
					told <- name
				}
			})
		})
	}
	return func() {
		cancel()
		running.Wait()
		c.Close()
	}
}
