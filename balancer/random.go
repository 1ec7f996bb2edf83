package balancer

// random draws a slot of the schedule, so that chances are in proportion to
// weights.
type random struct {
	schedule
	draw func(n uint64) uint64 // uniform in [0, n)
}

func (r *random) Pick(tried []*Endpoint) *Endpoint {
	return r.from(r.draw(r.slots()), tried).endpoint()
}
