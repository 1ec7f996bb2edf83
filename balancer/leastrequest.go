package balancer

// scanLimit is the largest pool in which every endpoint is looked at. Reading
// eight counters costs about as much as two random draws do.
const scanLimit = 8

// leastRequest compares requests in flight per weight. Ties go to the endpoint
// whose turn it is, so that an idle service is served round robin by weight
// rather than by its first or heaviest endpoint alone.
type leastRequest struct {
	members Members
	few     []Member // all of them in a small pool, else nil
	turn    *Turn
	draw    func(n uint64) uint64 // uniform in [0, n)
}

func (l *leastRequest) Pick(tried []*Endpoint) *Endpoint {
	if l.few != nil {
		return l.least(tried)
	}
	return l.ofTwo(tried)
}

// least compares all endpoints, beginning with the one whose turn it is.
func (l *leastRequest) least(tried []*Endpoint) *Endpoint {
	best := l.members.from(l.turn.next(tried), tried)
	if best.Endpoint == nil {
		return nil
	}
	for _, m := range l.few {
		if lighter(m, best) && (len(tried) == 0 || !contains(tried, m.Endpoint)) {
			best = m
		}
	}
	return best.Endpoint
}

func (l *leastRequest) ofTwo(tried []*Endpoint) *Endpoint {
	a, b := l.members.two(l.draw, tried)
	if a.Endpoint != nil && lighter(b, a) {
		return b.Endpoint
	}
	return a.Endpoint
}

// lighter reports whether a has fewer requests in flight for its weight.
func lighter(a, b Member) bool {
	return a.Endpoint.InFlight()*int64(b.Weight) < b.Endpoint.InFlight()*int64(a.Weight)
}
