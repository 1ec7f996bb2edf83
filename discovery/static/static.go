// Package static tells a fixed list of instances, as a [discovery.Source].
package static

import (
	"context"
	"slices"

	"github.com/rota-lb/rota/discovery"
)

// source is the list. It never changes.
type source []string

// New returns a source of one instance for each address, host:port. Each is
// passing, of weight 1, and has the ID "static/" + its address; an address
// that is listed twice is one instance. The addresses are not checked.
//
// The source publishes one Set and nothing after it: what is written in a
// configuration does not age, so there is nothing to confirm.
func New(addresses []string) discovery.Source {
	return source(slices.Compact(slices.Sorted(slices.Values(addresses))))
}

// Run implements [discovery.Source].
func (s source) Run(ctx context.Context, publish func(discovery.Update)) {
	instances := make([]discovery.Instance, len(s))
	for n, address := range s {
		instances[n] = discovery.Instance{ID: "static/" + address, Name: address, Address: address, Weight: 1}
	}
	publish(discovery.Update{Kind: discovery.Set, Instances: instances})
	<-ctx.Done()
}
