// Package snapshot keeps the last good set of each service on disk, so that a
// start can serve while the source of its instances can't be reached. The disk
// is never waited for: one that is full, slow or broken costs the snapshot, and
// a line in the log.
package snapshot

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

const (
	// grace is how long a source has at the start before the snapshot speaks in
	// its place. One that can be reached needs less.
	grace = 250 * time.Millisecond
	// interval is the least time between two writes for one service, retry that
	// after a failure.
	interval = time.Second
	retry    = 30 * time.Second
	// farewell is how long a disk may take at the end.
	farewell = time.Second
)

// Options say where the sets of a service are kept, and what they are.
type Options struct {
	Dir     string // see [Prepare]
	Service string // may be any text
	// Query says what the source is asked for. A snapshot of another query is
	// about other instances, so it is not used.
	Query  string
	Logger hclog.Logger
}

// New returns a source that tells what inner tells, and keeps the last Set on
// disk. Where inner has not told any soon after the start, it publishes the set
// on disk, if there is one, as [discovery.Kept].
func New(inner discovery.Source, o Options) *Source {
	d := disk{dir: o.Dir, name: fileName(o.Service)}
	return &Source{
		inner: inner, disk: d, load: d.load, store: d.store, service: o.Service, query: o.Query,
		log: o.Logger.With("service", o.Service),
	}
}

// Source is a source with a memory on disk.
type Source struct {
	inner          discovery.Source
	disk           disk
	load           func(service, query string) (record, error) // of disk, as is store
	store          func(*record) error
	service, query string
	log            hclog.Logger
	resting        atomic.Bool
}

// Rest has nothing written any more: from now on the file is another's. It may be
// called at any time.
func (s *Source) Rest() { s.resting.Store(true) }

// Run implements [discovery.Source].
func (s *Source) Run(ctx context.Context, publish func(discovery.Update)) {
	k := keeper{Source: s, publish: publish, spoke: make(chan struct{}), changed: make(chan struct{}, 1)}
	var disk sync.WaitGroup
	disk.Go(func() { k.fallBack(ctx) })
	disk.Go(func() { k.save(ctx) })
	s.inner.Run(ctx, k.tell)
	if !waits(&disk, farewell) {
		s.log.Warn("the disk does not answer: the last snapshot may be missing", "folder", s.disk.dir)
	}
}

// waits reports whether all were done in time.
func waits(all *sync.WaitGroup, limit time.Duration) bool {
	done := make(chan struct{})
	var waiting sync.WaitGroup // not waited for: a call to a disk can't be ended
	waiting.Go(func() { all.Wait(); close(done) })
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// keeper is a source that runs.
type keeper struct {
	*Source
	spoke   chan struct{} // closed when inner has told anything
	changed chan struct{} // holds one while there is something to write

	telling sync.Mutex // one update at a time
	publish func(discovery.Update)
	heard   bool // inner has told anything
	known   bool // it was a Set

	mu   sync.Mutex
	last *record // to be on disk; nil while there is none
	due  bool    // the disk has another

	failure string // of the last write, as it was told; "" while all is well
}

// tell passes news from inner on.
func (k *keeper) tell(u discovery.Update) {
	k.telling.Lock()
	defer k.telling.Unlock()
	switch u.Kind {
	case discovery.Set:
		k.known = true
		k.keep(u.Instances)
	case discovery.Unchanged:
		k.confirm()
	}
	if !k.heard {
		k.heard = true
		close(k.spoke)
	}
	k.publish(u)
}

// fallBack publishes what is on disk, unless inner tells a Set first.
func (k *keeper) fallBack(ctx context.Context) {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.spoke:
	case <-ctx.Done():
		return
	}
	if k.isKnown() {
		return
	}
	r, err := k.load(k.service, k.query)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.log.Info("there is no snapshot to start from", "file", k.disk.path())
		return
	case err != nil:
		k.log.Warn("the snapshot is ignored; the next list from discovery replaces it", "file", k.disk.path(), "error", err)
		return
	}
	for i := range r.Instances { // none of them is more certain than the others
		r.Instances[i].Held = false
	}
	k.telling.Lock()
	defer k.telling.Unlock()
	if k.known || ctx.Err() != nil {
		return
	}
	age := max(0, time.Since(r.Time)).Round(time.Millisecond) // clocks may be set back
	k.publish(discovery.Update{Kind: discovery.Kept, Instances: r.Instances, Age: age})
}

func (k *keeper) isKnown() bool {
	k.telling.Lock()
	defer k.telling.Unlock()
	return k.known
}

// keep has the instances written.
func (k *keeper) keep(instances []discovery.Instance) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last, k.due = &record{Service: k.service, Query: k.query, Time: time.Now(), Instances: instances}, true
	k.change()
}

// change wakes save. What is written then is the newest.
func (k *keeper) change() {
	select {
	case k.changed <- struct{}{}:
	default:
	}
}

// confirm makes what is known younger. The disk hears of it at the end.
func (k *keeper) confirm() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.last != nil {
		k.last.Time, k.due = time.Now(), true
	}
}

// save writes what changes until ctx is done, and then what is left.
func (k *keeper) save(ctx context.Context) {
	k.disk.tidy()
	for {
		select {
		case <-k.changed:
		case <-ctx.Done():
			k.write()
			return
		}
		wait := interval
		if !k.write() {
			wait = retry
			k.change()
		}
		pause(ctx, wait)
	}
}

// write reports whether the disk has what is known, or is not to have it.
func (k *keeper) write() bool {
	k.mu.Lock()
	if !k.due || k.resting.Load() {
		k.mu.Unlock()
		return true
	}
	last := *k.last
	k.due = false
	k.mu.Unlock()
	err := k.store(&last)
	k.report(err)
	if err != nil {
		k.mu.Lock()
		k.due = true
		k.mu.Unlock()
	}
	return err == nil
}

// report tells when writing begins to fail and when that is over, and not what
// lies between.
func (k *keeper) report(err error) {
	before := k.failure
	switch k.failure = ""; {
	case err != nil:
		if k.failure = reason(err); k.failure != before {
			k.log.Warn("can't keep a snapshot, so a start without discovery knows an old list or none: "+
				"see that this user may write to the folder, and that there is space", "folder", k.disk.dir, "error", k.failure)
		}
	case before != "":
		k.log.Info("snapshots are kept again")
	}
}

// pause waits for d, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
