package pool

import "github.com/rota-lb/rota/discovery"

// State is what an endpoint is doing. Each endpoint always has exactly one.
type State string

const (
	// Serving endpoints get traffic.
	Serving State = "serving"
	// Warming endpoints are new and have not proved themselves yet.
	Warming State = "warming"
	// Draining endpoints get no new request and finish those they have.
	Draining State = "draining"
	// Ejected endpoints are out because our own checks say so.
	Ejected State = "ejected"
)

// States lists every state, in the order in which they are shown.
var States = []State{Serving, Warming, Draining, Ejected}

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
	// FirstCheck: it waits for its first good check.
	FirstCheck Reason = "first_check"
	// HasWarning: discovery warns of it; it serves by its warning weight.
	HasWarning Reason = "warning"
)

// verdict is what our own checks say of an endpoint.
type verdict uint8

const (
	unknown verdict = iota
	healthy
	unhealthy
)

// facts is everything that decides an endpoint's state.
type facts struct {
	status    discovery.Status
	weight    int
	verdict   verdict
	gone      bool // discovery no longer names it
	probation bool // came after the start: serves only once it is healthy
}

// onlyUnhealthy reports whether nothing but its health, in the eyes of
// discovery or ours, keeps an endpoint from serving.
func onlyUnhealthy(f facts) bool {
	return !f.gone && f.status != discovery.Maintenance && f.weight > 0
}

// judge derives the state and all the reasons for it. What discovery says to
// take away goes before what our checks say.
func judge(f facts) (State, []Reason) {
	state := Serving
	var reasons []Reason
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
	switch {
	case f.verdict == unhealthy:
		because(Ejected, CheckFailed)
	case f.verdict == unknown && f.probation:
		because(Warming, FirstCheck)
	}
	return state, reasons
}
