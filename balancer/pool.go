package balancer

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync/atomic"
)

// Algorithm names a way of choosing, in the words of the configuration.
type Algorithm string

const (
	// RoundRobin takes turns by weight, spread evenly.
	RoundRobin Algorithm = "round_robin"
	// LeastRequest prefers the endpoint with the fewest requests in flight for
	// its weight: the least of all in small pools, the better of two drawn at
	// random in large ones.
	LeastRequest Algorithm = "least_request"
	// EWMA prefers the endpoint that is likely to answer sooner, by what its
	// latest answers took and by its requests in flight: the better of two drawn
	// at random by weight.
	EWMA Algorithm = "ewma"
	// Random draws by weight.
	Random Algorithm = "random"
)

// Picker chooses an endpoint. Pick passes over the ones in tried, and returns
// nil where no other is left. Implementations are immutable, apart from
// counters, and safe for concurrent use; they neither lock nor allocate.
type Picker interface {
	Pick(tried []*Endpoint) *Endpoint
}

// Turn counts the turns that a service has taken. It is carried from pool to
// pool, so that an update doesn't send everybody back to the first endpoint.
type Turn struct {
	_     [64]byte // alone on its cache line: every request writes it
	n     atomic.Uint64
	again atomic.Uint64
	_     [48]byte
}

// next returns the number of the next turn. Those who have tried somebody already have
// turns of their own: else, of two endpoints, one that fails would be the first for
// every request, since each second turn is a retry's.
func (t *Turn) next(tried []*Endpoint) uint64 {
	if len(tried) > 0 {
		return t.again.Add(1) - 1
	}
	return t.n.Add(1) - 1
}

// Pool is an immutable set of endpoints that may get traffic, with a way to
// choose among them. It is safe for concurrent use.
type Pool struct {
	picker  Picker // nil where there are no members
	members Members
	tiers   *inTiers // instead of all that
}

// NewPool returns a pool of the given members. An algorithm that is none of the
// constants is the caller's mistake and panics.
func NewPool(a Algorithm, members Members, turn *Turn) *Pool {
	p := &Pool{members: members}
	if members.Len() == 0 {
		return p
	}
	switch a {
	case RoundRobin:
		p.picker = &roundRobin{members: members, turn: turn}
	case LeastRequest:
		l := &leastRequest{members: members, turn: turn, draw: rand.Uint64N}
		if members.Len() <= scanLimit {
			l.few = slices.Collect(members.All())
		}
		p.picker = l
	case EWMA:
		p.picker = &ewma{members: members, draw: rand.Uint64N, now: uptime}
	case Random:
		p.picker = &random{members: members, draw: rand.Uint64N}
	default:
		panic(fmt.Sprintf("balancer: unknown algorithm %q", a))
	}
	return p
}

// Pick begins an attempt on an endpoint that is not in tried, and returns nil
// where there is none. The caller ends the attempt with [Endpoint.Done].
func (p *Pool) Pick(tried []*Endpoint) *Endpoint {
	switch {
	case p.tiers != nil:
		return p.tiers.pick(tried)
	case p.picker == nil:
		return nil
	}
	e := p.picker.Pick(tried)
	switch {
	case e == nil:
	case e.mayTry():
		e.begin()
	default:
		e = p.instead(e, tried)
	}
	return e
}

// Other reports whether there is an endpoint that is not in tried.
func (p *Pool) Other(tried []*Endpoint) bool {
	if p.tiers != nil {
		return slices.ContainsFunc(p.tiers.pools, func(t *Pool) bool { return t.Other(tried) })
	}
	for m := range p.members.All() {
		if !contains(tried, m.Endpoint) {
			return true
		}
	}
	return false
}

// Len returns how many members the pool has.
func (p *Pool) Len() int {
	if p.tiers == nil {
		return p.members.Len()
	}
	n := 0
	for _, t := range p.tiers.pools {
		n += t.Len()
	}
	return n
}

// Members yields the pool's members.
func (p *Pool) Members() iter.Seq[Member] {
	if p.tiers != nil {
		return all(p.tiers.pools)
	}
	return p.members.All()
}
