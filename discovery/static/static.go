// Package static is the source of services whose instances stand in the
// configuration.
package static

import (
	"context"
	"slices"
	"strings"

	"github.com/rota-lb/rota/discovery"
)

type source struct{ instances []discovery.Instance }

// New returns a source that tells the instances at the given addresses
// (host:port) once, all passing and of equal weight. It has nothing to add
// after that, and what it told never ages.
func New(addresses []string) discovery.Source {
	instances := make([]discovery.Instance, len(addresses))
	for i, address := range addresses {
		instances[i] = discovery.Instance{ID: "static/" + address, Name: address, Address: address, Weight: 1}
	}
	slices.SortFunc(instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	return source{instances}
}

// Run is part of [discovery.Source].
func (s source) Run(ctx context.Context, publish func(discovery.Update)) {
	publish(discovery.Update{Kind: discovery.Set, Instances: slices.Clone(s.instances)})
	<-ctx.Done()
}
