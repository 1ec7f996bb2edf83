package pool

import (
	"errors"
	"slices"
	"testing"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// The matrix of what decides a state. What discovery takes away goes before
// what our checks say; all reasons are told.
//
//	                 verdict: health.Unknown   unknown, new   healthy    unhealthy
//	passing                   serving   warming        serving    ejected
//	warning                   serving   warming        serving    ejected
//	warning, weight 0         draining  draining       draining   draining
//	critical                  draining  draining       draining   draining
//	maintenance               draining  draining       draining   draining
//	held                      held      warming        held       ejected
//	gone                      draining  draining       draining   draining
func TestJudge(t *testing.T) {
	tests := []struct {
		name    string
		facts   facts
		state   State
		reasons []Reason
		resort  bool // may serve where nobody else can
	}{
		{"at start, unchecked", facts{weight: 1}, Serving, nil, true},
		{"new, unchecked", facts{weight: 1, probation: true}, Warming, []Reason{FirstCheck}, true},
		{"new, healthy", facts{weight: 1, probation: true, verdict: health.Healthy}, Serving, nil, true},
		{"unhealthy", facts{weight: 1, verdict: health.Unhealthy}, Ejected, []Reason{CheckFailed}, true},
		{"new, unhealthy", facts{weight: 1, probation: true, verdict: health.Unhealthy}, Ejected, []Reason{CheckFailed}, true},
		{"warning", facts{weight: 1, status: discovery.Warning}, Serving, []Reason{HasWarning}, true},
		{"warning, new", facts{weight: 1, status: discovery.Warning, probation: true}, Warming, []Reason{HasWarning, FirstCheck}, true},
		{"warning of no weight", facts{status: discovery.Warning}, Draining, []Reason{HasWarning, ZeroWeight}, false},
		{"critical", facts{weight: 1, status: discovery.Critical}, Draining, []Reason{IsCritical}, true},
		{"critical and unhealthy", facts{weight: 1, status: discovery.Critical, verdict: health.Unhealthy}, Draining, []Reason{IsCritical, CheckFailed}, true},
		{"maintenance", facts{weight: 1, status: discovery.Maintenance, verdict: health.Healthy}, Draining, []Reason{InMaintenance}, false},
		{"held", facts{weight: 1, held: true, verdict: health.Healthy}, Held, []Reason{Unconfirmed}, true},
		{"held and unhealthy", facts{weight: 1, held: true, verdict: health.Unhealthy}, Ejected, []Reason{CheckFailed, Unconfirmed}, true},
		{"held in maintenance", facts{weight: 1, held: true, status: discovery.Maintenance}, Draining, []Reason{InMaintenance, Unconfirmed}, false},
		{"held, with a warning", facts{weight: 1, held: true, status: discovery.Warning}, Held, []Reason{HasWarning, Unconfirmed}, true},
		{"new, in slow start", facts{weight: 1, probation: true, verdict: health.Healthy, ramping: true}, Warming, []Reason{InSlowStart}, true},
		{"held, in slow start", facts{weight: 1, held: true, verdict: health.Healthy, ramping: true}, Held, []Reason{Unconfirmed, InSlowStart}, true},
		{"unhealthy in slow start", facts{weight: 1, verdict: health.Unhealthy, ramping: true}, Ejected, []Reason{CheckFailed}, true},
		{"gone", facts{weight: 1, gone: true, verdict: health.Healthy}, Draining, []Reason{Deregistered}, false},
		{"gone and in maintenance", facts{weight: 1, gone: true, status: discovery.Maintenance}, Draining, []Reason{Deregistered, InMaintenance}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, reasons := judge(tt.facts)
			if state != tt.state || !slices.Equal(reasons, tt.reasons) {
				t.Errorf("judged %s %v, want %s %v", state, reasons, tt.state, tt.reasons)
			}
			e := &Endpoint{State: state, Reasons: reasons}
			if got := serves(tt.facts); got != e.Serves() {
				t.Errorf("serves: %v, and %v by its state", got, e.Serves())
			}
			if got := onlyUnhealthy(tt.facts); got != tt.resort {
				t.Errorf("a last resort: %v, want %v", got, tt.resort)
			}
		})
	}
}

// What discovery is not sure of serves on, even if it came a moment ago.
func TestHeld(t *testing.T) {
	b := newBench(t)
	a, c := instance("a"), instance("c")
	b.set(a, c)
	a.Held, c.Held = true, true
	b.set(a, c)
	b.want("a=held c=held | a c")
	b.check("c", "127.0.0.1:1", errors.New("refused"))
	b.want("a=held c=ejected | a")
	a.Held = false
	b.set(a)
	b.want("a=serving | a")
}
