package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// duty is a fixed pool.
type duty struct{ pool *balancer.Pool }

func (d duty) Pool() *balancer.Pool { return d.pool }

// onDuty returns a service over endpoints at the given addresses.
func onDuty(addresses ...string) *Service {
	var members []balancer.Member
	for i, a := range addresses {
		id := string(rune('a'+i)) + " " + a // in order, so that they take turns like that
		members = append(members, balancer.Member{Endpoint: balancer.NewEndpoint(id, a, nil), Weight: 1})
	}
	s := &Service{Name: "web", stats: new(serviceStats), Duty: duty{balancer.NewPool(balancer.RoundRobin, balancer.NewMembers(members...), new(balancer.Turn))}, Retry: usual}
	s.tick(0)
	return s
}

// nth returns one of the endpoints on duty.
func nth(s *Service, n int) *balancer.Endpoint {
	return slices.Collect(s.Duty.Pool().Members())[n].Endpoint
}

// travel has a carrier carry a request that began at the time given.
func travel(s *Service, idempotent bool, c Carrier, began time.Time) *journey {
	j := &journey{service: s, carrier: c, idempotent: idempotent}
	j.attempt(began)
	return j
}

// played is a carrier that answers from a script, by address.
type played struct {
	answers map[string]Result
	asked   []string
	limits  []time.Duration
	pauses  []time.Duration
	leaves  upstream.Fault // in a pause
	last    Result
	relayed int // responses
}

func (p *played) Send(_ Lane, address string, limit time.Duration) Result {
	p.asked, p.limits = append(p.asked, address), append(p.limits, limit)
	p.last = p.answers[address]
	return p.last
}

func (p *played) Stop(Lane) {}

func (p *played) Leave() {}

func (p *played) Relay(Lane) Result {
	p.relayed++
	return Result{Status: p.last.Status, Sent: true, Started: true}
}

func (p *played) Again(d time.Duration) upstream.Fault {
	p.pauses = append(p.pauses, d)
	return p.leaves
}

func TestAttempt(t *testing.T) {
	refused := Result{Fault: upstream.Unreachable, Replayable: true, Err: errors.New("connection refused")}
	full := Result{Fault: upstream.Limited, Replayable: true, Err: upstream.ErrMaxConnections}
	broken := Result{Fault: upstream.Reset, Sent: true, Replayable: true, Err: errors.New("reset")}
	dark := Result{Fault: upstream.ConnectTimeout, Replayable: true, Err: errors.New("timed out")}
	once := onDuty("a", "b")
	once.Retry.Attempts = 1
	many, nobody := strings.Split("abcdefghijklmnopqrstuvwxyz", ""), map[string]Result{}
	for _, a := range many {
		nobody[a] = refused
	}
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
			map[string]Result{"a": broken, "b": broken, "c": broken, "d": broken}, "a b c d", upstream.Reset},
		{"the dead don't count while somebody is left", onDuty("a", "b", "c", "d", "e", "f"), false,
			map[string]Result{"a": refused, "b": refused, "c": refused, "d": refused, "e": refused}, "a b c d e f", upstream.None},
		{"nor among others", onDuty("a", "b", "c", "d", "e", "f", "g"), true,
			map[string]Result{"a": refused, "b": broken, "c": refused, "d": broken, "e": refused, "f": broken}, "a b c d e f g", upstream.None},
		{"who takes no connection in time does", onDuty("a", "b", "c", "d", "e"), true,
			map[string]Result{"a": dark, "b": dark, "c": dark, "d": dark}, "a b c d", upstream.ConnectTimeout},
		{"where all are dead, each counts", onDuty("a", "b", "c", "d", "e"), true,
			map[string]Result{"a": refused, "b": refused, "c": refused, "d": refused, "e": refused}, "a b c d e", upstream.Unreachable},
		{"who has all the connections that it may is passed over", onDuty("a", "b", "c", "d", "e", "f"), false,
			map[string]Result{"a": full, "b": full, "c": full, "d": full, "e": full}, "a b c d e f", upstream.None},
		{"nobody else where retries are off", once, true, map[string]Result{"a": refused}, "a", upstream.Unreachable},
		{"so many dead are not waited for", onDuty(many...), true, nobody, strings.Join(many[:maxRefused+4], " "), upstream.Unreachable},
		{"nobody twice while another is left", onDuty("a", "b"), true, map[string]Result{"a": broken, "b": broken}, "a b a b", upstream.Reset},
		{"the only one, again", onDuty("a"), true, map[string]Result{"a": broken}, "a a a a", upstream.Reset},
		{"nobody is there", onDuty(), true, nil, "", upstream.Unreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &played{answers: tt.answers}
			j := travel(tt.service, tt.idempotent, c, time.Now())
			if asked := strings.Join(c.asked, " "); asked != tt.asked || j.Fault != tt.fault || j.attempts != len(c.asked) {
				t.Errorf("asked %q and ended with %s after %d attempts, want %q and %s",
					asked, j.Fault, j.attempts, tt.asked, tt.fault)
			}
			for m := range tt.service.Duty.Pool().Members() {
				if n := m.Endpoint.InFlight(); n != 0 {
					t.Errorf("%s still has %d in flight", m.Endpoint.ID(), n)
				}
			}
		})
	}
}

// panicking is a carrier with a mistake in it.
type panicking struct{ played }

func (*panicking) Relay(Lane) Result { panic("a mistake") }

func TestAPanicLeavesNothingInFlight(t *testing.T) {
	s := onDuty("a")
	defer func() {
		if recover() == nil {
			t.Error("the panic was swallowed")
		}
		e := nth(s, 0)
		if _, failures := e.Totals(); e.InFlight() != 0 || failures != 0 {
			t.Errorf("%d in flight, %d failures: our mistake is not the endpoint's", e.InFlight(), failures)
		}
	}()
	travel(s, true, new(panicking), time.Now())
}

func TestStatusOfFaults(t *testing.T) {
	e := balancer.NewEndpoint("a", "a", nil)
	tests := map[upstream.Fault]int{
		upstream.Unreachable: 503, upstream.ConnectTimeout: 504, upstream.Reset: 502, upstream.Late: 504, upstream.Stalled: 504,
		upstream.Malformed: 502, upstream.ClientStalled: 408, upstream.ClientBody: 400, upstream.Expired: 504, upstream.OwnLimit: 503,
	}
	for fault, want := range tests {
		if got, _ := (&journey{Result: Result{Fault: fault}, endpoint: e}).answer(); got != want {
			t.Errorf("%s is told as %d, want %d", fault, got, want)
		}
	}
	if got, _ := (&journey{Result: Result{Fault: upstream.Unreachable}}).answer(); got != 503 {
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
		upstream.ClientBody: balancer.Abandoned, upstream.Expired: balancer.Abandoned,
		upstream.Limited: balancer.Abandoned, upstream.OwnLimit: balancer.Abandoned,
	}
	for fault := upstream.None; fault <= upstream.OwnLimit; fault++ {
		if got := outcome(Result{Fault: fault, Status: 200}); got != tests[fault] {
			t.Errorf("%s counts as %s, want %s", fault, fmt.Sprint(got), fmt.Sprint(tests[fault]))
		}
	}
}

func TestOutcomeOfStatuses(t *testing.T) {
	for status, want := range map[int]balancer.Outcome{
		101: balancer.Succeeded, 200: balancer.Succeeded, 304: balancer.Succeeded, 404: balancer.Succeeded, 499: balancer.Succeeded,
		500: balancer.Erred, 501: balancer.Erred, 502: balancer.Unavailable, 503: balancer.Unavailable,
		504: balancer.Unavailable, 505: balancer.Erred, 599: balancer.Erred,
	} {
		if got := outcome(Result{Status: status}); got != want {
			t.Errorf("an answer of %d counts as %d, want %d", status, got, want)
		}
	}
}

// The time until an answer is learned, unless the client had a part in it.
func TestLatencyIsLearned(t *testing.T) {
	for _, streamed := range []bool{false, true} {
		s := onDuty("a")
		for range 50 {
			travel(s, true, &played{answers: map[string]Result{"a": {Status: 200, Streamed: streamed}}}, time.Now().Add(-time.Second))
		}
		mean, p99 := nth(s, 0).Latency()
		if streamed && mean != 0 || !streamed && (mean < time.Second || p99 < time.Second) {
			t.Errorf("streamed %v: the mean is %v and the quantile %v", streamed, mean, p99)
		}
	}
}
