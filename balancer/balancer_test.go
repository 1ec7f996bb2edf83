package balancer

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// members returns endpoints named a, b, c … with the given weights.
func members(weights ...int) []Member {
	ms := make([]Member, len(weights))
	for i, w := range weights {
		name := string(rune('a' + i%26))
		if i >= 26 {
			name = fmt.Sprintf("%s%d", name, i/26)
		}
		ms[i] = Member{Endpoint: NewEndpoint(name, name+":80", nil), Weight: w}
	}
	return ms
}

// script returns a draw that yields the given numbers in turn, and fails the
// test when it is asked for a number outside the range.
func script(t *testing.T, draws ...uint64) func(uint64) uint64 {
	return func(n uint64) uint64 {
		t.Helper()
		d := draws[0]
		draws = draws[1:]
		if d >= n {
			t.Fatalf("drew %d of a range of %d", d, n)
		}
		return d
	}
}

func TestRoundRobinOrder(t *testing.T) {
	tests := []struct {
		weights []int
		want    string
	}{
		{[]int{1}, "aaa"},
		{[]int{1, 1, 1}, "abcabcabc"},
		{[]int{7, 7, 7}, "abcabcabc"},
		{[]int{5, 1, 1}, "aaabcaa" + "aaabcaa"},
		{[]int{1, 2}, "bab" + "bab"},
		{[]int{2, 4}, "bab" + "bab"},
		{[]int{4, 3, 2}, "abcabacba"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.weights), func(t *testing.T) {
			p := NewPool(RoundRobin, members(tt.weights...), new(Turn))
			var got strings.Builder
			for range tt.want {
				got.WriteString(p.Pick(nil).ID())
			}
			if got.String() != tt.want {
				t.Errorf("picked %s, want %s", got.String(), tt.want)
			}
		})
	}
}

// Whatever the weights, each length of the schedule holds every endpoint
// exactly as often as its weight says, and no endpoint's turns bunch up: the
// gap between two of them is at most twice the even one.
func TestScheduleIsExactAndSmooth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		weights := make([]int, 1+random.IntN(12))
		total := 0
		for i := range weights {
			weights[i] = 1 + random.IntN(20)
			total += weights[i]
		}
		ms := members(append([]int{1}, weights...)...) // a one keeps the divisor at one
		total++
		s := newSchedule(ms)
		count, last := map[string]int{}, map[string]int{}
		for i := range 2 * total {
			m := s.at(uint64(i))
			id := m.Endpoint.ID()
			if before, seen := last[id]; seen && i-before > 2*(total/m.Weight+1) {
				t.Fatalf("weights %v: %s waits from turn %d to %d", weights, id, before, i)
			}
			last[id] = i
			count[id]++
		}
		for _, m := range ms {
			if got := count[m.Endpoint.ID()]; got != 2*m.Weight {
				t.Fatalf("weights %v: %s has %d turns in two rounds, want %d", weights, m.Endpoint.ID(), got, 2*m.Weight)
			}
		}
	}
}

func TestScheduleIsBounded(t *testing.T) {
	s := newSchedule(members(65535, 65521, 1))
	if got := s.slots(); got > maxSlots+3 {
		t.Fatalf("the schedule has %d slots, want at most %d", got, maxSlots)
	}
	count := map[string]int{}
	for i := range s.slots() {
		count[s.at(i).Endpoint.ID()]++
	}
	if count["c"] != 1 || count["a"]-count["b"] > 16 {
		t.Errorf("turns are %v, want one for c and nearly equal ones for a and b", count)
	}
}

// A racy counter would lose turns: every one of the picks must be there.
func TestRoundRobinIsExactUnderConcurrency(t *testing.T) {
	const workers, picks = 8, 3000
	ms := members(1, 2, 3)
	p := NewPool(RoundRobin, ms, new(Turn))
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range picks {
				p.Pick(nil).Done(Succeeded, "", nil)
			}
		})
	}
	all.Wait()
	for _, m := range ms {
		requests, _ := m.Endpoint.Totals()
		if want := uint64(workers * picks * m.Weight / 6); requests != want {
			t.Errorf("%s was picked %d times, want %d", m.Endpoint.ID(), requests, want)
		}
		if n := m.Endpoint.InFlight(); n != 0 {
			t.Errorf("%s has %d in flight after the last was done", m.Endpoint.ID(), n)
		}
	}
}

func TestTurnsGoOnInTheNextPool(t *testing.T) {
	ms, turn := members(1, 1, 1), new(Turn)
	first := NewPool(RoundRobin, ms, turn).Pick(nil)
	second := NewPool(RoundRobin, ms, turn).Pick(nil)
	if first.ID() != "a" || second.ID() != "b" {
		t.Errorf("picked %s and %s across an update, want a and b", first.ID(), second.ID())
	}
}

func TestPickAvoidsTheTried(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, Random} {
		for _, weights := range [][]int{{1, 1, 1}, {9, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
			t.Run(fmt.Sprint(algorithm, weights), func(t *testing.T) {
				p := NewPool(algorithm, members(weights...), new(Turn))
				for range 50 {
					var tried []*Endpoint
					for range weights {
						e := p.Pick(tried)
						if e == nil || contains(tried, e) {
							t.Fatalf("picked %v with %v tried", e, tried)
						}
						tried = append(tried, e)
					}
					if e := p.Pick(tried); e != nil {
						t.Fatalf("picked %s when all had been tried", e.ID())
					}
				}
			})
		}
	}
}

func TestLeastRequest(t *testing.T) {
	tests := []struct {
		name     string
		weights  []int
		inFlight []int64
		want     string
	}{
		{"idle endpoints take turns", []int{1, 1, 1}, []int64{0, 0, 0}, "abc"},
		{"idle endpoints take turns by weight", []int{1, 2}, []int64{0, 0}, "bab"},
		{"the least loaded wins", []int{1, 1, 1}, []int64{5, 2, 4}, "bb"},
		{"load counts per weight", []int{1, 4}, []int64{2, 7}, "bb"},
		{"load counts per weight, the other way", []int{1, 4}, []int64{1, 7}, "aa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ms := members(tt.weights...)
			for i, n := range tt.inFlight {
				ms[i].Endpoint.inFlight.Store(n)
			}
			p := NewPool(LeastRequest, ms, new(Turn))
			var got strings.Builder
			for range tt.want {
				e := p.Pick(nil)
				e.Done(Succeeded, "", nil)
				got.WriteString(e.ID())
			}
			if got.String() != tt.want {
				t.Errorf("picked %s, want %s", got.String(), tt.want)
			}
		})
	}
}

// In a large pool the better of two distinct draws wins; the second is drawn
// from one fewer and shifted.
func TestLeastRequestOfTwo(t *testing.T) {
	tests := []struct {
		draws []uint64
		busy  string
		want  string
	}{
		{[]uint64{0, 0}, "", "a"},   // second is b; a tie goes to the first
		{[]uint64{0, 0}, "a", "b"},  // b has less to do
		{[]uint64{3, 3}, "d", "e"},  // never compared with itself
		{[]uint64{9, 8}, "j", "i"},  // the last with the one before it
		{[]uint64{9, 8}, "ij", "j"}, // both busy: the first
	}
	for _, tt := range tests {
		ms := members(1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
		for _, m := range ms {
			if strings.Contains(tt.busy, m.Endpoint.ID()) {
				m.Endpoint.inFlight.Store(1)
			}
		}
		l := &leastRequest{schedule: newSchedule(ms), turn: new(Turn), draw: script(t, tt.draws...)}
		if got := l.Pick(nil).ID(); got != tt.want {
			t.Errorf("draws %v with %q busy: picked %s, want %s", tt.draws, tt.busy, got, tt.want)
		}
	}
}

func TestRandomDrawsByWeight(t *testing.T) {
	r := &random{schedule: newSchedule(members(3, 1))}
	count := map[string]int{}
	for slot := range r.slots() {
		r.draw = script(t, slot)
		count[r.Pick(nil).ID()]++
	}
	if count["a"] != 3 || count["b"] != 1 {
		t.Errorf("each draw once gives %v, want 3 of a and 1 of b", count)
	}
}

func TestEmptyPool(t *testing.T) {
	if e := NewPool(RoundRobin, nil, new(Turn)).Pick(nil); e != nil {
		t.Errorf("picked %s from an empty pool", e.ID())
	}
}

func TestNewPoolRefuses(t *testing.T) {
	for name, build := range map[string]func(){
		"a weight of zero":     func() { NewPool(RoundRobin, members(1, 0), new(Turn)) },
		"an unknown algorithm": func() { NewPool("fastest", members(1), new(Turn)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			build()
		})
	}
}

func TestDone(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		outcome  Outcome
		failures uint64
		struck   bool
	}{
		{Succeeded, 0, false},
		{Abandoned, 0, false},
		{Unreachable, 1, true},
		{Broken, 1, false},
	}
	for _, tt := range tests {
		var struck error
		e := NewEndpoint("node/web-1", "10.0.0.1:80", func(id string, err error) {
			if id != "node/web-1" {
				t.Errorf("strike names %q", id)
			}
			struck = err
		})
		e.begin()
		if e.InFlight() != 1 {
			t.Errorf("%d in flight after one pick", e.InFlight())
		}
		e.Done(tt.outcome, "10.0.0.1:80", refused)
		if _, failures := e.Totals(); failures != tt.failures || (struck == refused) != tt.struck || e.InFlight() != 0 {
			t.Errorf("outcome %d: %d failures, strike %v, %d in flight", tt.outcome, failures, struck, e.InFlight())
		}
	}
}

// A connection that was refused at a former address must not take the endpoint
// out at its new one.
func TestAFormerAddressDoesNotStrike(t *testing.T) {
	e := NewEndpoint("node/web-1", "10.0.0.1:80", func(string, error) { t.Error("struck") })
	e.begin()
	e.Move("10.0.0.2:80")
	e.Done(Unreachable, "10.0.0.1:80", errors.New("connection refused"))
}

func TestMove(t *testing.T) {
	e := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	e.Move("10.0.0.2:81")
	if e.Address() != "10.0.0.2:81" {
		t.Errorf("address is %s after a move", e.Address())
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, Random} {
		for _, size := range []int{3, 100} {
			weights := make([]int, size)
			for i := range weights {
				weights[i] = 1 + i%3
			}
			p := NewPool(algorithm, members(weights...), new(Turn))
			tried := []*Endpoint{p.Members()[0].Endpoint}
			if n := testing.AllocsPerRun(100, func() { p.Pick(tried).Done(Succeeded, "", nil) }); n != 0 {
				t.Errorf("%s of %d: %v allocations a pick", algorithm, size, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, Random} {
		b.Run(string(algorithm), func(b *testing.B) {
			p := NewPool(algorithm, members(1, 2, 3, 4), new(Turn))
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					p.Pick(nil).Done(Succeeded, "", nil)
				}
			})
		})
	}
}
