package health

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// A circuit over time: each step is observed a second after the one before, as
// requests and the failures among them.
//
//	            rate below   rate reached   OpenFor is over   a trial fails   all trials succeed
//	closed      closed       open           –                 –               –
//	open        open         open           half-open         –               –
//	half-open   –            –              –                 open            closed
func TestCircuit(t *testing.T) {
	spec := CircuitSpec{FailureRate: 50, MinRequests: 20, Window: 10 * time.Second, OpenFor: 3 * time.Second}
	tests := []struct {
		name  string
		spec  CircuitSpec
		steps string // requests/failures
		want  string // states
	}{
		{"all is well", spec, "100/0 100/1 100/49", "closed closed closed"},
		{"too few to tell", spec, "19/19 0/0", "closed closed"},
		{"enough to tell", spec, "19/19 1/0", "closed open"},
		{"the rate of a window", spec, "100/0 100/80 100/80", "closed closed open"},
		{"what is past counts no more", spec, "10/10 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 10/10", "closed closed closed closed closed closed closed closed closed closed closed"},
		{"what is not past does", spec, "10/10 0/0 0/0 0/0 0/0 0/0 0/0 0/0 0/0 10/10", "closed closed closed closed closed closed closed closed closed open"},
		{"it tries after a while", spec, "20/20 5/5 0/0 0/0", "open open open half-open"},
		{"and closes", spec, "20/20 0/0 0/0 0/0 4/0 1/0 19/19", "open open open half-open half-open closed closed"},
		{"or opens again, for as long", spec, "20/20 0/0 0/0 0/0 4/1 0/0 0/0 0/0", "open open open half-open open open open half-open"},
		{"nobody tries", spec, "20/20 0/0 0/0 0/0 0/0 0/0 5/0", "open open open half-open half-open half-open closed"},
		{"after it was closed it counts anew", spec, "20/20 0/0 0/0 0/0 5/0 19/19 1/0", "open open open half-open closed closed open"},
		{"any failure", CircuitSpec{FailureRate: 1, MinRequests: 1, Window: time.Second, OpenFor: time.Second}, "100/0 99/0 100/1", "closed closed open"},
		{"none at all", CircuitSpec{MinRequests: 1, Window: time.Second, OpenFor: time.Second}, "100/100 100/100", "closed closed"},
		{"the zero value", CircuitSpec{}, "100/100", "closed"},
		{"a tiny window", CircuitSpec{FailureRate: 50, MinRequests: 1, Window: 1, OpenFor: 1}, "1/0 1/1 0/0", "closed open half-open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, now := NewCircuit(tt.spec), time.Duration(0)
			var states []string
			for _, step := range strings.Fields(tt.steps) {
				var requests, failures uint64
				if _, err := fmt.Sscanf(step, "%d/%d", &requests, &failures); err != nil {
					t.Fatal(err)
				}
				c = c.Observe(requests, failures, now)
				states = append(states, c.State().String())
				if c.State() == Open && (c.Until() <= now-1 || c.Until() > now+tt.spec.OpenFor) {
					t.Errorf("at %v it is open until %v", now, c.Until())
				}
				now += time.Second
			}
			if got := strings.Join(states, " "); got != tt.want {
				t.Errorf("%s\nwas  %s\nwant %s", tt.steps, got, tt.want)
			}
		})
	}
}

// A half-open circuit lets through what it lacks, and never nothing: a trial may
// have been lost.
func TestTrials(t *testing.T) {
	c := NewCircuit(CircuitSpec{FailureRate: 50, MinRequests: 1, Window: time.Second, OpenFor: 1}).Observe(1, 1, 0).Observe(0, 0, 1)
	if c.State() != HalfOpen || c.Trials() != circuitTrials {
		t.Fatalf("it is %s and lets %d through", c.State(), c.Trials())
	}
	if c = c.Observe(3, 0, 2); c.State() != HalfOpen || c.Trials() != circuitTrials-3 {
		t.Errorf("after 3 trials it is %s and lets %d through", c.State(), c.Trials())
	}
}
