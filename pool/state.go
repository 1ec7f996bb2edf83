package pool

import (
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// State is what an endpoint is doing. Each endpoint always has exactly one.
type State string

const (
	// Serving endpoints get traffic.
	Serving State = "serving"
	// Warming endpoints have not proved themselves yet, or get a part of their
	// traffic at first.
	Warming State = "warming"
	// Draining endpoints get no new request and finish those they have.
	Draining State = "draining"
	// Ejected endpoints are out because our own checks say so, or live traffic.
	Ejected State = "ejected"
	// Held endpoints serve on, though discovery has lost sight of them: that they
	// are gone is not believed yet.
	Held State = "held"
)

// States lists every state, in the order in which they are shown.
var States = []State{Serving, Warming, Draining, Ejected, Held}

// Reason says why an endpoint is in its state: a closed set, the same words in
// logs, /health and metrics.
type Reason string

const (
	// Deregistered: discovery no longer names the instance.
	Deregistered Reason = "deregistered"
	// InMaintenance: the instance or its node is in maintenance mode.
	InMaintenance Reason = "maintenance"
	// IsCritical: the instance is critical in the eyes of discovery.
	IsCritical Reason = "critical"
	// ZeroWeight: its weight leaves it no share of the traffic.
	ZeroWeight Reason = "zero_weight"
	// CheckFailed: our active check, or connections from live traffic, failed.
	CheckFailed Reason = "check_failed"
	// ConsecutiveFailures: too many requests in a row failed on it.
	ConsecutiveFailures Reason = "consecutive_failures"
	// SuccessRate: requests fail more often on it than on the others.
	SuccessRate Reason = "success_rate"
	// Latency: it takes far longer to answer than the others.
	Latency Reason = "latency"
	// Flapping: our active checks have found it down again and again.
	Flapping Reason = "flapping"
	// FirstCheck: it waits for its first good check.
	FirstCheck Reason = "first_check"
	// InSlowStart: it came or returned a short time ago, and its share grows.
	InSlowStart Reason = "slow_start"
	// HasWarning: discovery warns of it; it serves by its warning weight.
	HasWarning Reason = "warning"
	// Unconfirmed: discovery no longer names it, with most others, and it is not
	// sure yet.
	Unconfirmed Reason = "unconfirmed"
)

// facts is everything that decides an endpoint's state.
type facts struct {
	status    discovery.Status
	weight    int
	verdict   health.Verdict
	gone      bool // discovery no longer names it
	held      bool // discovery is not sure of that yet
	probation bool // came after the start: serves only once it is healthy
	outlier   health.Cause
	ramping   bool // serves, and has not got its full weight yet
}

// onlyUnhealthy reports whether nothing but its health, in the eyes of
// discovery or ours, keeps an endpoint from serving.
func onlyUnhealthy(f facts) bool {
	return !f.gone && f.status != discovery.Maintenance && f.weight > 0
}

// serves reports whether an endpoint gets traffic by its own right.
func serves(f facts) bool {
	proven := f.verdict == health.Healthy || f.verdict == health.Unknown && !f.probation
	return onlyUnhealthy(f) && f.status != discovery.Critical && f.outlier == health.NoCause && proven
}

// judge derives the state and all the reasons for it. What discovery says to
// take away goes before what our checks say.
func judge(f facts) (State, []Reason) {
	state, reasons := Serving, []Reason{} // which logs show as []
	because := func(s State, r Reason) {
		if state == Serving {
			state = s
		}
		reasons = append(reasons, r)
	}
	if f.gone {
		because(Draining, Deregistered)
	}
	switch f.status {
	case discovery.Maintenance:
		because(Draining, InMaintenance)
	case discovery.Critical:
		because(Draining, IsCritical)
	case discovery.Warning:
		because(Serving, HasWarning)
	}
	if f.weight < 1 {
		because(Draining, ZeroWeight)
	}
	if f.outlier != health.NoCause {
		because(Ejected, Reason(f.outlier.String()))
	}
	switch {
	case f.verdict == health.Unhealthy:
		because(Ejected, CheckFailed)
	case f.verdict == health.Unknown && f.probation:
		because(Warming, FirstCheck)
	}
	if f.held {
		because(Held, Unconfirmed)
	}
	if f.ramping && serves(f) {
		because(Warming, InSlowStart)
	}
	return state, reasons
}
