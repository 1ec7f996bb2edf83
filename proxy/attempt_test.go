package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// duty is a fixed pool.
type duty struct{ pool *balancer.Pool }

func (d duty) Pool() *balancer.Pool { return d.pool }

// onDuty returns a service over endpoints at the given addresses.
func onDuty(addresses ...string) *Service {
	var members []balancer.Member
	for _, a := range addresses {
		members = append(members, balancer.Member{Endpoint: balancer.NewEndpoint(a, a, nil), Weight: 1})
	}
	return &Service{Name: "web", Duty: duty{balancer.NewPool(balancer.RoundRobin, members, new(balancer.Turn))}}
}

// The rule of retries, fault by fault: an attempt goes elsewhere when nothing
// of the request can have been acted on, or when acting twice is harmless.
//
//	                    unsent   sent, idempotent   sent, not   response begun
//	unreachable         again    again              no          no
//	connect timeout     again    again              no          no
//	reset               again    again              no          no
//	late, stalled       again    again              no          no
//	malformed           no       no                 no          no
//	own limit           again    no                 no          no
//	client              no       no                 no          no
func TestAgain(t *testing.T) {
	const idempotent, other = true, false
	tests := []struct {
		name       string
		result     Result
		idempotent bool
		attempts   int
		want       bool
	}{
		{"refused", Result{Fault: upstream.Unreachable, Replayable: true}, other, 1, true},
		{"no connection in time", Result{Fault: upstream.ConnectTimeout, Replayable: true}, other, 1, true},
		// A reused connection took it and ended; then nobody was there.
		{"refused after sending, GET", Result{Fault: upstream.Unreachable, Sent: true, Replayable: true}, idempotent, 1, true},
		{"refused after sending, POST", Result{Fault: upstream.Unreachable, Sent: true, Replayable: true}, other, 1, false},
		{"reset before a byte was sent", Result{Fault: upstream.Reset, Replayable: true}, other, 1, true},
		{"reset after sending, GET", Result{Fault: upstream.Reset, Sent: true, Replayable: true}, idempotent, 1, true},
		{"reset after sending, POST", Result{Fault: upstream.Reset, Sent: true, Replayable: true}, other, 1, false},
		{"late, GET", Result{Fault: upstream.Late, Sent: true, Replayable: true}, idempotent, 1, true},
		{"late, POST", Result{Fault: upstream.Late, Sent: true, Replayable: true}, other, 1, false},
		{"a PUT whose body is spent", Result{Fault: upstream.Reset, Sent: true}, idempotent, 1, false},
		{"the client has seen a part", Result{Fault: upstream.Reset, Sent: true, Started: true, Replayable: true}, idempotent, 1, false},
		{"malformed", Result{Fault: upstream.Malformed, Sent: true, Replayable: true}, idempotent, 1, false},
		{"the client left", Result{Fault: upstream.ClientGone, Replayable: true}, idempotent, 1, false},
		{"the client stalled", Result{Fault: upstream.ClientStalled, Replayable: true}, idempotent, 1, false},
		{"the client's body is broken", Result{Fault: upstream.ClientBody, Replayable: true}, idempotent, 1, false},
		{"out of ports", Result{Fault: upstream.OwnLimit, Replayable: true}, other, 1, true},
		{"out of memory, sent", Result{Fault: upstream.OwnLimit, Sent: true, Replayable: true}, idempotent, 1, false},
		{"the last attempt but one", Result{Fault: upstream.Unreachable, Replayable: true}, other, maxAttempts - 1, true},
		{"the last attempt", Result{Fault: upstream.Unreachable, Replayable: true}, other, maxAttempts, false},
	}
	for _, tt := range tests {
		if got := again(tt.result, tt.idempotent, tt.attempts); got != tt.want {
			t.Errorf("%s: again is %v, want %v", tt.name, got, tt.want)
		}
	}
}

// RFC 9110 §9.2.2
func TestIsIdempotent(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "OPTIONS": true, "PUT": true, "DELETE": true, "TRACE": true,
		"POST": false, "PATCH": false, "LOCK": false, "get": false, "": false,
	} {
		if got := isIdempotent(method); got != want {
			t.Errorf("%q is idempotent: %v, want %v", method, got, want)
		}
	}
}

// played is a carrier that answers from a script, by address.
type played struct {
	answers map[string]Result
	asked   []string
}

func (p *played) Send(_ context.Context, address string) Result {
	p.asked = append(p.asked, address)
	return p.answers[address]
}

func (p *played) Relay(context.Context) Result { return Result{Status: 200, Started: true} }

func TestAttempt(t *testing.T) {
	refused := Result{Fault: upstream.Unreachable, Replayable: true, Err: errors.New("connection refused")}
	broken := Result{Fault: upstream.Reset, Sent: true, Replayable: true, Err: errors.New("reset")}
	tests := []struct {
		name       string
		service    *Service
		idempotent bool
		answers    map[string]Result
		asked      string
		fault      upstream.Fault
	}{
		{"the first answers", onDuty("a", "b"), true, nil, "a", upstream.None},
		{"a refused POST goes elsewhere", onDuty("a", "b"), false, map[string]Result{"a": refused}, "a b", upstream.None},
		{"a broken GET goes elsewhere", onDuty("a", "b"), true, map[string]Result{"a": broken}, "a b", upstream.None},
		{"a broken POST does not", onDuty("a", "b"), false, map[string]Result{"a": broken}, "a", upstream.Reset},
		{"no endpoint twice while one is left", onDuty("a", "b", "c"), true,
			map[string]Result{"a": refused, "b": refused}, "a b c", upstream.None},
		{"enough is enough", onDuty("a", "b", "c", "d", "e"), true,
			map[string]Result{"a": refused, "b": refused, "c": refused, "d": refused}, "a b c d", upstream.Unreachable},
		{"nobody is asked twice", onDuty("a"), true, map[string]Result{"a": broken}, "a", upstream.Reset},
		{"nobody is there", onDuty(), true, nil, "", upstream.Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &played{answers: tt.answers}
			j := attempt(t.Context(), tt.service, tt.idempotent, c)
			if asked := strings.Join(c.asked, " "); asked != tt.asked || j.Fault != tt.fault || j.attempts != len(c.asked) {
				t.Errorf("asked %q and ended with %s after %d attempts, want %q and %s",
					asked, j.Fault, j.attempts, tt.asked, tt.fault)
			}
			for _, m := range tt.service.Duty.Pool().Members() {
				if n := m.Endpoint.InFlight(); n != 0 {
					t.Errorf("%s still has %d in flight", m.Endpoint.ID(), n)
				}
			}
		})
	}
}

// panicking is a carrier with a mistake in it.
type panicking struct{ played }

func (*panicking) Relay(context.Context) Result { panic("a mistake") }

func TestAPanicLeavesNothingInFlight(t *testing.T) {
	s := onDuty("a")
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		e := s.Duty.Pool().Members()[0].Endpoint
		if _, failures := e.Totals(); e.InFlight() != 0 || failures != 0 {
			t.Errorf("%d in flight, %d failures: our mistake is not the endpoint's", e.InFlight(), failures)
		}
	}()
	attempt(t.Context(), s, true, new(panicking))
}

func TestStatusOfFaults(t *testing.T) {
	e := balancer.NewEndpoint("a", "a", nil)
	tests := map[upstream.Fault]int{
		upstream.Unreachable: 503, upstream.ConnectTimeout: 504, upstream.Reset: 502, upstream.Late: 504, upstream.Stalled: 504,
		upstream.Malformed: 502, upstream.ClientStalled: 408, upstream.ClientBody: 400, upstream.OwnLimit: 503,
	}
	for fault, want := range tests {
		if got, _ := (journey{Result: Result{Fault: fault}, endpoint: e}).answer(); got != want {
			t.Errorf("%s is told as %d, want %d", fault, got, want)
		}
	}
	if got, _ := (journey{Result: Result{Fault: upstream.Unreachable}}).answer(); got != 503 {
		t.Errorf("no endpoint is told as %d, want 503", got)
	}
}

// What the client did or what we ran out of must never count against an
// endpoint.
func TestOutcomeOfFaults(t *testing.T) {
	tests := map[upstream.Fault]balancer.Outcome{
		upstream.None:        balancer.Succeeded,
		upstream.Unreachable: balancer.Unreachable, upstream.ConnectTimeout: balancer.Unreachable,
		upstream.Reset: balancer.Broken, upstream.Late: balancer.Broken,
		upstream.Stalled: balancer.Broken, upstream.Malformed: balancer.Broken,
		upstream.ClientGone: balancer.Abandoned, upstream.ClientStalled: balancer.Abandoned,
		upstream.ClientBody: balancer.Abandoned, upstream.OwnLimit: balancer.Abandoned,
	}
	for fault := upstream.None; fault <= upstream.OwnLimit; fault++ {
		if got := outcome(fault); got != tests[fault] {
			t.Errorf("%s counts as %s, want %s", fault, fmt.Sprint(got), fmt.Sprint(tests[fault]))
		}
	}
}
