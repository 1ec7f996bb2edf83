package socket

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestWatches(t *testing.T) {
	c := NewClock()
	var got []string
	watch := func(name string) (stop func()) {
		return c.Watch(func(now time.Duration) { got = append(got, name+" "+now.String()) })
	}
	tick := func(now time.Duration, want ...string) {
		t.Helper()
		got = nil
		if c.sweep(now, nil); !slices.Equal(got, want) {
			t.Errorf("called %q, want %q", got, want)
		}
		if c.Now() != now {
			t.Errorf("it is %v, want %v", c.Now(), now)
		}
	}
	tick(1 * Tick)
	a, b := watch("a"), watch("b")
	tick(2*Tick, "a 200ms", "b 200ms")
	a()
	a()
	tick(3*Tick, "b 300ms")
	again := watch("a")
	tick(9*Tick, "b 900ms", "a 900ms")
	b()
	again()
	tick(10 * Tick)
}

// Who watches may stop to do so, or begin to, when called.
func TestAWatchThatStopsItself(t *testing.T) {
	c := NewClock()
	calls := 0
	var stop func()
	stop = c.Watch(func(time.Duration) {
		calls++
		stop()
		c.Watch(func(time.Duration) { calls += 10 })
	})
	c.sweep(Tick, nil)
	c.sweep(2*Tick, nil)
	if calls != 11 {
		t.Errorf("called for %d, want 11", calls)
	}
}

// member is a connection and its owner.
type member struct {
	conn  *Conn
	ticks int
}

func (*member) Serve()  {}
func (m *member) Tick() { m.ticks++ }

// Each connection is looked at once a tick, from New on until it is closed,
// whichever others come and go.
func TestTheClockKnowsItsConnections(t *testing.T) {
	c := NewClock()
	random := rand.New(rand.NewPCG(1, 2))
	var members []*member
	var memory []*Conn
	now := time.Duration(0)
	for range 1000 {
		if random.IntN(2) == 0 {
			m := new(member)
			m.conn, _ = piped(t, c)
			m.conn.owner = m
			members = append(members, m)
		} else if len(members) > 0 {
			i := random.IntN(len(members))
			members[i].conn.Close()
			members = slices.Delete(members, i, i+1)
		}
		now += Tick
		memory = c.sweep(now, memory)
		for _, m := range members {
			if m.ticks != 1 {
				t.Fatalf("one of %d connections was looked at %d times", len(members), m.ticks)
			}
			m.ticks = 0
		}
	}
	for _, conn := range memory {
		if conn != nil {
			t.Error("the clock holds on to connections between two ticks")
		}
	}
	for _, m := range members {
		m.conn.Close()
	}
	if len(c.conns) != 0 {
		t.Errorf("%d closed connections are watched", len(c.conns))
	}
	for _, conn := range c.conns[:cap(c.conns)] {
		if conn != nil {
			t.Error("the clock holds on to closed connections")
		}
	}
}

func TestConnectionsComeAndGoWhileTheClockLooks(t *testing.T) {
	c := NewClock()
	var others sync.WaitGroup
	var ticks atomic.Int64
	for range 4 {
		others.Go(func() {
			for ticks.Load() < 5000 {
				conn, _ := piped(t, c)
				stop := c.Watch(func(time.Duration) { ticks.Add(1) })
				conn.LimitRead(1)
				conn.Close()
				stop()
			}
		})
	}
	var sweeping sync.WaitGroup
	sweeping.Go(func() {
		var memory []*Conn
		for now := Tick; ticks.Load() < 5000; now += Tick {
			memory = c.sweep(now, memory)
		}
	})
	others.Wait()
	sweeping.Wait()
	if len(c.conns)+len(c.watches) != 0 {
		t.Errorf("%d connections and %d watches are left", len(c.conns), len(c.watches))
	}
}

// Whatever is parked wakes when its limit is over, and is not looked at by each
// tick until then. A limit that is set meanwhile is noticed within a second.
func TestParkedConnectionsTakeTurns(t *testing.T) {
	for _, d := range []time.Duration{1, Tick, 5*Tick + 1, turns*Tick - 1, turns * Tick, 25 * Tick} {
		for _, later := range []bool{false, true} {
			r := newRig(t, accepted)
			if r.owner == nil {
				t.Skip("nothing parks here")
			}
			r.pass(3 * Tick)
			owner, most := r.owner, int(d/Tick)+4
			r.LimitRead(d)
			if later {
				r.LimitRead(time.Hour)
				most += turns
			}
			if !r.park() {
				t.Fatal("not parked")
			}
			dozes := later // else the limit may be over before the clock notices
			if dozes {
				r.pass(Tick)
			}
			ticks := owner.ticks
			if later {
				r.LimitRead(d)
			}
			passed := 0
			for ; r.reads.limit.due.Load() != overdue && passed <= most; passed++ {
				r.pass(Tick)
			}
			if passed > most || passed <= int(d/Tick) {
				t.Errorf("%v, set later: %v: woken after %d ticks", d, later, passed)
			}
			r.back()
			if owner.ticks != ticks {
				t.Errorf("looked at by %d ticks", owner.ticks-ticks)
			}
		}
	}
}
