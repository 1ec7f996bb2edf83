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
	token, missing := p.token(), false
	var revived time.Time
	var reason error
	for pause(ctx, beatEvery) {
		err := p.look(ctx)
		if ctx.Err() != nil {
			return
		}
		if t := p.token(); t != "" && t != token {
			token, reason = t, errNewToken
		}
		switch {
		case err != nil:
			missing = true
			continue
		case missing:
			missing, reason = false, errAnswersAgain
		}
		if reason != nil && p.revive(ctx, reason, time.Since(revived)) {
			revived, reason = time.Now(), nil
		}
	}
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
