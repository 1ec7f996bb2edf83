package pool

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

func TestPanics(t *testing.T) {
	tests := []struct {
		below, serving, checked, willing int
		want                             bool
	}{
		{0, 0, 0, 0, false}, // nobody could be tried
		{0, 0, 4, 4, true},
		{0, 1, 4, 4, false},
		{50, 4, 4, 4, false},
		{50, 2, 4, 4, false},
		{50, 1, 4, 4, true},
		{51, 2, 4, 4, true},
		{100, 3, 4, 4, true},
		{100, 4, 4, 4, false},
		{100, 4, 4, 9, false}, // five are new
		{0, 0, 0, 4, true},    // all are new
	}
	for _, tt := range tests {
		if got := panics(tt.below, tt.serving, tt.checked, tt.willing); got != tt.want {
			t.Errorf("%+v: %v", tt, got)
		}
	}
}

// Where too few serve, those that are out for their health alone are tried,
// and nobody else.
func TestPanic(t *testing.T) {
	b := newBench(t)
	b.options.PanicBelow = 50
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.service)
	in := func(name string, s discovery.Status) discovery.Instance {
		i := instance(name)
		i.Status = s
		return i
	}
	alarm := func(want int) {
		t.Helper()
		text := fmt.Sprintf("# HELP rota_panic Whether endpoints that are out for their health get traffic: 1, else 0.\n# TYPE rota_panic gauge\nrota_panic{service=\"web\"} %d\n", want)
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "rota_panic"); err != nil {
			t.Error(err)
		}
		if got := b.service.View().Panic; got != (want == 1) {
			t.Errorf("the view says %v", got)
		}
	}
	everybody := []discovery.Instance{instance("a"), instance("b"), in("c", discovery.Critical), in("d", discovery.Maintenance)}
	b.set(everybody...)
	b.want("a=serving b=serving c=draining d=draining | a b")
	alarm(0)
	b.check("b", "127.0.0.1:1", errors.New("refused"))
	b.want("a=serving b=ejected c=draining d=draining | a b c") // 1 of 3
	alarm(1)
	b.set(append(everybody[:3:3], instance("d"))...)
	b.want("a=serving b=ejected c=draining d=serving | a d") // 2 of 4
	alarm(0)

	o := b.options
	o.PanicBelow = 80
	b.configure(o)
	b.publish()
	b.want("a=serving b=ejected c=draining d=serving | a b c d")
	alarm(1)
	b.set(everybody[0], everybody[1], instance("d")) // who goes is not tried any more
	b.want("a=serving b=ejected d=serving | a b d")
	b.set(everybody[3]) // all others have gone
	b.want("d=draining | ")
	alarm(0)

	logs := b.logs.String()
	const begin, end = "too few endpoints are healthy: those out for their health alone get traffic again: service=web serving=1 of=3", "endpoints out for their health get no traffic any more"
	if !strings.Contains(logs, begin) || strings.Count(logs, "too few") != 2 || strings.Count(logs, end) != 2 {
		t.Errorf("two beginnings and ends are told as\n%s", logs)
	}
}

// Before the checks of a snapshot are over, everybody is tried, and that is no
// alarm; when none has passed, it is.
func TestASnapshotAlarmsNobody(t *testing.T) {
	b := newBench(t)
	b.kept(b.now, instance("a"))
	b.want("a=warming | a")
	if strings.Contains(b.logs.String(), "too few") {
		t.Error("alarmed too early")
	}
	b.prove(b.now.Add(proof))
	if !strings.Contains(b.logs.String(), "too few") {
		t.Error("not alarmed")
	}
}

// In a panic whoever answers has its share, and who does not is tried now and then.
func TestWhoAnswersInAPanicHasItsShare(t *testing.T) {
	b := newBench(t)
	b.service.checker.Store(b.checker)
	b.options.PanicBelow = 75
	b.service.consecutive.Store(5)
	abcd := []discovery.Instance{instance("a"), instance("b"), instance("c"), instance("d")}
	b.set(abcd...)
	for _, in := range abcd[1:] {
		b.check(in.Name, in.Address, errors.New("refused"))
	}
	b.want("a=serving b=ejected c=ejected d=ejected | a b c d")
	got := map[string]int{}
	for range 300 {
		e := b.service.Pool().Pick(nil)
		got[e.ID()[len("dc1/node/"):]]++
		o := balancer.Succeeded
		if e.ID() >= "dc1/node/c" {
			o = balancer.Broken
		}
		e.Done(o, e.Address(), 0, errors.New("reset"))
	}
	if got["c"] != 1 || got["d"] != 1 || got["a"] < 100 || got["b"] < 100 {
		t.Errorf("those who answer, a and b, and the others get %v", got)
	}
}
