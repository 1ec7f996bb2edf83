package balancer

// roundRobin takes turns in the order of the schedule.
type roundRobin struct {
	schedule
	turn *Turn
}

func (r *roundRobin) Pick(tried []*Endpoint) *Endpoint {
	return r.from(r.turn.next(), tried).endpoint()
}
