package balancer

// scanLimit is the largest pool in which every endpoint is looked at. Reading
// eight counters costs about as much as two random draws do.
const scanLimit = 8

// leastRequest compares requests in flight per weight. Ties go to the endpoint
// whose turn it is, so that an idle service is served round robin by weight
// rather than by its first or heaviest endpoint alone.
type leastRequest struct {
	schedule
	turn *Turn
	draw func(n uint64) uint64 // uniform in [0, n)
}

func (l *leastRequest) Pick(tried []*Endpoint) *Endpoint {
	if len(l.members) <= scanLimit {
		return l.least(tried)
	}
	return l.ofTwo(tried)
}

// least compares all endpoints, beginning with the one whose turn it is.
func (l *leastRequest) least(tried []*Endpoint) *Endpoint {
	best := l.from(l.turn.next(), tried)
	if best == nil {
		return nil
	}
	for i := range l.members {
		m := &l.members[i]
		if lighter(m, best) && (len(tried) == 0 || !contains(tried, m.Endpoint)) {
			best = m
		}
	}
	return best.Endpoint
}

// ofTwo is the power of two choices: two distinct slots, the second drawn from
// one fewer and shifted past the first.
func (l *leastRequest) ofTwo(tried []*Endpoint) *Endpoint {
	n := l.slots()
	i, j := l.draw(n), l.draw(n-1)
	if j >= i {
		j++
	}
	a, b := l.from(i, tried), l.from(j, tried)
	if a != nil && lighter(b, a) {
		return b.Endpoint
	}
	return a.endpoint()
}

// lighter reports whether a has fewer requests in flight for its weight.
func lighter(a, b *Member) bool {
	return a.Endpoint.InFlight()*int64(b.Weight) < b.Endpoint.InFlight()*int64(a.Weight)
}
