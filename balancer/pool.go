package balancer

import (
	"fmt"
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
	// Random draws by weight.
	Random Algorithm = "random"
)

// Picker chooses an endpoint. Pick passes over the ones in tried, and returns
// nil where no other is left. Implementations are immutable, apart from counters, and safe for
// concurrent use; they neither lock nor allocate.
type Picker interface {
	Pick(tried []*Endpoint) *Endpoint
}

// Member is an endpoint in a pool and its share of the traffic.
type Member struct {
	Endpoint *Endpoint
	Weight   int // relative to the others; at least 1
}

// Turn counts the turns that a service has taken. It is carried from pool to
// pool, so that an update doesn't send everybody back to the first endpoint.
type Turn struct {
	_ [64]byte // alone on its cache line: every request writes it
	n atomic.Uint64
	_ [56]byte
}

func (t *Turn) next() uint64 { return t.n.Add(1) - 1 }

// Pool is an immutable set of endpoints that may get traffic, with a way to
// choose among them. It is safe for concurrent use.
type Pool struct {
	picker  Picker
	members []Member
}

// NewPool returns a pool of the given members, which it owns from then on.
// Members of a weight below 1 are the caller's mistake and panic, as does an
// algorithm that is none of the constants.
func NewPool(a Algorithm, members []Member, turn *Turn) *Pool {
	p := &Pool{members: members}
	if len(members) == 0 {
		return p
	}
	if i := slices.IndexFunc(members, func(m Member) bool { return m.Weight < 1 }); i >= 0 {
		panic(fmt.Sprintf("balancer: endpoint %q has weight %d", members[i].Endpoint.ID(), members[i].Weight))
	}
	s := newSchedule(members)
	switch a {
	case RoundRobin:
		p.picker = &roundRobin{schedule: s, turn: turn}
	case LeastRequest:
		p.picker = &leastRequest{schedule: s, turn: turn, draw: rand.Uint64N}
	case Random:
		p.picker = &random{schedule: s, draw: rand.Uint64N}
	default:
		panic(fmt.Sprintf("balancer: unknown algorithm %q", a))
	}
	return p
}

// Pick begins an attempt on an endpoint that is not in tried, and returns nil
// where there is none. The caller ends the attempt with
// [Endpoint.Done].
func (p *Pool) Pick(tried []*Endpoint) *Endpoint {
	if p.picker == nil {
		return nil
	}
	e := p.picker.Pick(tried)
	if e != nil {
		e.begin()
	}
	return e
}

// Members returns the pool's members. They must not be changed.
func (p *Pool) Members() []Member { return p.members }
