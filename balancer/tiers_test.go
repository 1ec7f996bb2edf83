package balancer

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// tiers returns a pool of tiers with one endpoint each, a, b and so on.
func tiers(turn *Turn, loads ...int) *Pool {
	ms, ts := members(make1(len(loads))...), []Tier{}
	for i, load := range loads {
		ts = append(ts, Tier{NewPool(RoundRobin, NewMembers(ms[i]), new(Turn)), load})
	}
	return NewTiers(turn, ts...)
}

// Each tier has exactly its share, evenly spread.
func TestTiersShareTheRequests(t *testing.T) {
	tests := []struct {
		loads []int
		want  string
	}{
		{[]int{100}, "aaaa"},
		{[]int{100, 0}, "aaaa"},
		{[]int{0, 100}, "bbbb"},
		{[]int{0, 0, 7}, "cccc"},
		{[]int{50, 50}, "abababab"},
		{[]int{75, 25}, "aabaaaba"},
		{[]int{50, 0, 50}, "acacacac"},
		{[]int{50, 25, 25}, "abacabac"},
	}
	for _, tt := range tests {
		p := tiers(new(Turn), tt.loads...)
		var got strings.Builder
		for range tt.want {
			got.WriteString(p.Pick(nil).ID())
		}
		if got.String() != tt.want {
			t.Errorf("loads %v: picked %s, want %s", tt.loads, got.String(), tt.want)
		}
	}
}

// When a tier has been tried in vain, the others are there, in order, whatever
// their share.
func TestTiersStandInForEachOther(t *testing.T) {
	for _, loads := range [][]int{{100, 0, 0}, {0, 0, 100}, {50, 25, 25}} {
		p := tiers(new(Turn), loads...)
		for range 10 {
			var tried []*Endpoint
			for range loads {
				e := p.Pick(tried)
				if e == nil || contains(tried, e) || !p.Other(tried) {
					t.Fatalf("loads %v: picked %v with %v tried", loads, e, tried)
				}
				tried = append(tried, e)
			}
			if e := p.Pick(tried); e != nil || p.Other(tried) {
				t.Fatalf("loads %v: picked %v when all had been tried", loads, e)
			}
			order := tried[1:]
			if !slices.IsSortedFunc(order, func(a, b *Endpoint) int { return strings.Compare(a.ID(), b.ID()) }) {
				t.Errorf("loads %v: after the first the order is not that of the tiers", loads)
			}
		}
	}
}

func TestTiersYieldAllMembers(t *testing.T) {
	var got []string
	for m := range tiers(new(Turn), 100, 0, 0).Members() {
		got = append(got, m.Endpoint.ID())
	}
	if fmt.Sprint(got) != "[a b c]" {
		t.Errorf("members are %v", got)
	}
	if n := tiers(new(Turn), 100, 0, 0).Len(); n != len(got) {
		t.Errorf("counted as %d", n)
	}
	for range tiers(new(Turn), 100, 0, 0).Members() {
		break
	}
}

func TestEmptyTiers(t *testing.T) {
	p := NewTiers(new(Turn), Tier{NewPool(RoundRobin, Members{}, nil), 0}, Tier{NewPool(RoundRobin, Members{}, nil), 0})
	if e := p.Pick(nil); e != nil {
		t.Errorf("picked %s", e.ID())
	}
}

func TestTiersDoNotAllocate(t *testing.T) {
	p := tiers(new(Turn), 50, 25, 25)
	tried := slices.Collect(p.Members())[:1]
	endpoints := []*Endpoint{tried[0].Endpoint}
	if n := testing.AllocsPerRun(100, func() {
		p.Pick(endpoints).Done(Succeeded, "", time.Millisecond, nil)
		if !p.Other(endpoints) {
			t.Error("no other")
		}
	}); n != 0 {
		t.Errorf("%v allocations a pick", n)
	}
}
