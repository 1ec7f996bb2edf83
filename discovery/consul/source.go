package consul

import (
	"context"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

// source is the loop round the decisions: it asks, waits and tells.
type source struct {
	ask    func(ctx context.Context, index uint64) ([]*api.ServiceEntry, *api.QueryMeta, error)
	watch  Watch
	logger hclog.Logger
	random func() float64 // in [0, 1)
}

// Run implements [discovery.Source].
func (s *source) Run(ctx context.Context, publish func(discovery.Update)) {
	k := knowledge{watch: s.watch}
	pace := bucket{tokens: burst, last: time.Now()}
	log := reporter{log: s.logger.With("service", s.watch.Service)}
	failures, cost := 0, 1.0
	for pause(ctx, pace.take(cost, time.Now())) {
		entries, meta, err := s.ask(ctx, k.index)
		if ctx.Err() != nil {
			return
		}
		update, isNews := k.learn(entries, meta, err)
		log.observe(update.Err, k.known)
		if isNews {
			publish(update)
		}
		cost = 1
		if update.Kind == discovery.Set || !isNews {
			cost = changeCost
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
