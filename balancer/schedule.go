package balancer

import "container/heap"

// maxSlots bounds a schedule. Shares finer than 1/65536 of the traffic are
// rounded, so that two weights without a common divisor can't ask for gigabytes.
const maxSlots = 1 << 16

// schedule lays the members out in the order of their turns: each appears as
// often as its weight says, spread as evenly as whole turns allow.
//
// The order is that of earliest deadline first: the k-th turn of a member of
// weight w is due at (k+1/2)/w. Equal weights give plain round robin, and it
// costs a request no more than an index.
type schedule struct {
	members []Member
	order   []uint32 // indexes into members; nil when each has one turn
}

func newSchedule(members []Member) schedule {
	weights, equal := reduce(members)
	if equal {
		return schedule{members: members}
	}
	queue := make(turns, len(weights))
	total := 0
	for i, w := range weights {
		queue[i] = turn{index: uint32(i), due: 1, weight: w}
		total += int(w)
	}
	heap.Init(&queue)
	order := make([]uint32, total)
	for i := range order {
		order[i] = queue[0].index
		queue[0].due += 2
		heap.Fix(&queue, 0)
	}
	return schedule{members: members, order: order}
}

// slots returns the length of the schedule, after which it repeats.
func (s *schedule) slots() uint64 {
	if s.order == nil {
		return uint64(len(s.members))
	}
	return uint64(len(s.order))
}

// at returns the member whose turn it is in the given slot, taken modulo the
// schedule's length.
func (s *schedule) at(slot uint64) *Member {
	slot %= s.slots()
	if s.order == nil {
		return &s.members[slot]
	}
	return &s.members[s.order[slot]]
}

// from returns the first member at or after slot that is not in tried, nil
// where all of them are.
func (s *schedule) from(slot uint64, tried []*Endpoint) *Member {
	for i := range s.slots() {
		if m := s.at(slot + i); !contains(tried, m.Endpoint) {
			return m
		}
	}
	return nil
}

// endpoint returns the member's endpoint, nil for no member.
func (m *Member) endpoint() *Endpoint {
	if m == nil {
		return nil
	}
	return m.Endpoint
}

func contains(tried []*Endpoint, e *Endpoint) bool {
	for _, t := range tried {
		if t == e {
			return true
		}
	}
	return false
}

// reduce returns the weights in lowest terms, bounded by maxSlots together,
// and whether they are all one.
func reduce(members []Member) (weights []uint64, equal bool) {
	var divisor, total uint64
	for _, m := range members {
		divisor = gcd(uint64(m.Weight), divisor)
		total += uint64(m.Weight)
	}
	weights = make([]uint64, len(members))
	equal = true
	for i, m := range members {
		w := uint64(m.Weight) / divisor
		if total/divisor > maxSlots {
			w = max(1, uint64(m.Weight)*maxSlots/total)
		}
		weights[i] = w
		equal = equal && w == 1
	}
	return weights, equal
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// turn is a member's next turn: due/(2·weight) is its deadline.
type turn struct {
	index       uint32
	due, weight uint64
}

// turns is a heap of turns, the earliest deadline first; ties go to the member
// that comes first in the pool.
type turns []turn

func (t turns) Len() int      { return len(t) }
func (t turns) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t turns) Push(any)      { panic("balancer: the queue of turns never grows") }
func (t turns) Pop() any      { panic("balancer: the queue of turns never shrinks") }

func (t turns) Less(i, j int) bool {
	a, b := t[i].due*t[j].weight, t[j].due*t[i].weight
	if a != b {
		return a < b
	}
	return t[i].index < t[j].index
}
