package balancer

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// list returns such endpoints as the members of a pool.
func list(weights ...int) Members { return NewMembers(members(weights...)...) }

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
		{[]int{5, 1, 1}, "abaaaca" + "abaaaca"},
		{[]int{1, 2}, "bab" + "bab"},
		{[]int{2, 4}, "bab" + "bab"},
		{[]int{4, 3, 2}, "abcabacba"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.weights), func(t *testing.T) {
			p := NewPool(RoundRobin, list(tt.weights...), new(Turn))
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

// A racy counter would lose turns: every one of the picks must be there.
func TestRoundRobinIsExactUnderConcurrency(t *testing.T) {
	const workers, picks = 8, 3000
	ms := members(1, 2, 3)
	p := NewPool(RoundRobin, NewMembers(ms...), new(Turn))
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range picks {
				p.Pick(nil).Done(Succeeded, "", 0, nil)
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
	first := NewPool(RoundRobin, NewMembers(ms...), turn).Pick(nil)
	second := NewPool(RoundRobin, NewMembers(ms...), turn).Pick(nil)
	if first.ID() != "a" || second.ID() != "b" {
		t.Errorf("picked %s and %s across an update, want a and b", first.ID(), second.ID())
	}
}

func TestPickAvoidsTheTried(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, EWMA, Random} {
		for _, weights := range [][]int{{1, 1, 1}, {9, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}} {
			t.Run(fmt.Sprint(algorithm, weights), func(t *testing.T) {
				p := NewPool(algorithm, list(weights...), new(Turn))
				for range 50 {
					var tried []*Endpoint
					for range weights {
						e := p.Pick(tried)
						if e == nil || contains(tried, e) {
							t.Fatalf("picked %v with %v tried", e, tried)
						}
						tried = append(tried, e)
					}
					if p.Other(tried) || !p.Other(tried[1:]) {
						t.Fatalf("there is another one when all had been tried, or none when one had not")
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
			p := NewPool(LeastRequest, NewMembers(ms...), new(Turn))
			var got strings.Builder
			for range tt.want {
				e := p.Pick(nil)
				e.Done(Succeeded, "", 0, nil)
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
		l := &leastRequest{members: NewMembers(ms...), turn: new(Turn), draw: script(t, tt.draws...)}
		if got := l.Pick(nil).ID(); got != tt.want {
			t.Errorf("draws %v with %q busy: picked %s, want %s", tt.draws, tt.busy, got, tt.want)
		}
	}
}

func TestRandomDrawsByWeight(t *testing.T) {
	r := &random{members: list(3, 1)}
	count := map[string]int{}
	for n := range r.members.round() {
		r.draw = script(t, n)
		count[r.Pick(nil).ID()]++
	}
	if count["a"] != 3 || count["b"] != 1 {
		t.Errorf("each draw once gives %v, want 3 of a and 1 of b", count)
	}
}

func TestEmptyPool(t *testing.T) {
	if e := NewPool(RoundRobin, Members{}, new(Turn)).Pick(nil); e != nil {
		t.Errorf("picked %s from an empty pool", e.ID())
	}
}

func TestNewPoolRefuses(t *testing.T) {
	for name, build := range map[string]func(){
		"a weight of zero":     func() { NewPool(RoundRobin, list(1, 0), new(Turn)) },
		"an unknown algorithm": func() { NewPool("fastest", list(1), new(Turn)) },
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

func TestPickDoesNotAllocate(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, EWMA, Random} {
		for _, size := range []int{3, 100} {
			weights := make([]int, size)
			for i := range weights {
				weights[i] = 1 + i%3
			}
			p := NewPool(algorithm, list(weights...), new(Turn))
			tried := []*Endpoint{slices.Collect(p.Members())[0].Endpoint}
			if n := testing.AllocsPerRun(100, func() { p.Pick(tried).Done(Succeeded, "", time.Millisecond, nil) }); n != 0 {
				t.Errorf("%s of %d: %v allocations a pick", algorithm, size, n)
			}
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, EWMA, Random} {
		b.Run(string(algorithm), func(b *testing.B) {
			benchmarkPick(b, algorithm, 1, 2, 3, 4)
		})
	}
	for name, heaviest := range map[string]int{"equal": 1, "weighted": 5} {
		weights := make([]int, 5000)
		for i := range weights {
			weights[i] = 1 + i%heaviest
		}
		b.Run("round_robin_5000_"+name, func(b *testing.B) { benchmarkPick(b, RoundRobin, weights...) })
	}
}

func benchmarkPick(b *testing.B, algorithm Algorithm, weights ...int) {
	p := NewPool(algorithm, list(weights...), new(Turn))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p.Pick(nil).Done(Succeeded, "", time.Millisecond, nil)
		}
	})
}
