package pool

import (
	"errors"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

func TestSlowStartPercent(t *testing.T) {
	began := time.Unix(1000, 0)
	slow := SlowStart{Duration: 20 * time.Second, MinWeight: 10}
	tests := []struct {
		slow  SlowStart
		after time.Duration
		want  int
	}{
		{slow, 0, 10},
		{slow, time.Second - 1, 10},
		{slow, time.Second, 14},
		{slow, 10 * time.Second, 55},
		{slow, 20*time.Second - 1, 95},
		{slow, 20 * time.Second, 100},
		{slow, time.Hour, 100},
		{slow, -time.Hour, 10}, // clocks that can be set do such things
		{SlowStart{Duration: time.Second, MinWeight: 100}, 0, 100},
		{SlowStart{}, 0, 100},
	}
	for _, tt := range tests {
		if got := tt.slow.percent(began, began.Add(tt.after)); got != tt.want {
			t.Errorf("%+v after %v: %d %%, want %d", tt.slow, tt.after, got, tt.want)
		}
	}
}

// slow returns a bench whose endpoints start slowly.
func slow(t *testing.T) *bench {
	b := newBench(t)
	b.options.SlowStart = SlowStart{Duration: 20 * time.Second, MinWeight: 10}
	return b
}

// pass lets time pass.
func (b *bench) pass(d time.Duration) {
	b.now = b.now.Add(d)
	b.rampUp(b.now)
	b.publish()
}

// weighs asserts the weights of those on duty, in hundredths.
func (b *bench) weighs(want map[string]int) {
	b.t.Helper()
	got := map[string]int{}
	for m := range b.service.Pool().Members() {
		got[m.Endpoint.ID()[len("dc1/node/"):]] = m.Weight
	}
	for name := range got {
		if got[name] != want[name] || len(got) != len(want) {
			b.t.Errorf("weights are %v, want %v", got, want)
			return
		}
	}
}

// The matrix of who starts slowly, and on trial:
//
//	there at the start            no
//	new, after its first check    yes
//	back from an ejection         yes
//	back from maintenance         yes
//	back from critical            yes
//	at another address            yes, after its check
//	another weight or tag         no
//	back while it drained         yes, after its check
func TestWhoStartsSlowly(t *testing.T) {
	with := func(name string, s discovery.Status) discovery.Instance {
		in := instance(name)
		in.Status = s
		return in
	}
	moved, heavier := instance("a"), instance("a")
	moved.Address, heavier.Weight = "127.0.0.2:1", 3
	const here, there = "127.0.0.1:1", "127.0.0.2:1"
	tests := []struct {
		name string
		do   func(b *bench)
		want int // of the weight of a
	}{
		{"there at the start", func(*bench) {}, 100},
		{"checked", func(b *bench) { b.check("a", here, nil) }, 100},
		{"ejected and back", func(b *bench) {
			b.check("a", here, errors.New("refused"))
			b.check("a", here, nil)
		}, 10},
		{"in maintenance and back", func(b *bench) {
			b.set(with("a", discovery.Maintenance), instance("b"))
			b.set(instance("a"), instance("b"))
		}, 10},
		{"critical and back", func(b *bench) {
			b.set(with("a", discovery.Critical), instance("b"))
			b.set(instance("a"), instance("b"))
		}, 10},
		{"moved", func(b *bench) {
			b.set(moved, instance("b"))
			b.check("a", there, nil)
		}, 10},
		{"heavier", func(b *bench) { b.set(heavier, instance("b")) }, 300},
		{"new", func(b *bench) {
			b.set(instance("b"))
			b.set(instance("a"), instance("b"))
			b.check("a", here, nil)
		}, 10},
		{"back while it drained", func(b *bench) {
			b.members["dc1/node/a"].endpoint.Move(here)
			for range 2 {
				b.service.Pool().Pick(nil)
			}
			b.set(instance("b"))
			b.set(instance("a"), instance("b"))
			b.check("a", here, nil)
		}, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := slow(t)
			b.set(instance("a"), instance("b"))
			tt.do(b)
			b.weighs(map[string]int{"a": tt.want, "b": 100})
			if e := b.members["dc1/node/a"].endpoint; e.OnTrial() != (tt.want == 10) {
				t.Errorf("it is on trial: %t", e.OnTrial())
			}
		})
	}
}

func TestASlowStart(t *testing.T) {
	b := slow(t)
	b.set(instance("a"))
	b.set(instance("a"), instance("b"))
	b.want("a=serving b=warming | a")
	if b.endpoints()[1].Serves() {
		t.Error("b serves before its first check")
	}
	b.check("b", "127.0.0.1:1", nil)
	b.want("a=serving b=warming | b a")
	e := b.endpoints()[1]
	if !e.Serves() || len(e.Reasons) != 1 || e.Reasons[0] != InSlowStart {
		t.Errorf("b serves: %v, for %v", e.Serves(), e.Reasons)
	}
	before := b.service.Pool()
	b.pass(time.Second - 1)
	if b.service.Pool() != before {
		t.Error("a new pool though no weight has changed")
	}
	b.pass(1)
	b.weighs(map[string]int{"a": 100, "b": 14})
	b.pass(9 * time.Second)
	b.weighs(map[string]int{"a": 100, "b": 55})
	b.pass(10 * time.Second)
	b.want("a=serving b=serving | a b")
	b.weighs(map[string]int{"a": 100, "b": 100})
	b.pass(time.Second)
	if len(b.ramping) != 0 {
		t.Error("b is still looked at")
	}
}

// An endpoint that fails in its slow start begins anew; other options hold for
// those that have begun.
func TestASlowStartThatEndsEarly(t *testing.T) {
	b := slow(t)
	b.set(instance("a"))
	b.set(instance("a"), instance("b"))
	b.check("b", "127.0.0.1:1", nil)
	b.pass(10 * time.Second)
	b.weighs(map[string]int{"a": 100, "b": 55})
	b.check("b", "127.0.0.1:1", errors.New("refused"))
	b.want("a=serving b=ejected | a")
	b.check("b", "127.0.0.1:1", nil)
	b.weighs(map[string]int{"a": 100, "b": 10})
	o := b.options
	o.SlowStart = SlowStart{}
	b.configure(o)
	b.publish()
	b.want("a=serving b=serving | a b")
	b.weighs(map[string]int{"a": 100, "b": 100})
}

// Those of a snapshot that pass their checks in time were there at the start.
func TestASnapshotDoesNotStartSlowly(t *testing.T) {
	b := slow(t)
	b.kept(b.now, instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", nil)
	b.check("b", "127.0.0.1:1", nil)
	b.prove(b.now)
	b.want("a=serving b=serving | a b")
}

// A share of a tenth is a tenth of the turns.
func TestASlowStartGetsItsShare(t *testing.T) {
	b := slow(t)
	b.set(instance("a"))
	b.set(instance("a"), instance("b"))
	b.check("b", "127.0.0.1:1", nil)
	b.members["dc1/node/b"].endpoint.Heard("127.0.0.1:1")
	p := b.service.Pool()
	for range 110 {
		p.Pick(nil).Done(balancer.Succeeded, "", 0, nil)
	}
	if n, _ := b.members["dc1/node/b"].endpoint.Totals(); n != 10 {
		t.Errorf("b had %d of 110 turns, want 10", n)
	}
}

// Who was found dead while a snapshot was probed comes as anybody else.
func TestWhoComesAfterASnapshotStartsSlowly(t *testing.T) {
	b := slow(t)
	b.kept(b.now, instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", errors.New("refused"))
	b.check("b", "127.0.0.1:1", nil)
	b.prove(b.now)
	b.check("a", "127.0.0.1:1", nil)
	b.weighs(map[string]int{"a": 10, "b": 100})
	if !b.members["dc1/node/a"].endpoint.OnTrial() {
		t.Error("it is not on trial")
	}
}
