package pool

import (
	"bytes"
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a writer that a test drives by hand, event by event. Its checker
// has nobody to report to: the test says what the checks find.
type bench struct {
	*writer
	t    testing.TB
	logs bytes.Buffer
	left []string
	now  time.Time
}

func (b *bench) publish() { b.writer.publish(b.now) }

func newBench(t testing.TB) *bench {
	b := &bench{t: t, now: time.Unix(1000, 0)}
	s := New(Options{
		Name: "web", Source: "consul", Balance: balancer.RoundRobin,
		Logger: hclog.New(&hclog.LoggerOptions{Output: &b.logs, DisableTime: true}),
		Left:   func(address string) { b.left = append(b.left, address) },
	})
	spec := health.Spec{Interval: time.Hour, Timeout: time.Second}
	c := health.NewChecker(t.Context(), spec, func(ctx context.Context, _ health.Report) { <-ctx.Done() })
	t.Cleanup(c.Close)
	b.writer = newWriter(s, c)
	return b
}

// instance returns a passing instance at an address where nobody listens.
func instance(name string) discovery.Instance {
	return discovery.Instance{ID: "dc1/node/" + name, Name: name, Address: "127.0.0.1:1", Weight: 1}
}

// set has discovery name these, and lets a tick pass: whoever is gone and idle is
// forgotten by then.
func (b *bench) set(instances ...discovery.Instance) {
	b.update(discovery.Update{Kind: discovery.Set, Instances: instances}, time.Unix(1000, 0))
	b.publish()
	b.removeIdle()
	b.publish()
}

// check reports the outcome of a check of the named instance at an address.
func (b *bench) check(name, address string, err error) {
	result := health.Result{Err: err}
	active, transition := health.NewActive(health.Unknown, 1, 1).Observe(result)
	b.checked(health.Report{ID: "dc1/node/" + name, Address: address, Result: result, Transition: transition, Active: active})
	b.publish()
}

// endpoints returns the endpoints of the view.
func (b *bench) endpoints() []*Endpoint { return slices.Collect(b.service.View().Endpoints.All()) }

// want asserts the state of each endpoint, as "name=state" in order, and then
// after a bar the names of those that get traffic.
func (b *bench) want(want string) {
	b.t.Helper()
	var got, eligible []string
	for _, e := range b.endpoints() {
		got = append(got, e.Name+"="+string(e.State))
	}
	for m := range b.service.Pool().Members() {
		eligible = append(eligible, m.Endpoint.ID()[len("dc1/node/"):])
	}
	if text := strings.Join(got, " ") + " | " + strings.Join(eligible, " "); text != want {
		b.t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestComingAndGoing(t *testing.T) {
	b := newBench(t)
	a, c := instance("a"), instance("c")
	b.set(a, c)
	b.want("a=serving c=serving | a c") // the first set serves at once

	b.set(a, instance("b"), c)
	b.want("a=serving b=warming c=serving | a c") // a new one proves itself
	b.check("b", "127.0.0.1:1", nil)
	b.want("a=serving b=serving c=serving | a b c")

	b.set(a, c)
	b.want("a=serving c=serving | a c") // idle, so it leaves soon
	if !slices.Contains(strings.Split(b.logs.String(), "\n"),
		"[INFO]  endpoint draining: service=web id=b node=\"\" address=127.0.0.1:1 state=draining from=serving reasons=[\"deregistered\"]") {
		t.Errorf("leaving is not told in the log:\n%s", b.logs.String())
	}
	b.set()
	b.want(" | ")
}

func TestADeregisteredEndpointFinishesWhatItHas(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"))
	e := b.service.Pool().Pick(nil)
	b.set()
	b.want("a=draining | ")
	b.removeIdle()
	b.publish()
	b.want("a=draining | ")
	if len(b.left) != 0 {
		t.Errorf("told that %v was left while a request was in flight", b.left)
	}
	e.Done(balancer.Succeeded, e.Address(), 0, nil)
	b.removeIdle()
	b.publish()
	b.want(" | ")
	if !slices.Equal(b.left, []string{"127.0.0.1:1"}) || b.draining() {
		t.Errorf("left %v, draining %v", b.left, b.draining())
	}
}

// An instance that comes back while it drains is the same endpoint, and proves
// itself again: most likely a new process answers there.
func TestAnEndpointComesBackWhileItDrains(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	first := b.members["dc1/node/a"].endpoint
	b.service.Pool().Pick(nil)
	b.set(instance("b"))
	b.want("a=draining b=serving | b")
	b.set(instance("a"), instance("b"))
	b.want("a=warming b=serving | b")
	b.check("a", "127.0.0.1:1", nil)
	b.want("a=serving b=serving | a b")
	if b.members["dc1/node/a"].endpoint != first {
		t.Error("the endpoint lost its identity")
	}
}

// Same ID, another address: one endpoint moves, and a late report about the
// old address changes nothing.
func TestAnEndpointMoves(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", nil)
	e := b.members["dc1/node/a"].endpoint
	moved := instance("a")
	moved.Address = "127.0.0.2:1"
	b.set(moved, instance("b"))
	b.want("a=warming b=serving | b")
	b.check("a", "127.0.0.1:1", nil)
	b.want("a=warming b=serving | b")
	b.check("a", "127.0.0.2:1", nil)
	b.want("a=serving b=serving | a b")
	if e.Address() != "127.0.0.2:1" || b.members["dc1/node/a"].endpoint != e {
		t.Errorf("the endpoint is at %s", e.Address())
	}
	if len(b.left) != 0 {
		t.Errorf("told that %v was left, but b is still there", b.left)
	}
}

// When the last one at an address moves, its connections there are of no use.
func TestAMoveLeavesTheFormerAddress(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"))
	moved := instance("a")
	moved.Address = "127.0.0.2:1"
	b.set(moved)
	if !slices.Equal(b.left, []string{"127.0.0.1:1"}) {
		t.Errorf("left %v, want the former address", b.left)
	}
}

// A service that nobody serves is the commonest mistake in a configuration, a
// misspelt name; the log must not be silent about it.
func TestAnOutageIsTold(t *testing.T) {
	b := newBench(t)
	b.publish()
	if b.logs.Len() > 0 {
		t.Errorf("before anything is known it is told that\n%s", b.logs.String())
	}
	b.set()
	b.set(instance("a"))
	b.set()
	b.set()
	const out, back = "nobody is on duty: requests get 503: service=web", "somebody is on duty: service=web"
	if logs := b.logs.String(); strings.Count(logs, out) != 2 || strings.Count(logs, back) != 1 {
		t.Errorf("two outages and one return are told as\n%s", logs)
	}
}

func TestHealthDecides(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", errors.New("connection refused"))
	b.want("a=ejected b=serving | b")
	if got := b.endpoints()[0].LastError; got != "connection refused" {
		t.Errorf("the last error reads %q", got)
	}
	b.check("b", "127.0.0.1:1", errors.New("timeout"))
	b.want("a=ejected b=ejected | a b") // all are out for health alone: fail open
	b.check("a", "127.0.0.1:1", nil)
	b.want("a=serving b=ejected | a")
	if got := b.endpoints()[0].LastError; got != "" {
		t.Errorf("the last error reads %q after a good check", got)
	}
	b.check("stranger", "127.0.0.1:1", nil) // a report that comes too late
	b.want("a=serving b=ejected | a")
}

func TestDiscoveryDecides(t *testing.T) {
	b := newBench(t)
	with := func(name string, s discovery.Status, weight int) discovery.Instance {
		in := instance(name)
		in.Status, in.Weight = s, weight
		return in
	}
	b.set(with("a", discovery.Passing, 1), with("b", discovery.Warning, 3), with("c", discovery.Warning, 0),
		with("d", discovery.Critical, 1), with("e", discovery.Maintenance, 1))
	b.want("a=serving b=serving c=draining d=draining e=draining | a b")
	if w := slices.Collect(b.service.Pool().Members())[1].Weight; w != 300 {
		t.Errorf("the warning weight is %d, want 300 hundredths", w)
	}
	// With nobody well, the critical one is tried; the one in maintenance never.
	b.set(with("d", discovery.Critical, 1), with("e", discovery.Maintenance, 1))
	b.want("d=draining e=draining | d")
	b.set(with("d", discovery.Passing, 1), with("e", discovery.Passing, 1))
	b.want("d=serving e=serving | d e")
}

func TestAFailureKeepsTheLastSet(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	before := b.service.Pool()
	b.update(discovery.Update{Kind: discovery.Failed, Err: errors.New("no route to host")}, time.Unix(1005, 0))
	b.publish()
	b.want("a=serving b=serving | a b")
	v := b.service.View()
	if age, known := v.Age(time.Unix(1007, 0)); v.Fresh() || !known || age != 7*time.Second {
		t.Errorf("fresh %v, age %v", v.Fresh(), age)
	}
	b.update(discovery.Update{Kind: discovery.Unchanged}, time.Unix(1008, 0))
	b.publish()
	v = b.service.View()
	if age, _ := v.Age(time.Unix(1009, 0)); !v.Fresh() || age != time.Second {
		t.Errorf("after news: fresh %v, age %v", v.Fresh(), age)
	}
	if b.service.Pool() != before {
		t.Error("news without a change made a new pool")
	}
	if v.News.Errors != 1 || v.News.Updates != 1 {
		t.Errorf("counted %d errors and %d updates, want 1 and 1", v.News.Errors, v.News.Updates)
	}
}

func TestAnEqualSetChangesNothing(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	pool, view := b.service.Pool(), b.service.shown.Load()
	b.set(instance("a"), instance("b"))
	if b.service.Pool() != pool || b.service.shown.Load() != view {
		t.Error("an equal set made new snapshots")
	}
}

// An unchanged endpoint keeps its description: the work is in proportion to
// the change.
func TestAChangeTouchesOneEndpoint(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	before := b.endpoints()
	changed := instance("b")
	changed.Weight = 2
	b.set(instance("a"), changed)
	after := b.endpoints()
	if before[0] != after[0] || before[1] == after[1] || before[1].Weight != 1 {
		t.Error("the views of a and b were not told apart")
	}
}

func TestRejectedInstancesAreToldOnce(t *testing.T) {
	b := newBench(t)
	rejected := []discovery.Rejected{{ID: "dc1/node/x", Name: "x", Reason: "port is 0"}}
	for range 2 {
		b.update(discovery.Update{Kind: discovery.Set, Rejected: rejected}, time.Unix(1000, 0))
	}
	if n := strings.Count(b.logs.String(), "instance left out: service=web id=x reason=\"port is 0\""); n != 1 {
		t.Errorf("told %d times:\n%s", n, b.logs.String())
	}
	if got := b.service.View().News.Rejected; !slices.Equal(got, rejected) {
		t.Errorf("the view shows %v", got)
	}
}

func TestMetrics(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	b.check("b", "127.0.0.1:1", errors.New("refused"))
	b.service.Pool().Pick(nil).Done(balancer.Broken, "", 0, errors.New("reset"))
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.service, New(Options{Name: "other"}))
	want := `
# HELP rota_endpoint_failures_total Attempts that failed for a reason of the endpoint's.
# TYPE rota_endpoint_failures_total counter
rota_endpoint_failures_total{endpoint="dc1/node/a",service="web"} 1
rota_endpoint_failures_total{endpoint="dc1/node/b",service="web"} 0
# HELP rota_endpoints Endpoints of the service in each state.
# TYPE rota_endpoints gauge
rota_endpoints{service="other",state="draining"} 0
rota_endpoints{service="other",state="ejected"} 0
rota_endpoints{service="other",state="held"} 0
rota_endpoints{service="other",state="serving"} 0
rota_endpoints{service="other",state="warming"} 0
rota_endpoints{service="web",state="draining"} 0
rota_endpoints{service="web",state="ejected"} 1
rota_endpoints{service="web",state="held"} 0
rota_endpoints{service="web",state="serving"} 1
rota_endpoints{service="web",state="warming"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "rota_endpoints", "rota_endpoint_failures_total"); err != nil {
		t.Error(err)
	}
	b.set(instance("b"))
	if n, err := testutil.GatherAndCount(registry, "rota_endpoint_failures_total"); n != 1 || err != nil {
		t.Errorf("%d series of endpoints are left after one went (%v), want 1", n, err)
	}
}

// The whole service, with real sockets: a backend that dies is ejected and
// returns when it is back.
func TestRun(t *testing.T) {
	lines := make(chan string, 100)
	s := New(Options{
		Name: "web", Balance: balancer.RoundRobin,
		Check:  health.Spec{Interval: 20 * time.Millisecond, Timeout: time.Second, HealthyAfter: 1, UnhealthyAfter: 1},
		Logger: hclog.New(&hclog.LoggerOptions{Output: lineWriter(lines), DisableTime: true}),
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Run(ctx) }()
	// An address of its own keeps the port from being taken while it is free.
	backend, err := net.Listen("tcp", "127.77.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in := instance("a")
	in.Address = backend.Addr().String()
	s.Apply(discovery.Update{Kind: discovery.Set, Instances: []discovery.Instance{in}})
	<-s.Ready()
	await(t, lines, "endpoint serving")

	backend.Close()
	await(t, lines, "endpoint ejected")
	l, err := net.Listen("tcp", in.Address)
	if err != nil {
		t.Fatal(err)
	}
	await(t, lines, "endpoint serving")
	l.Close()

	cancel()
	<-stopped
	s.Apply(discovery.Update{Kind: discovery.Unchanged}) // returns although nobody listens
}

type lineWriter chan string

func (l lineWriter) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func await(t *testing.T, lines <-chan string, want string) {
	t.Helper()
	for timeout := time.NewTimer(10 * time.Second); ; {
		select {
		case line := <-lines:
			if strings.Contains(line, want) {
				return
			}
		case <-timeout.C:
			t.Fatalf("no line says %q", want)
		}
	}
}
