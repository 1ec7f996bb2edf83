package balancer

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// picks lets the pool pick n times, and returns how often it was each of the
// endpoints.
func picks(p *Pool, n int, of ...*Endpoint) []int {
	shares := make([]int, len(of))
	for range n {
		picked := p.Pick(nil)
		for i, e := range of {
			if e == picked {
				shares[i]++
			}
		}
		picked.Done(Abandoned, picked.Address(), 0, nil)
	}
	return shares
}

// An endpoint on trial gets an attempt, and then one each second, until it answers;
// and what nobody else is there for.
func TestTrial(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, EWMA, Random} {
		a, b := NewEndpoint("a", "10.0.0.1:80", nil), NewEndpoint("b", "10.0.0.2:80", nil)
		p := NewPool(algorithm, NewMembers(Member{a, 1}, Member{b, 1}), new(Turn))
		a.Try()
		if got := picks(p, 100, a, b); got[0] != 1 || got[1] != 99 {
			t.Errorf("%s: on trial it gets %d, and the other %d", algorithm, got[0], got[1])
		}
		a.trial.Add(-int64(10 * trialStep)) // a long time passes
		if got := picks(p, 100, a); got[0] != 1 {
			t.Errorf("%s: after a long time it gets %d", algorithm, got[0])
		}
		if e := p.Pick([]*Endpoint{b}); e != a {
			t.Errorf("%s: nobody is left, though it is", algorithm)
		}
		a.Done(Abandoned, a.Address(), 0, nil)
		b.Try()
		if got := picks(p, 100, a, b); got[0]+got[1] != 100 || got[0] < 10 || got[1] < 10 {
			t.Errorf("%s: with both on trial they get %d and %d", algorithm, got[0], got[1])
		}
		for _, e := range []*Endpoint{a, b} {
			e.begin()
			e.Done(Succeeded, e.Address(), time.Millisecond, nil)
		}
		if got := picks(p, 100, a); got[0] < 10 || a.OnTrial() {
			t.Errorf("%s: after an answer it gets %d", algorithm, got[0])
		}
	}
}

// Another tier gets nothing of what those on trial do not.
func TestTrialsStayInTheirTier(t *testing.T) {
	a, b, far := NewEndpoint("a", "10.0.0.1:80", nil), NewEndpoint("b", "10.0.0.2:80", nil), NewEndpoint("far", "10.1.0.1:80", nil)
	near := NewPool(RoundRobin, NewMembers(Member{a, 1}, Member{b, 1}), new(Turn))
	p := NewTiers(new(Turn), Tier{near, 100}, Tier{NewPool(RoundRobin, NewMembers(Member{far, 1}), new(Turn)), 0})
	a.Try()
	b.Try()
	if got := picks(p, 100, a, b, far); got[2] != 0 || got[0] < 40 {
		t.Errorf("those on trial get %d and %d, the one that is far %d", got[0], got[1], got[2])
	}
}

// Where very many are on trial a pick looks at some of them.
func TestTrialsOfThousandsCostLittle(t *testing.T) {
	for _, algorithm := range []Algorithm{RoundRobin, LeastRequest, EWMA, Random} {
		all := members(slices.Repeat([]int{1}, 2000)...)
		looked := 0
		for _, m := range all {
			m.Endpoint.trial.Store(1 << 62)
		}
		p := NewPool(algorithm, NewMembers(all...), new(Turn))
		p.picker = counted{p.picker, &looked}
		if p.Pick(nil) == nil || looked > maxPassed {
			t.Errorf("%s: looked at %d", algorithm, looked)
		}
	}
}

// counted counts what it is asked for.
type counted struct {
	Picker
	n *int
}

func (c counted) Pick(tried []*Endpoint) *Endpoint {
	*c.n++
	return c.Picker.Pick(tried)
}

// What comes from a former address says nothing of the endpoint at its new one.
func TestAnswersOfAFormerAddress(t *testing.T) {
	for _, o := range []Outcome{Succeeded, Erred, Unavailable, Broken, Silent, Unreachable, Abandoned} {
		t.Run(fmt.Sprint(o), func(t *testing.T) {
			e := NewEndpoint("a", "10.0.0.1:80", nil)
			e.begin()
			e.Move("10.0.0.2:80")
			e.Try()
			e.streak.Store(2)
			e.Heard("10.0.0.1:80")
			e.Done(o, "10.0.0.1:80", time.Second, nil)
			if !e.OnTrial() || e.Streak() != 2 || e.latency.mean.Load() != 0 || e.InFlight() != 0 {
				t.Errorf("it is on trial: %t, with a streak of %d", e.OnTrial(), e.Streak())
			}
		})
	}
}
