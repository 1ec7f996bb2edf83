package consul

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	// silentFor is how long a query that is due at once may be silent before
	// anybody looks whether Consul has a leader.
	silentFor = 50 * time.Millisecond
	// lookEvery is how often a silent query has it looked up, and lookAge how old
	// the answer to another one may be. Together with what a query takes they
	// stay well below a second.
	lookEvery = 200 * time.Millisecond
	lookAge   = 150 * time.Millisecond
	// lookLimit is how long a look may take. Any server answers it by itself.
	lookLimit = time.Second
)

// errLeaderIsBack ends a query that was asked while there was no leader.
var errLeaderIsBack = errors.New("there is a leader in Consul again")

// leader tells when Consul has a leader again. A server that has just started
// holds each query that comes before it has heard of a leader, and then looks
// for one in growing steps, so the answer comes up to several seconds late.
// Asked anew it comes at once. A short deadline would do the same, but to a
// Consul that is merely slow it would be the end of all answers.
//
// All sources of a client share one, and no more looks are taken for many of
// them than for one. Its methods are safe for concurrent use.
type leader struct {
	look func(ctx context.Context) (exists bool, err error)

	turn   chan struct{} // holds a token while nobody looks; guards what follows
	looked time.Time     // when it was looked up last
	exists bool          // what came of it
	err    error
}

func newLeader(look func(context.Context) (bool, error)) *leader {
	l := &leader{look: look, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// lookAt returns a look function that asks Consul.
func lookAt(c *api.Client) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, lookLimit)
		defer cancel()
		address, err := c.Status().LeaderWithQueryOptions((&api.QueryOptions{}).WithContext(ctx))
		return address != "", err
	}
}

// endHeld returns a context for a query that is due at once. It ends, with
// errLeaderIsBack, when there is a leader and was none while the query waited.
// stop must be called when the query has ended.
func (l *leader) endHeld(ctx context.Context) (_ context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	var looking sync.WaitGroup
	looking.Go(func() {
		if l.returns(ctx) {
			end(errLeaderIsBack)
		}
	})
	return ctx, func() {
		end(nil)
		looking.Wait()
	}
}

// returns waits until there is a leader after there was none, and reports
// whether that happened before ctx was done.
func (l *leader) returns(ctx context.Context) bool {
	missing := false
	for wait := silentFor; pause(ctx, wait); wait = lookEvery {
		exists, err := l.known(ctx)
		switch {
		case err != nil: // nobody knows
		case !exists:
			missing = true
		case missing:
			return true
		}
	}
	return false
}

// known returns whether there is a leader, as of a moment ago.
func (l *leader) known(ctx context.Context) (exists bool, err error) {
	select {
	case <-l.turn:
		defer func() { l.turn <- struct{}{} }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if time.Since(l.looked) > lookAge {
		l.exists, l.err = l.look(ctx)
		l.looked = time.Now()
	}
	return l.exists, l.err
}
