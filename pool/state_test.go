package pool

import (
	"slices"
	"testing"

	"github.com/rota-lb/rota/discovery"
)

// The matrix of what decides a state. What discovery takes away goes before
// what our checks say; all reasons are told.
//
//	                 verdict: unknown   unknown, new   healthy    unhealthy
//	passing                   serving   warming        serving    ejected
//	warning                   serving   warming        serving    ejected
//	warning, weight 0         draining  draining       draining   draining
//	critical                  draining  draining       draining   draining
//	maintenance               draining  draining       draining   draining
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
		{"new, healthy", facts{weight: 1, probation: true, verdict: healthy}, Serving, nil, true},
		{"unhealthy", facts{weight: 1, verdict: unhealthy}, Ejected, []Reason{CheckFailed}, true},
		{"new, unhealthy", facts{weight: 1, probation: true, verdict: unhealthy}, Ejected, []Reason{CheckFailed}, true},
		{"warning", facts{weight: 1, status: discovery.Warning}, Serving, []Reason{HasWarning}, true},
		{"warning, new", facts{weight: 1, status: discovery.Warning, probation: true}, Warming, []Reason{HasWarning, FirstCheck}, true},
		{"warning of no weight", facts{status: discovery.Warning}, Draining, []Reason{HasWarning, ZeroWeight}, false},
		{"critical", facts{weight: 1, status: discovery.Critical}, Draining, []Reason{IsCritical}, true},
		{"critical and unhealthy", facts{weight: 1, status: discovery.Critical, verdict: unhealthy}, Draining, []Reason{IsCritical, CheckFailed}, true},
		{"maintenance", facts{weight: 1, status: discovery.Maintenance, verdict: healthy}, Draining, []Reason{InMaintenance}, false},
		{"gone", facts{weight: 1, gone: true, verdict: healthy}, Draining, []Reason{Deregistered}, false},
		{"gone and in maintenance", facts{weight: 1, gone: true, status: discovery.Maintenance}, Draining, []Reason{Deregistered, InMaintenance}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, reasons := judge(tt.facts)
			if state != tt.state || !slices.Equal(reasons, tt.reasons) {
				t.Errorf("judged %s %v, want %s %v", state, reasons, tt.state, tt.reasons)
			}
			if got := onlyUnhealthy(tt.facts); got != tt.resort {
				t.Errorf("a last resort: %v, want %v", got, tt.resort)
			}
		})
	}
}
