package balancer

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// The one of two that is cheaper is picked: what it took, as it fades, times
// those that wait, by weight.
func TestEWMAPicksTheCheaper(t *testing.T) {
	const ms, now = time.Millisecond, time.Hour
	type state struct {
		took    time.Duration // 0: it has not answered yet
		idle    time.Duration // since it was picked
		waiting int64
		weight  int
	}
	tests := []struct {
		name string
		a, b state
		want string
	}{
		{"a tie goes to the first", state{10 * ms, 0, 0, 1}, state{10 * ms, 0, 0, 1}, "a"},
		{"the faster", state{10 * ms, 0, 0, 1}, state{9 * ms, 0, 0, 1}, "b"},
		{"fast and busy", state{10 * ms, 0, 0, 1}, state{4 * ms, 0, 2, 1}, "a"},
		{"fast and a little busy", state{10 * ms, 0, 0, 1}, state{4 * ms, 0, 1, 1}, "b"},
		{"slow and heavy", state{10 * ms, 0, 0, 1}, state{50 * ms, 0, 0, 6}, "b"},
		{"slow a while ago", state{10 * ms, 0, 0, 1}, state{100 * ms, 20 * time.Second, 0, 1}, "a"},
		{"slow long ago", state{10 * ms, 0, 0, 1}, state{100 * ms, 24 * time.Second, 0, 1}, "b"},
		{"new", state{1, 0, 0, 1}, state{0, 0, 0, 1}, "b"},
		{"new, and asked", state{time.Minute, 0, 9, 1}, state{0, 0, 1, 1}, "a"},
		{"both new, and asked", state{0, 0, 2, 1}, state{0, 0, 1, 1}, "b"},
	}
	for _, tt := range tests {
		two := members(tt.a.weight, tt.b.weight)
		for i, s := range []state{tt.a, tt.b} {
			e := two[i].Endpoint
			e.peak.took.Store(int64(s.took))
			e.peak.picked.Store(int64(now - s.idle))
			e.inFlight.Store(s.waiting)
		}
		cheaper := two[0]
		if two[1].cost(now) < two[0].cost(now) {
			cheaper = two[1]
		}
		if got := cheaper.Endpoint.ID(); got != tt.want {
			t.Errorf("%s: %s of %v and %v", tt.name, got, two[0].cost(now), two[1].cost(now))
		}
	}
}

// The draws are those of two distinct turns, and who is picked is not idle.
func TestEWMADraws(t *testing.T) {
	tests := []struct {
		draws []uint64
		slow  string
		want  string
	}{
		{[]uint64{0, 0}, "", "a"},
		{[]uint64{0, 0}, "a", "b"},
		{[]uint64{2, 1}, "c", "b"},
		{[]uint64{1, 1}, "b", "c"},
	}
	for _, tt := range tests {
		ms := members(1, 1, 1)
		for _, m := range ms {
			m.Endpoint.peak.picked.Store(1)
			m.Endpoint.peak.add(time.Millisecond)
			if m.Endpoint.ID() == tt.slow {
				m.Endpoint.peak.add(time.Second)
			}
		}
		w := &ewma{members: NewMembers(ms...), draw: script(t, tt.draws...), now: func() time.Duration { return 7 }}
		e := w.Pick(nil)
		if e.ID() != tt.want || e.peak.picked.Load() != 7 {
			t.Errorf("draws %v with %q slow: picked %s at %d, want %s", tt.draws, tt.slow, e.ID(), e.peak.picked.Load(), tt.want)
		}
	}
	alone := &ewma{members: list(3), draw: script(t, 0), now: func() time.Duration { return 7 }}
	if e := alone.Pick(nil); e.ID() != "a" {
		t.Errorf("picked %s where there is but a", e.ID())
	}
}

func TestPeak(t *testing.T) {
	const ms = time.Millisecond
	e := NewEndpoint("a", "a:80", nil)
	e.Done(Succeeded, "a:80", ms, nil)
	if e.peak.took.Load() != 0 {
		t.Error("it is measured though nobody asks")
	}
	e.peak.picked.Store(1)
	steps := []struct {
		outcome Outcome
		took    time.Duration
		want    time.Duration
	}{
		{Succeeded, 16 * ms, 16 * ms},
		{Succeeded, 32 * ms, 32 * ms}, // at once
		{Succeeded, 16 * ms, 31 * ms}, // little by little
		{Succeeded, 0, 31 * ms},       // not known
		{Abandoned, time.Hour, 31 * ms},
		{Broken, ms, time.Second}, // to fail fast is not to be fast
		{Erred, 2 * time.Second, 2 * time.Second},
		{Unavailable, 0, 2*time.Second - time.Second/16},
	}
	for i, s := range steps {
		e.Done(s.outcome, "a:80", s.took, errors.New("an error"))
		if got := time.Duration(e.peak.took.Load()); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
	e.Done(Broken, "b:80", time.Hour, errors.New("at the former address"))
	if got := time.Duration(e.peak.took.Load()); got > 2*time.Second {
		t.Errorf("%v by a failure at another address", got)
	}
	e.Move("b:80")
	if e.peak.took.Load() != 0 {
		t.Error("what was learned is known at the next address")
	}
}

// Of five endpoints one is ten times slower: it gets next to nothing, and the
// others the rest evenly. When it is fast again it gets its share.
func TestEWMAAvoidsTheSlow(t *testing.T) {
	const requests, pace = 20000, 2 * time.Millisecond
	random := rand.New(rand.NewPCG(1, 2))
	now := time.Duration(1)
	ms := members(1, 1, 1, 1, 1)
	w := &ewma{members: NewMembers(ms...), draw: random.Uint64N, now: func() time.Duration { return now }}
	run := func(took func(id string) time.Duration) map[string]int {
		count := map[string]int{}
		for range requests {
			e := w.Pick(nil)
			e.begin()
			e.Done(Succeeded, e.Address(), took(e.ID()), nil)
			count[e.ID()]++
			now += pace
		}
		return count
	}
	usual := func(string) time.Duration { return time.Duration(9+random.IntN(3)) * time.Millisecond }
	slow := func(id string) time.Duration {
		if id == "c" {
			return 10 * usual(id)
		}
		return usual(id)
	}
	if count := run(slow); count["c"] == 0 || count["c"] > requests/500 {
		t.Errorf("the slow one had %d of %d requests", count["c"], requests)
	}
	run(usual) // it is noticed
	count := run(usual)
	for _, m := range ms {
		if n := count[m.Endpoint.ID()]; n < requests/5*9/10 || n > requests/5*11/10 {
			t.Errorf("of endpoints that are alike %s had %d of %d requests", m.Endpoint.ID(), n, requests)
		}
	}
}
