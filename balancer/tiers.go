package balancer

import "iter"

// Tier is a pool among others that stand in order, the preferred one first.
type Tier struct {
	Pool *Pool
	Load int // share of the requests, relative to the others; may be 0
}

// NewTiers returns a pool that has each tier take its share of the requests,
// evenly spread. Where that has no endpoint, or some have been tried, they are gone
// through in order, those without a share too.
func NewTiers(turn *Turn, tiers ...Tier) *Pool {
	t := &inTiers{turn: turn}
	left := uint64(0)
	for _, tier := range tiers {
		t.pools = append(t.pools, tier.Pool)
		left += uint64(tier.Load)
	}
	for i, tier := range tiers {
		load := uint64(tier.Load)
		switch {
		case load == 0:
		case load == left:
			t.last = i
		default:
			t.forks = append(t.forks, tierFork{partOf(load, left), i})
		}
		left -= load
	}
	return &Pool{tiers: t}
}

// inTiers chooses a tier, and has that pick.
type inTiers struct {
	turn  *Turn
	pools []*Pool
	forks []tierFork // of the tiers with a share but the last one
	last  int
}

// tierFork is the part of the turns that are left that a tier takes.
type tierFork struct {
	part uint64
	tier int
}

func (t *inTiers) pick(tried []*Endpoint) *Endpoint {
	if len(tried) == 0 { // a retry takes nobody's turn
		if e := t.pools[t.tier()].Pick(tried); e != nil {
			return e
		}
	}
	for _, p := range t.pools {
		if e := p.Pick(tried); e != nil {
			return e
		}
	}
	return nil
}

// tier returns the tier whose turn it is.
func (t *inTiers) tier() int {
	if len(t.forks) == 0 {
		return t.last
	}
	n := t.turn.next(nil)
	for _, f := range t.forks {
		way, next := fork(n, f.part)
		if way == 0 {
			return f.tier
		}
		n = next
	}
	return t.last
}

// all yields the members of pools, one pool after the other.
func all(pools []*Pool) iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for _, p := range pools {
			for m := range p.Members() {
				if !yield(m) {
					return
				}
			}
		}
	}
}
