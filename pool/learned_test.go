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

// bequeath has the other bench begin with what this one has learned, as another
// process does.
func (b *bench) bequeath(to *bench, now time.Time) {
	b.t.Helper()
	text, err := json.Marshal(b.learned(now))
	if err != nil {
		b.t.Fatal(err)
	}
	to.started = false
	if err := json.Unmarshal(text, &to.inherited); err != nil {
		b.t.Fatal(err)
	}
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

	n := newOutlierBench(t, 0)
	b.bequeath(n.bench, b.now)
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

	n := slow(t)
	b.bequeath(n, b.now)
	n.set(instance("a"), instance("b"), instance("c"))
	n.want("a=serving b=warming c=warming | b a")
	n.weighs(map[string]int{"a": 100, "b": 55})
	n.pass(10 * sec)
	n.weighs(map[string]int{"a": 100, "b": 100})
	n.check("c", "127.0.0.1:1", nil)
	n.weighs(map[string]int{"a": 100, "b": 100, "c": 10})
}

// What has moved meanwhile has to prove itself, and what comes later has nothing
// from who was there before.
func TestWhatIsInheritedHoldsForThatInstance(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"), instance("c"))
	b.check("a", "127.0.0.1:1", errors.New("connection refused"))
	b.check("c", "127.0.0.1:1", errors.New("connection refused"))
	n := newBench(t)
	b.bequeath(n, b.now)
	moved := instance("a")
	moved.Address = "127.0.0.1:2"
	n.set(moved, instance("b"))
	n.want("a=warming b=serving | b")
	n.set(moved, instance("b"), instance("c"))
	n.want("a=warming b=serving c=warming | b")
}
