package health

import (
	"context"
	"time"
)

// target is one watched endpoint. Its run goroutine owns everything but the
// channels; it is either resting until the timer fires, queueing for a slot, or
// waiting for the result of the check that is running.
type target struct {
	checker     *Checker
	id, address string
	cancel      context.CancelFunc

	strikes chan error
	nudges  chan struct{}
	setups  chan *setup // at most the latest one
	results chan Result

	setup  *setup
	active Active
	timer  *time.Timer
	due    time.Time     // when the timer fires, while resting
	queue  chan struct{} // the checker's slots while queueing, else nil
	began  time.Time     // start of the last check
	busy   bool          // a check is running
	again  bool          // another check was asked for while one is running
	spread bool          // the phase of the regular checks has been drawn
}

func newTarget(c *Checker, id, address string, v Verdict, cancel context.CancelFunc) *target {
	return &target{
		checker: c,
		id:      id,
		address: address,
		cancel:  cancel,
		// As many strikes as take the endpoint down; more change nothing.
		strikes: make(chan error, max(1, c.setup.UnhealthyAfter)),
		nudges:  make(chan struct{}, 1),
		setups:  make(chan *setup, 1),
		results: make(chan Result, 1),
		setup:   c.setup,
		active:  NewActive(v, c.setup.HealthyAfter, c.setup.UnhealthyAfter),
	}
}

// strike and nudge never block: what does not fit is already on its way.
func (t *target) strike(err error) {
	select {
	case t.strikes <- err:
	default:
	}
}

func (t *target) nudge() {
	select {
	case t.nudges <- struct{}{}:
	default:
	}
}

// configure replaces the setup, or one that was not taken in yet. The caller has
// the checker's lock, so that nobody else does.
func (t *target) configure(s *setup) {
	select {
	case <-t.setups:
	default:
	}
	t.setups <- s
}

// run checks the endpoint until ctx is done. A check that is running then is
// left to the checker to wait for.
func (t *target) run(ctx context.Context) {
	t.due = time.Now()
	t.timer = time.NewTimer(0)
	defer t.timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.timer.C:
			t.queue = t.checker.starting
		case t.queue <- struct{}{}:
			t.start(ctx)
		case r := <-t.results:
			t.observe(ctx, r)
			t.rest()
		case err := <-t.strikes:
			t.observe(ctx, Result{Err: brief(err, 0), Passive: true})
			t.hasten()
		case <-t.nudges:
			t.hasten()
		case t.setup = <-t.setups:
			t.active = t.active.With(t.setup.HealthyAfter, t.setup.UnhealthyAfter)
			t.spread = false
			t.hasten()
		}
	}
}

// start begins a check in a goroutine of its own, so that a strike counts at
// once while the check hangs.
func (t *target) start(ctx context.Context) {
	t.queue = nil
	t.busy = true
	t.began = time.Now()
	s := t.setup
	t.checker.running.Go(func() { t.results <- t.checker.check(ctx, s, t.address) })
}

// observe takes r into account and reports it.
func (t *target) observe(ctx context.Context, r Result) {
	if ctx.Err() != nil {
		return // a check that was cut short says nothing
	}
	now := time.Now()
	next, transition := t.active.Observe(r)
	if r.Passive && next == t.active {
		return // while traffic fails open there is one of these per request
	}
	t.active = next
	t.checker.count(r)
	t.checker.report(ctx, Report{
		ID: t.id, Address: t.address,
		Result: r, Transition: transition, Active: next, At: now,
	})
}

// rest sets the time of the next check after one has ended.
func (t *target) rest() {
	t.busy = false
	t.schedule(t.next(time.Now()))
	if t.again {
		t.again = false
		t.hasten()
	}
}

// next returns when the next check is due. The first regular one falls anywhere
// within the interval: endpoints found together are checked together once, and
// spread evenly from then on.
func (t *target) next(now time.Time) time.Time {
	wait, random := t.setup.wait(t.active), t.checker.random()
	switch {
	case wait != t.setup.Interval:
		return now.Add(jittered(wait, random))
	case !t.spread:
		t.spread = true
		wait = time.Duration(random * float64(wait))
	default:
		wait = jittered(wait, random)
	}
	return t.setup.together(now.Add(wait))
}

// hasten brings the next check forward to now, or to the gap after the start of
// the last one.
func (t *target) hasten() {
	switch at := t.began.Add(t.setup.gap()); {
	case t.busy:
		t.again = true
	case t.queue != nil: // as soon as possible already
	case at.Before(t.due):
		t.schedule(at)
	}
}

func (t *target) schedule(at time.Time) {
	t.due = at
	t.timer.Reset(time.Until(at))
}
