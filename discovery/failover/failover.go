// Package failover joins what several sources tell of one service: that of the
// own datacenter, and those of others that stand in for it.
package failover

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/rota-lb/rota/discovery"
)

type source []discovery.Source

// New returns a source of the instances that primary and the others tell
// together. It is as fresh as primary is, and tells nothing before primary does.
// While one of the others fails, what it told last stays.
func New(primary discovery.Source, others ...discovery.Source) discovery.Source {
	return append(source{primary}, others...)
}

// Run implements [discovery.Source].
func (s source) Run(ctx context.Context, publish func(discovery.Update)) {
	j := joint{publish: publish, sets: make([]discovery.Update, len(s))}
	var running sync.WaitGroup
	for i, one := range s {
		running.Go(func() { one.Run(ctx, func(u discovery.Update) { j.take(i, u) }) })
	}
	running.Wait()
}

// joint is what the sources have told.
type joint struct {
	mu      sync.Mutex // one update goes out at a time
	publish func(discovery.Update)
	sets    []discovery.Update // the last Set of each
	known   bool               // primary has told its set
	failure discovery.Update   // of primary, while it fails
	failing bool
}

// take takes in an update of one source, and tells what follows.
func (j *joint) take(from int, u discovery.Update) {
	j.mu.Lock()
	defer j.mu.Unlock()
	const primary = 0
	if u.Kind == discovery.Set {
		j.sets[from] = u
	}
	if from == primary {
		j.known = j.known || u.Kind == discovery.Set
		if j.failing = u.Kind == discovery.Failed; j.failing {
			j.failure = u
		}
	}
	switch {
	case u.Kind == discovery.Set && j.known:
		j.publish(j.join())
		if j.failing {
			j.publish(j.failure) // it knows no more than before
		}
	case u.Kind != discovery.Set && from == primary:
		j.publish(u)
	}
}

// join returns the sets as one. Where two name the same instance, as when a
// datacenter is asked twice, the first is right.
func (j *joint) join() discovery.Update {
	u := discovery.Update{Kind: discovery.Set}
	for _, s := range j.sets {
		u.Instances = append(u.Instances, s.Instances...)
		u.Rejected = append(u.Rejected, s.Rejected...)
	}
	slices.SortStableFunc(u.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	u.Instances = slices.CompactFunc(u.Instances, func(a, b discovery.Instance) bool { return a.ID == b.ID })
	return u
}
