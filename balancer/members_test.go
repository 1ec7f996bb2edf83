package balancer

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
	"unsafe"
)

func TestMembersRefuseAWeightOfZero(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	list(1, 0)
}

// Members come, go and change weight; what is there is always what the changes
// say, and whoever looks stops when told to.
func TestMembersAreAsTheChangesSay(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	everybody := members(make1(300)...)
	weights := make([]int, len(everybody)) // as it should be; 0 for the absent
	var ms Members
	for round := range 500 {
		var changes []Change[Member]
		for range 1 + random.IntN(1+round%20) {
			i := random.IntN(len(everybody))
			m := everybody[i]
			if slices.ContainsFunc(changes, func(c Change[Member]) bool { return c.Item.Endpoint == m.Endpoint }) {
				continue
			}
			if m.Weight = weights[i]; m.Weight > 0 {
				changes = append(changes, Change[Member]{m, true})
			}
			if m.Weight = random.IntN(5); m.Weight > 0 {
				changes = append(changes, Change[Member]{m, false})
			}
			weights[i] = m.Weight
		}
		ms = ms.With(changes)
		seen, total := 0, 0
		for m := range ms.All() {
			i := slices.IndexFunc(everybody, func(e Member) bool { return e.Endpoint == m.Endpoint })
			if m.Weight != weights[i] {
				t.Fatalf("round %d: %s has weight %d, want %d", round, m.Endpoint.ID(), m.Weight, weights[i])
			}
			seen++
			total += m.Weight
		}
		if want := len(weights) - count(weights, 0); seen != want || ms.Len() != want || ms.weight != uint64(total) {
			t.Fatalf("round %d: %d members of weight %d, counted as %d of %d; want %d", round, seen, total, ms.Len(), ms.weight, want)
		}
	}
	n := 0
	for range ms.All() {
		if n++; n == 40 {
			break
		}
	}
	if n != 40 {
		t.Errorf("yielded %d members, want 40", n)
	}
}

func make1(n int) []int {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1
	}
	return weights
}

func count(in []int, what int) (n int) {
	for _, x := range in {
		if x == what {
			n++
		}
	}
	return n
}

// Whatever the weights, each round holds every member exactly as often as its
// weight says, and no member's turns bunch up: the gap between two of them is
// at most twice the even one.
func TestTurnsAreExactAndSmooth(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, size := range slices.Repeat([]int{1, 2, 3, 4, 5, 8, 12, 40, 150, 1000}, 30) {
		weights, total := make([]int, size), 0
		for i := range weights {
			weights[i] = 1 + random.IntN(20)
			total += weights[i]
		}
		ms := list(weights...)
		count, last := map[*Endpoint]int{}, map[*Endpoint]int{}
		start := random.Uint64N(1 << 20)
		for i := range 2 * total {
			m := ms.turn(start + uint64(i))
			if before, seen := last[m.Endpoint]; seen && (i-before)*m.Weight > 2*(total+m.Weight) {
				t.Fatalf("weights %v: %s of %d waits from turn %d to %d", weights, m.Endpoint.ID(), m.Weight, before, i)
			}
			last[m.Endpoint] = i
			count[m.Endpoint]++
		}
		for m := range ms.All() {
			if got := count[m.Endpoint]; got != 2*m.Weight {
				t.Fatalf("weights %v: %s has %d turns in two rounds, want %d", weights, m.Endpoint.ID(), got, 2*m.Weight)
			}
		}
	}
}

// Weights without a common divisor get their exact shares too.
func TestTurnsOfLargeWeights(t *testing.T) {
	ms := list(65535, 65521, 1)
	count := map[string]int{}
	for n := range ms.round() {
		count[ms.turn(n).Endpoint.ID()]++
	}
	if count["a"] != 65535 || count["b"] != 65521 || count["c"] != 1 {
		t.Errorf("turns are %v, want them as the weights", count)
	}
}

// What a change allocates is in proportion to the change, not to the pool.
func TestAChangeAmongThousandsIsSmall(t *testing.T) {
	for name, weights := range map[string]func(int) int{
		"equal":         func(int) int { return 1 },
		"a few weights": func(i int) int { return 1 + i%5 },
		"each its own":  func(i int) int { return 1 + i },
	} {
		all := members(make1(5000)...)
		for i := range all {
			all[i].Weight = weights(i)
		}
		ms := NewMembers(all...)
		heavier := all[2500]
		heavier.Weight += 100000
		for change, changes := range map[string][]Change[Member]{
			"going":  {{all[2500], true}},
			"weight": {{all[2500], true}, {heavier, false}},
			"coming": {{Member{NewEndpoint("zz", "zz:80", nil), 3}, false}},
		} {
			const limit = 12 << 10
			if bytes := allocated(func() { ms.With(changes) }); bytes > limit {
				t.Errorf("%s, %s: one change allocates %d bytes, want at most %d; all members have %d",
					name, change, bytes, limit, len(all)*int(unsafe.Sizeof(Member{})))
			}
		}
	}
}

// allocated returns the bytes that one run of f allocates.
func allocated(f func()) uint64 {
	const runs = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		f()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}
