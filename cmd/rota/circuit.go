package main

import (
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/health"
	"github.com/rota-lb/rota/proxy"
)

// breaker returns what holds the limits of a service, nil where there are none.
func breaker(service string, c config.CircuitBreaker, logger hclog.Logger) *proxy.Breaker {
	b := &proxy.Breaker{
		MaxRequests: c.MaxRequests, MaxPending: c.MaxPending, EndpointMaxRequests: c.EndpointMaxRequests,
	}
	if c.FailureRate > 0 {
		b.Judge = judge(service, health.NewCircuit(health.CircuitSpec{
			FailureRate: c.FailureRate, MinRequests: c.MinRequests, Window: c.Window, OpenFor: c.OpenFor,
		}), logger)
	}
	if b.MaxRequests+b.MaxPending+b.EndpointMaxRequests == 0 && b.Judge == nil {
		return nil
	}
	return b
}

// judge tells of a circuit from then on, and logs what becomes of it.
func judge(service string, circuit health.Circuit, logger hclog.Logger) proxy.Judge {
	return func(requests, failures uint64, now time.Duration) proxy.Verdict {
		next := circuit.Observe(requests, failures, now)
		if before, after := circuit.State(), next.State(); after != before {
			level := hclog.Info
			if after == health.Open {
				level = hclog.Warn
			}
			logger.Log(level, "circuit "+after.String(), "service", service, "was", before.String())
		}
		circuit = next
		switch next.State() {
		case health.Open:
			return proxy.Verdict{Shut: true, Until: next.Until()}
		case health.HalfOpen:
			return proxy.Verdict{Shut: true, Trials: next.Trials()}
		default:
			return proxy.Verdict{}
		}
	}
}
