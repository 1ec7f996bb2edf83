package pool

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// heir returns a bench that begins with what this one has learned, as another
// process does.
func (b *bench) heir(now time.Time) *outlierBench {
	b.t.Helper()
	text, err := json.Marshal(b.learned(now))
	if err != nil {
		b.t.Fatal(err)
	}
	n := &outlierBench{newBench(b.t), now}
	n.service.checker.Store(n.checker)
	n.configure(b.options)
	if err := json.Unmarshal(text, &n.inherited); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// Another process begins with all that is known of each endpoint: who is out stays
// out, for the same reason and as long, and comes back by the same proof.
func TestWhatIsLearnedIsInherited(t *testing.T) {
	b := newOutlierBench(t, 5)
	b.check("a", "127.0.0.1:1", errors.New("connection refused"))
	b.attempts("b", 5, balancer.Broken, 0)
	b.check("c", "127.0.0.1:1", nil)
	b.attempts("c", 40, balancer.Succeeded, 3*ms)
	b.attempts("d", 4, balancer.Broken, 0)
	abcde := []discovery.Instance{instance("a"), instance("b"), instance("c"), instance("d"), instance("e")}
	b.want("a=ejected b=ejected c=serving d=serving e=serving | c d e")
	wantMean, wantP99 := b.members["dc1/node/c"].endpoint.Latency()

	n := b.heir(b.now)
	n.set(abcde...)
	n.want("a=ejected b=ejected c=serving d=serving e=serving | c d e")
	for i, want := range []struct{ reason, err string }{
		{"check_failed", "connection refused"}, {"consecutive_failures", "5 failures in a row, the last: connection reset"},
	} {
		e := n.endpoints()[i]
		if len(e.Reasons) != 1 || string(e.Reasons[0]) != want.reason || e.LastError != want.err {
			t.Errorf("%s is out for %v: %s", e.Name, e.Reasons, e.LastError)
		}
	}
	if mean, p99 := n.members["dc1/node/c"].endpoint.Latency(); mean != wantMean || p99 != wantP99 || mean == 0 {
		t.Errorf("c answers in %v, 99 in 100 in %v, want %v and %v", mean, p99, wantMean, wantP99)
	}
	n.attempts("d", 1, balancer.Broken, 0) // the fifth in a row
	n.want("a=ejected b=ejected c=serving d=ejected e=serving | c e")
	n.check("a", "127.0.0.1:1", nil)
	n.want("a=serving b=ejected c=serving d=ejected e=serving | a c e")

	n.looked("b", true, true) // its time is not over
	n.want("a=serving b=ejected c=serving d=ejected e=serving | a c e")
	n.after(2 * sec)
	if m := n.members["dc1/node/b"]; !m.outlier.asked {
		t.Error("b is not checked when its time is over")
	}
	n.looked("b", true, true)
	n.want("a=serving b=serving c=serving d=ejected e=serving | a b c e")
	if level := n.members["dc1/node/b"].outlier.Outlier; level == (health.Outlier{}) {
		t.Error("that b was out is forgotten")
	}
}

// What has not proved itself has to, and what starts slowly goes on to.
func TestWhatIsNotProvedIsInherited(t *testing.T) {
	b := slow(t)
	b.set(instance("a"))
	b.tellReady(b.now)
	b.set(instance("a"), instance("b"), instance("c"))
	b.check("b", "127.0.0.1:1", nil)
	b.pass(10 * sec)
	b.weighs(map[string]int{"a": 100, "b": 55})

	n := b.heir(b.now)
	n.set(instance("a"), instance("b"), instance("c"))
	n.want("a=serving b=warming c=warming | b a")
	n.weighs(map[string]int{"a": 100, "b": 55})
	n.bench.pass(10 * sec)
	n.weighs(map[string]int{"a": 100, "b": 100})
	n.check("c", "127.0.0.1:1", nil)
	n.weighs(map[string]int{"a": 100, "b": 100, "c": 10})
}

// A trial goes on, and with it what one failure means.
func TestATrialIsInherited(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 5, balancer.Broken, 0)
	b.after(sec + ms)
	b.looked("a", true, true)
	b.set(instance("a"), instance("b"), instance("c"), instance("d"))
	b.check("d", "127.0.0.1:1", nil)

	n := b.heir(b.now)
	n.set(instance("a"), instance("b"), instance("c"), instance("d"))
	for name, want := range map[string]bool{"a": true, "b": false, "c": false, "d": true} {
		if got := n.members["dc1/node/"+name].endpoint.OnTrial(); got != want {
			t.Errorf("%s is on trial: %t", name, got)
		}
	}
	n.attempts("d", 1, balancer.Broken, 0)
	n.attempts("a", 1, balancer.Broken, 0)
	n.want("a=ejected b=serving c=serving d=serving | b c d")
}

// Who is not known, or has moved meanwhile, has to prove itself; and what comes later
// has nothing from who was there before.
func TestWhatIsInheritedHoldsForThatInstance(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"), instance("c"))
	b.check("a", "127.0.0.1:1", errors.New("connection refused"))
	b.check("c", "127.0.0.1:1", errors.New("connection refused"))
	n := b.heir(b.now)
	moved := instance("a")
	moved.Address = "127.0.0.1:2"
	n.set(moved, instance("b"), instance("z"))
	n.want("a=warming b=serving z=warming | b")
	n.check("z", "127.0.0.1:1", nil)
	if !n.members["dc1/node/z"].endpoint.OnTrial() {
		t.Error("z, who is new, is not on trial")
	}
	n.set(moved, instance("b"), instance("c"))
	n.want("a=warming b=serving c=warming | b")
}
