// Package failover joins what several sources tell of one service: that of the
// own datacenter, and those of others that stand in for it.
package failover

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rota-lb/rota/discovery"
)

// patience is how long the first set waits for those of whom nothing is known.
const patience = time.Second

// Part is the source of one datacenter's instances.
type Part struct {
	Source discovery.Source
	// Before returns what was known of them before, which stands until Source has
	// told a Set; it may be nil.
	Before discovery.Recall
}

type source []Part

// New returns a source of the instances that primary and the others tell
// together. It is as fresh as primary is, and tells nothing before primary does.
// While one of the others fails, what it told last stays. The first Set waits a
// second at most for those of the others that have said nothing yet, and of which
// nothing was known: they may be all that serve.
func New(primary Part, others ...Part) discovery.Source {
	return append(source{primary}, others...)
}

// Run implements [discovery.Source].
func (s source) Run(ctx context.Context, publish func(discovery.Update)) {
	j := newJoint(s, publish)
	var running sync.WaitGroup
	for i, one := range s {
		running.Go(func() { one.Source.Run(ctx, func(u discovery.Update) { j.take(i, u) }) })
	}
	running.Go(func() { j.hurry(ctx) })
	running.Wait()
}

// joint is what the sources have told.
type joint struct {
	mu      sync.Mutex // one update goes out at a time
	publish func(discovery.Update)
	parts   []part
	known   chan struct{} // closed when primary has told its set
	told    bool          // a set has gone out
	failure discovery.Update
	failing bool // primary does, with failure
}

// part is what one of them has told.
type part struct {
	before discovery.Recall
	set    *discovery.Update // the last; nil if there was none
	asked  bool              // it has said something since primary is known
}

func newJoint(s source, publish func(discovery.Update)) *joint {
	j := &joint{publish: publish, parts: make([]part, len(s)), known: make(chan struct{})}
	for i := range s {
		j.parts[i].before = s[i].Before
	}
	return j
}

// take takes in an update of one source, and tells what follows.
func (j *joint) take(from int, u discovery.Update) {
	j.mu.Lock()
	defer j.mu.Unlock()
	const primary = 0
	p := &j.parts[from]
	p.asked = j.isKnown()
	if u.Kind == discovery.Set {
		p.set = &u
	}
	if from == primary {
		if j.failing = u.Kind == discovery.Failed; j.failing {
			j.failure = u
		}
		if u.Kind == discovery.Set && !j.isKnown() {
			close(j.known)
		}
	}
	switch {
	case !j.told && j.isReady(), j.told && u.Kind == discovery.Set:
		j.tell()
	case from == primary && (u.Kind == discovery.Failed || j.told && u.Kind == discovery.Unchanged):
		j.publish(u)
	}
}

// hurry ends the wait for those that are late.
func (j *joint) hurry(ctx context.Context) {
	select {
	case <-j.known:
	case <-ctx.Done():
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-timer.C:
		j.miss()
	case <-ctx.Done():
	}
}

// miss has the first set go out without those that are late.
func (j *joint) miss() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.told {
		j.tell()
	}
}

// isKnown reports whether primary has told its set.
func (j *joint) isKnown() bool {
	select {
	case <-j.known:
		return true
	default:
		return false
	}
}

// isReady reports whether the first set may go out. A failure from before primary
// was known says nothing: what has just come back may be back for all.
func (j *joint) isReady() bool {
	late := func(p part) bool { return p.set == nil && !p.asked && len(p.recall()) == 0 }
	return j.isKnown() && !slices.ContainsFunc(j.parts, late)
}

// tell tells the sets as one.
func (j *joint) tell() {
	j.told = true
	j.publish(j.join())
	if j.failing {
		j.publish(j.failure) // it knows no more than before
	}
}

// join returns the sets as one. Where two name the same instance, as when a
// datacenter is asked twice, the first is right.
func (j *joint) join() discovery.Update {
	u := discovery.Update{Kind: discovery.Set}
	for _, p := range j.parts {
		if p.set == nil {
			u.Instances = append(u.Instances, p.recall()...)
			continue
		}
		u.Instances = append(u.Instances, p.set.Instances...)
		u.Rejected = append(u.Rejected, p.set.Rejected...)
	}
	slices.SortStableFunc(u.Instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	u.Instances = slices.CompactFunc(u.Instances, func(a, b discovery.Instance) bool { return a.ID == b.ID })
	return u
}

// recall returns what was known before there was a set.
func (p *part) recall() []discovery.Instance {
	if p.before == nil {
		return nil
	}
	return p.before()
}
