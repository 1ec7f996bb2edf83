package consul

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// beatEvery is how often it is looked whether Consul answers, and beatLimit how
	// long that may take. After an outage one look may still be lost in it, so
	// that both and a query must stay below a second.
	beatEvery = 250 * time.Millisecond
	beatLimit = 400 * time.Millisecond
	// reviveEvery is the least time between two ends of all queries, for each that
	// there is: a Consul that is slow must not be asked everything again and again.
	reviveEvery = 2 * time.Millisecond
	// stall is how long looks fail where a Consul is merely slow. Then connections
	// live, so that its queries are ended once in minPause at most, and less and
	// less often, down to once in maxPause, until no look has failed for calm.
	stall    = 2 * time.Second
	minPause = time.Second
	maxPause = 30 * time.Second
	calm     = time.Minute
)

// Why a query is asked anew.
var (
	errAnswersAgain = errors.New("there are answers from Consul again; asking anew")
	errNewToken     = errors.New("there is another token for Consul; asking anew")
)

// pulse ends the queries of a client when they may be waiting for nothing: when
// Consul answers again after it did not, since their connections may have died
// unseen, and when there is another token, since with the one before some
// instances may be kept from them. Its methods are safe for concurrent use.
type pulse struct {
	look  func(context.Context) error // nil if Consul answers
	token func() string               // that is to be used now; "" if there is none
	fresh func()                      // drops connections that no query is using

	mu        sync.Mutex
	followers int
	beat      context.Context // ends when all that follow are to end
	end       context.CancelCauseFunc
	stop      func() // looking
}

// lookFor returns a look function that asks Consul.
func lookFor(c *api.Client) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, beatLimit)
		defer cancel()
		_, err := c.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
		return err
	}
}

// follow returns a context for a query, which also ends for the reasons of the
// pulse. leave must be called when the query has ended.
func (p *pulse) follow(ctx context.Context) (_ context.Context, leave func()) {
	ctx, end := context.WithCancelCause(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.followers++; p.followers == 1 {
		p.start(context.WithoutCancel(ctx))
	}
	beat := p.beat
	unhook := context.AfterFunc(beat, func() { end(context.Cause(beat)) })
	return ctx, func() {
		unhook()
		end(nil)
		p.leave()
	}
}

// start begins to look. The lock is held.
func (p *pulse) start(ctx context.Context) {
	p.beat, p.end = context.WithCancelCause(ctx)
	ctx, cancel := context.WithCancel(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { p.run(ctx) })
	p.stop = func() {
		cancel()
		looking.Wait()
	}
}

func (p *pulse) leave() {
	p.mu.Lock()
	p.followers--
	if p.followers > 0 {
		p.mu.Unlock()
		return
	}
	stop, end := p.stop, p.end
	p.mu.Unlock()
	stop()
	end(nil)
}

// run looks until ctx is done.
func (p *pulse) run(ctx context.Context) {
	token := p.token()
	var l looks
	var revived time.Time
	for pause(ctx, beatEvery) {
		began := time.Now()
		err := p.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if t := p.token(); t != "" && t != token {
			token, l.renewed = t, true
		}
		l.learn(err == nil, began, time.Now())
		reason := l.reason(time.Now())
		if reason != nil && p.revive(ctx, reason, time.Since(revived)) {
			revived = time.Now()
			l.revived(revived)
		}
	}
}

// looks is what is known from looking. It reads no clock.
type looks struct {
	failing bool      // the latest has failed
	since   time.Time // when the first began that has failed in a row
	last    time.Time // when one has failed last
	back    bool      // there are answers again, and what was asked before was not ended
	outage  bool      // after more than a stall
	renewed bool      // there is another token, and the same
	pause   time.Duration
	until   time.Time // the end of the pause after a stall
}

// learn takes in a look that took from began to now.
func (l *looks) learn(answered bool, began, now time.Time) {
	switch {
	case !answered && !l.failing:
		if began.Sub(l.last) > calm {
			l.pause = 0
		}
		l.since = began
	case answered && l.failing:
		l.back, l.outage = true, l.outage || now.Sub(l.since) > stall
	}
	if l.failing = !answered; l.failing {
		l.last = now
	}
}

// reason returns why all queries are to end now, if they are. It takes an answer.
func (l *looks) reason(now time.Time) error {
	switch {
	case l.failing:
		return nil
	case l.renewed:
		return errNewToken
	case l.back && (l.outage || !now.Before(l.until)):
		return errAnswersAgain
	}
	return nil
}

// revived notes that they have ended. What comes soon is another stall.
func (l *looks) revived(now time.Time) {
	if l.back {
		l.pause = min(max(2*l.pause, minPause), maxPause)
		l.until = now.Add(l.pause)
	}
	l.back, l.outage, l.renewed = false, false, false
}

// revive ends all queries, unless it is too soon for so many.
func (p *pulse) revive(ctx context.Context, reason error, since time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil || since < time.Duration(p.followers)*reviveEvery {
		return false
	}
	p.fresh()
	p.end(reason)
	p.beat, p.end = context.WithCancelCause(context.WithoutCancel(ctx))
	return true
}
