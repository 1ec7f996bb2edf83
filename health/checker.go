package health

import (
	"context"
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxStarting is how many checks of one Checker may be starting at once:
	// 5,000 endpoints found together are not dialed together.
	maxStarting = 64
	// maxStart is the longest that a check counts as starting. Backends that
	// hang until the timeout would otherwise take all the slots, and those
	// that are well would not be checked in time because of them.
	maxStart = 100 * time.Millisecond
)

// prober runs one check of address. It obeys ctx, and its errors are short
// enough to be shown.
type prober func(ctx context.Context, address string) error

// setup is how a Checker checks at present. It never changes.
type setup struct {
	Spec
	probe prober
}

// Checker checks a changing set of endpoints by one [Spec]. Its methods may be
// called from any goroutine, and but for Close they never block.
type Checker struct {
	report ReportFunc
	random func() float64 // in [0, 1); safe for concurrent use

	ctx      context.Context // done when the checker closes
	cancel   context.CancelFunc
	running  sync.WaitGroup
	starting chan struct{} // one element for each check that is starting

	passed, failed atomic.Uint64

	mu      sync.Mutex
	closed  bool
	setup   *setup
	targets map[string]*target
}

// NewChecker returns a Checker that checks by spec and tells report of every
// observation. It watches nothing yet. Its checks end with ctx; it must be
// closed all the same.
func NewChecker(ctx context.Context, spec Spec, report ReportFunc) *Checker {
	return newChecker(ctx, spec, report, spec.prober(), rand.Float64)
}

func newChecker(ctx context.Context, spec Spec, report ReportFunc, probe prober, random func() float64) *Checker {
	c := &Checker{
		setup:    &setup{spec, probe},
		report:   report,
		random:   random,
		starting: make(chan struct{}, maxStarting),
		targets:  make(map[string]*target),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

// Configure has everything checked by another spec, once at once and from then
// on. Verdicts and open streaks stay.
func (c *Checker) Configure(spec Spec) { c.configure(spec, spec.prober()) }

func (c *Checker) configure(spec Spec, probe prober) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if reflect.DeepEqual(spec, c.setup.Spec) {
		return
	}
	c.setup = &setup{spec, probe}
	for _, t := range c.targets {
		t.configure(c.setup)
	}
}

// Watch has the endpoint id checked at address, at once and from then on. It
// starts with a verdict that others have found, or Unknown. An endpoint that is
// watched at that address already is left alone. After Close, Watch does nothing.
func (c *Checker) Watch(id, address string, v Verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.targets[id]
	if c.closed || old != nil && old.address == address {
		return
	}
	if old != nil {
		old.cancel()
	}
	ctx, cancel := context.WithCancel(c.ctx)
	t := newTarget(c, id, address, v, cancel)
	c.targets[id] = t
	c.running.Go(func() { t.run(ctx) })
}

// Forget ends the checks of id. A report that is on its way may still arrive:
// its receiver must compare ID and Address with what it holds by now.
func (c *Checker) Forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.targets[id]; t != nil {
		t.cancel()
		delete(c.targets, id)
	}
}

// Nudge has id checked now, or, if its last check began no more than 250 ms
// ago, as soon as that time is over. A check that is running does not count: it
// may have looked too early.
func (c *Checker) Nudge(id string) {
	if t := c.target(id); t != nil {
		t.nudge()
	}
}

// Strike tells that live traffic failed to connect to id. It counts like a
// failed check, without waiting for one, and has id checked as by Nudge. When
// id is down already it does not count. err must not be nil; one of our own
// making, such as having run out of descriptors, is ignored.
func (c *Checker) Strike(id string, err error) {
	if ownFault(err) {
		return
	}
	if t := c.target(id); t != nil {
		t.strike(err)
	}
}

// Counts returns how many checks have passed and how many have failed since
// the checker began; strikes are not counted.
func (c *Checker) Counts() (passed, failed uint64) {
	return c.passed.Load(), c.failed.Load()
}

// Close ends all checks and waits until the last is over. No report begins
// after Close has returned.
func (c *Checker) Close() {
	c.mu.Lock()
	c.closed = true
	c.cancel()
	c.mu.Unlock()
	c.running.Wait()
}

func (c *Checker) target(id string) *target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.targets[id]
}

// check runs one check, for which the caller has taken a slot among those that
// are starting, and gives the slot back when the check ends or has gone on for
// maxStart.
func (c *Checker) check(ctx context.Context, s *setup, address string) Result {
	started := time.AfterFunc(maxStart, func() { <-c.starting })
	defer func() {
		if started.Stop() {
			<-c.starting
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	began := time.Now()
	err := s.probe(ctx, address)
	return Result{Err: err, Took: time.Since(began)}
}

func (c *Checker) count(r Result) {
	switch {
	case r.Passive:
	case r.Err == nil:
		c.passed.Add(1)
	default:
		c.failed.Add(1)
	}
}
