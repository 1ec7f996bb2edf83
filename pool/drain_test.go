package pool

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// drainBench is a bench that notes what addresses it tells of, with a
// drain_timeout of a minute, and endpoints a, b and so on at addresses of their
// own.
type drainBench struct {
	*outlierBench
	told []string
}

func newDrainBench(t *testing.T, names ...string) *drainBench {
	b := &drainBench{outlierBench: newOutlierBench(t, 0)}
	tell := func(word string) func(string) {
		return func(address string) { b.told = append(b.told, word+" "+address[:len("127.0.0.x")]) }
	}
	b.options.DrainTimeout = time.Minute
	b.options.Drain, b.options.Left = tell("drain"), tell("left")
	b.options.Cut = func(address string) int { tell("cut")(address); return 1 }
	b.these(names...)
	return b
}

// these has discovery name them, passing, or in maintenance where the name has
// an exclamation mark behind it.
func (b *drainBench) these(names ...string) {
	var instances []discovery.Instance
	for _, name := range names {
		in := instance(name[:1])
		in.Address = fmt.Sprintf("127.0.0.%d:1", 1+name[0]-'a')
		if len(name) > 1 {
			in.Status = discovery.Maintenance
		}
		instances = append(instances, in)
	}
	b.set(instances...)
	for _, name := range names {
		if m := b.members["dc1/node/"+name]; m != nil {
			m.facts.verdict = health.Healthy
			b.touch(m)
		}
	}
	b.after(0)
}

// after moves the clock on, as time does for Run.
func (b *drainBench) after(d time.Duration) {
	b.now = b.now.Add(d)
	b.removeIdle()
	b.publish()
	b.cutDrained(b.now)
}

// wantTold asserts what was told since the last time.
func (b *drainBench) wantTold(want ...string) {
	b.t.Helper()
	if !slices.Equal(b.told, want) {
		b.t.Errorf("told of %q, want %q", b.told, want)
	}
	b.told = nil
}

// pick has a request in flight to the named endpoint.
func (b *drainBench) pick(name string) (done func()) {
	e := b.members["dc1/node/"+name].endpoint
	only(e).Pick(nil)
	return func() { e.Done(0, e.Address(), 0, nil) }
}

// The idle connections go as soon as an endpoint gets no more requests; what is
// in flight is cut when its time is over, and not before; then the endpoint is
// forgotten.
func TestWhatIsInFlightIsCutAfterItsTime(t *testing.T) {
	b := newDrainBench(t, "a", "b")
	done := b.pick("a")
	b.wantTold()
	b.these("b")
	b.wantTold("drain 127.0.0.1")
	b.after(time.Minute - 1)
	b.want("a=draining b=serving | b")
	b.wantTold()
	b.after(1)
	b.wantTold("cut 127.0.0.1")
	b.after(time.Hour)
	b.wantTold() // once is enough
	done()
	b.after(0)
	b.want("b=serving | b")
	b.wantTold("left 127.0.0.1")
	if b.draining() {
		t.Error("something is still waited for")
	}
}

// Who is gone stays known until nobody can pick it any more: what comes before that
// is published finishes, too.
func TestAnEndpointIsPickedAsItGoes(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"))
	b.update(discovery.Update{Kind: discovery.Set}, b.now)
	b.removeIdle()
	e := b.service.Pool().Pick(nil)
	b.publish()
	b.removeIdle()
	b.publish()
	b.want("a=draining | ")
	if e == nil || len(b.left) != 0 {
		t.Errorf("picked %v, and told that %v was left", e, b.left)
	}
	e.Done(balancer.Succeeded, e.Address(), 0, nil)
	b.removeIdle()
	b.publish()
	b.want(" | ")
}

// Without a limit nothing is cut; the idle connections go all the same.
func TestADrainWithoutALimit(t *testing.T) {
	b := newDrainBench(t, "a", "b")
	b.options.DrainTimeout = 0
	b.pick("a")
	b.these("a!", "b")
	b.after(24 * time.Hour)
	b.want("a=draining b=serving | b")
	b.wantTold("drain 127.0.0.1")
}

// An endpoint that serves again keeps what it has in flight, and the next drain
// has the whole time again.
func TestAnEndpointThatReturnsIsNotCut(t *testing.T) {
	b := newDrainBench(t, "a", "b")
	b.pick("a")
	b.these("a!", "b")
	b.after(59 * time.Second)
	b.these("a", "b")
	b.want("a=serving b=serving | a b")
	b.after(time.Hour)
	b.wantTold("drain 127.0.0.1")
	b.these("a!", "b")
	b.after(time.Minute - 1)
	b.wantTold("drain 127.0.0.1")
	b.after(1)
	b.wantTold("cut 127.0.0.1")
}

// Nobody else serves, so that those that drain may be what requests are tried
// on: they are cut when somebody does.
func TestTheLastResortIsNotCut(t *testing.T) {
	b := newDrainBench(t, "a", "b")
	b.pick("a")
	b.these("a!", "b!")
	b.wantTold("drain 127.0.0.1", "drain 127.0.0.2")
	b.after(time.Hour)
	b.wantTold()
	b.these("a!", "b")
	b.after(0)
	b.wantTold("cut 127.0.0.1")
}

// What is at an address under another ID as well is not drained for one.
func TestASharedAddressIsNotDrained(t *testing.T) {
	b := newOutlierBench(t, 2) // both are at one
	b.options.DrainTimeout = time.Minute
	b.options.Drain = func(address string) { t.Errorf("%s drained", address) }
	b.options.Cut = func(address string) int { t.Errorf("%s cut", address); return 0 }
	e := b.service.Pool().Pick(nil)
	b.set(instance("b"))
	b.cutDrained(b.now)
	b.cutDrained(b.now.Add(time.Hour))
	if e.InFlight() != 1 {
		t.Errorf("%d in flight", e.InFlight())
	}
}

// faults.md 53: the address that an endpoint has left drains, while the endpoint
// serves at another one.
func TestAFormerAddressDrains(t *testing.T) {
	b := newDrainBench(t, "a", "b")
	b.pick("a")
	moved := instance("a")
	moved.Address = "127.0.0.9:1"
	other := instance("b")
	other.Address = "127.0.0.2:1"
	b.set(moved, other)
	b.after(0)
	b.wantTold("drain 127.0.0.1")
	b.after(time.Minute)
	b.wantTold("cut 127.0.0.1", "left 127.0.0.1")
	if b.draining() {
		t.Error("something is still waited for")
	}
}
