package balancer

// random draws a turn, so that chances are in proportion to weights.
type random struct {
	members Members
	draw    func(n uint64) uint64 // uniform in [0, n)
}

func (r *random) Pick(tried []*Endpoint) *Endpoint {
	return r.members.from(r.draw(r.members.round()), tried).Endpoint
}
