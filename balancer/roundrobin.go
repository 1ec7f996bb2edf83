package balancer

// roundRobin lets the members take turns.
type roundRobin struct {
	members Members
	turn    *Turn
}

func (r *roundRobin) Pick(tried []*Endpoint) *Endpoint {
	return r.members.from(r.turn.next(tried), tried).Endpoint
}
