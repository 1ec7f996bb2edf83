package consul

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

// source is the loop round the decisions: it asks, waits and tells.
type source struct {
	ask    func(ctx context.Context, q query) (answer, error)
	watch  Watch
	before discovery.Recall // nil if nothing can be known yet
	hold   time.Duration    // holdFor
	logger hclog.Logger
	random func() float64 // in [0, 1)
}

// Run implements [discovery.Source].
func (s *source) Run(ctx context.Context, publish func(discovery.Update)) {
	k := knowledge{watch: s.watch, hold: s.hold}
	pace := bucket{tokens: burst, last: time.Now()}
	log := reporter{log: s.logger.With("service", s.watch.Service)}
	failures, cost := 0, 1.0
	var changed time.Time
	again := false
	for pause(ctx, pace.take(cost, time.Now())) {
		q := k.next(time.Now())
		q.eager = k.holds() || time.Since(changed) < eagerFor
		q.again, again = again, false
		a, err := s.ask(ctx, q)
		if ctx.Err() != nil {
			return
		}
		if s.before != nil && !k.known {
			k.recall(s.before(), time.Now())
		}
		update, isNews := k.learn(a, err, time.Now())
		cost = changeCost
		if !isNews {
			continue
		}
		log.observe(update.Err, k.known)
		log.holding(k.holds(), len(k.last))
		publish(update)
		if update.Kind == discovery.Set {
			changed, again = time.Now(), true
		} else {
			cost = 1
		}
		if update.Kind != discovery.Failed {
			failures = 0
			continue
		}
		failures++
		pause(ctx, backoff(failures, s.random()))
	}
}

// pause waits for d and reports whether ctx is still to be served.
func pause(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
	}
	return ctx.Err() == nil
}

// reporter logs when failing begins, when it changes and when it ends, and not
// what lies between.
type reporter struct {
	log  hclog.Logger
	last string // the error's text; "" while all is well
	held bool   // instances are held
}

// holding takes in whether instances are held, of how many in all.
func (r *reporter) holding(held bool, known int) {
	switch {
	case held == r.held:
	case held:
		r.log.Warn("Consul has lost most instances of the service at once; they stay until that is confirmed", "known", known)
	default:
		r.log.Info("Consul's list is believed again", "known", known)
	}
	r.held = held
}

// observe takes in how a request ended, and whether any list is known by then:
// who reads that instances stay must not look for some that never came.
func (r *reporter) observe(err error, known bool) {
	if err == nil {
		if r.last != "" {
			r.log.Info("discovery from Consul works again")
		}
		r.last = ""
		return
	}
	if text := err.Error(); text != r.last {
		r.last = text
		message := "discovery from Consul fails; no instances are known yet"
		if known {
			message = "discovery from Consul fails; the last known instances stay"
		}
		r.log.Warn(message, "error", text)
	}
}
