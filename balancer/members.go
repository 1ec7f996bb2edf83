package balancer

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
)

// Member is an endpoint in a pool and its share of the traffic.
type Member struct {
	Endpoint *Endpoint
	Weight   int // relative to the others; at least 1
}

// Compare orders members by the identity of the endpoint.
func (m Member) Compare(o Member) int { return cmp.Compare(m.Endpoint.id, o.Endpoint.id) }

// Share is the same for all, since members take turns with those of their own
// weight.
func (m Member) Share() int { return 1 }

// Members is an immutable set of members, with the order in which they take
// turns. Like a [List] it shares with the version before it what did not
// change. The zero Members is empty. It is safe for concurrent use.
//
// Members of one weight take turns in order; the weights among each other share
// the turns in proportion to what their members weigh together.
type Members struct {
	classes List[class]   // by weight
	only    *node[Member] // the members, where all have one weight
	count   uint64
	weight  uint64 // of all together
}

// class is the members of one weight. There is at least one.
type class struct {
	weight  int
	members List[Member]
}

func (c class) Compare(o class) int { return cmp.Compare(c.weight, o.weight) }

func (c class) Share() int { return c.weight * c.members.Len() }

// NewMembers returns a set of members, which come in any order. A weight below
// 1 is the caller's mistake and panics.
func NewMembers(members ...Member) Members {
	changes := make([]Change[Member], len(members))
	for i, m := range members {
		changes[i].Item = m
	}
	return Members{}.With(changes)
}

// With returns the set after the changes, which it sorts. A member of another
// weight is a change of its own: the former one has to go. What With allocates
// is in proportion to the number of changes.
func (ms Members) With(changes []Change[Member]) Members {
	for _, c := range changes {
		if c.Item.Weight < 1 {
			panic(fmt.Sprintf("balancer: endpoint %q has weight %d", c.Item.Endpoint.id, c.Item.Weight))
		}
	}
	slices.SortFunc(changes, func(a, b Change[Member]) int {
		return cmp.Or(cmp.Compare(a.Item.Weight, b.Item.Weight), a.Item.Compare(b.Item))
	})
	var classes []Change[class]
	for len(changes) > 0 {
		c := class{weight: changes[0].Item.Weight}
		n := 1
		for n < len(changes) && changes[n].Item.Weight == c.weight {
			n++
		}
		if former := ms.classes.find(c); former != nil {
			c.members = former.members
		}
		ms.count -= uint64(c.members.Len())
		ms.weight -= uint64(c.Share())
		c.members = c.members.with(changes[:n])
		ms.count += uint64(c.members.Len())
		ms.weight += uint64(c.Share())
		classes = append(classes, Change[class]{c, c.members.Len() == 0})
		changes = changes[n:]
	}
	ms.classes = ms.classes.with(classes)
	ms.only = nil
	if ms.classes.Len() == 1 {
		ms.only = ms.classes.root.items[0].members.root
	}
	return ms
}

// Len returns the number of members.
func (ms *Members) Len() int { return int(ms.count) }

// All yields the members, by weight and then by identity.
func (ms *Members) All() iter.Seq[Member] {
	return func(yield func(Member) bool) {
		for c := range ms.classes.All() {
			if !c.members.root.each(yield) {
				return
			}
		}
	}
}

// round returns the number of turns after which each member has had exactly its
// share of them.
func (ms *Members) round() uint64 {
	if ms.only != nil {
		return ms.count
	}
	return ms.weight
}

// turn returns the member whose turn it is in turn n.
func (ms *Members) turn(n uint64) Member {
	all := ms.only
	if all == nil {
		var c *class
		c, n = ms.classes.root.turn(n)
		all = c.members.root
	}
	return *all.at(n % all.count)
}

// maxTurns is how many turns are looked at for a member that has not been
// tried. It is above the usual number of attempts.
const maxTurns = 8

// from returns the member whose turn it is in turn n, or a later one if that
// is in tried; one without an endpoint where all members are.
func (ms *Members) from(n uint64, tried []*Endpoint) Member {
	for i := range uint64(maxTurns) {
		if m := ms.turn(n + i); !contains(tried, m.Endpoint) {
			return m
		}
	}
	// Beside heavy ones that have been tried, the others' turns are far away.
	for m := range ms.All() {
		if !contains(tried, m.Endpoint) {
			return m
		}
	}
	return Member{}
}

// two returns the members of two distinct turns, the second drawn from one fewer
// and shifted past the first: the power of two choices. They are the same where
// one is heavy, or the only one that has not been tried.
func (ms *Members) two(draw func(uint64) uint64, tried []*Endpoint) (a, b Member) {
	n := ms.round()
	i := draw(n)
	a = ms.from(i, tried)
	if n == 1 {
		return a, a
	}
	j := draw(n - 1)
	if j >= i {
		j++
	}
	return a, ms.from(j, tried)
}

func contains(tried []*Endpoint, e *Endpoint) bool {
	for _, t := range tried {
		if t == e {
			return true
		}
	}
	return false
}
