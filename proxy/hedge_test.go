package proxy

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

func TestTheDelayOfAHedge(t *testing.T) {
	h := Hedge{MinDelay: 20 * time.Millisecond, UnknownDelay: 500 * time.Millisecond}
	for p99, want := range map[time.Duration]time.Duration{
		0: h.UnknownDelay, 1: h.MinDelay, 20 * time.Millisecond: h.MinDelay, 21 * time.Millisecond: 21 * time.Millisecond,
		time.Hour: time.Hour, // who is asked for what takes long is given long
	} {
		if got := h.delay(p99); got != want {
			t.Errorf("with a quantile of %v: %v, want %v", p99, got, want)
		}
	}
}

// RFC 9110 §9.2.1
func TestIsSafe(t *testing.T) {
	for method, want := range map[string]bool{
		"GET": true, "HEAD": true, "OPTIONS": true, "PUT": false, "DELETE": false, "POST": false, "PATCH": false, "get": false, "": false,
	} {
		if got := isSafe(method); got != want {
			t.Errorf("%q is safe: %v, want %v", method, got, want)
		}
	}
}

// scene is how an endpoint answers: after a time, unless it is stopped before.
type scene struct {
	after  time.Duration
	result Result
}

// staged is a carrier on which endpoints take their time.
type staged struct {
	scenes map[string]scene
	stops  [2]chan struct{}

	mu      sync.Mutex
	events  []string
	started time.Time
}

func (s *staged) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := fmt.Sprintf("%d ", time.Since(s.started).Milliseconds())
	s.events = append(s.events, at+fmt.Sprintf(format, args...))
}

func (s *staged) Send(l Lane, address string, limit time.Duration) Result {
	s.note("%s asked", address)
	after, late := s.scenes[address].after, false
	if limit > 0 && limit < after {
		after, late = limit, true
	}
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-timer.C:
		if late {
			return Result{Fault: upstream.Late, Sent: true, Replayable: true, Err: errors.New("late")}
		}
		r := s.scenes[address].result
		r.Replayable = true
		return r
	case <-s.stops[l]:
		s.note("%s stopped", address)
		return Result{Fault: upstream.Late, Sent: true, Replayable: true, Err: errors.New("stopped")}
	}
}

func (*staged) Leave() {}

func (s *staged) Stop(l Lane) { close(s.stops[l]) } // once, or it panics

func (s *staged) Relay(l Lane) Result {
	s.note("relayed %d", l)
	return Result{Status: 200, Sent: true, Started: true}
}

func (s *staged) Again(time.Duration) upstream.Fault {
	s.stops = [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	return upstream.None
}

func newStaged(scenes map[string]scene) *staged {
	s := &staged{scenes: scenes, started: time.Now()}
	s.Again(0)
	return s
}

// The answers of contests.
var (
	well    = Result{Status: 200, Sent: true}
	cant    = Result{Status: 503, Sent: true}
	refused = Result{Fault: upstream.Unreachable, Err: errors.New("refused")}
	cut     = Result{Fault: upstream.Reset, Sent: true, Err: errors.New("reset")}
)

const ms = time.Millisecond

// Who answers first is relayed, whatever becomes of the other; and what it says
// of each of them.
//
//	                        the second answers   fails      can't serve
//	the first is silent     second               first      first
//	the first answers       first, if before     first      first
//	the first can't serve   second               first      first
//	the first fails         second               again      again
var contests = []struct {
	name      string
	scenes    map[string]scene
	want      string // what happens, and when in milliseconds
	failures  string // endpoints that have one
	won, lost uint64
}{
	{"nobody is slow", map[string]scene{"a": {499 * ms, well}},
		"0 a asked, 499 relayed 0", "", 0, 0},
	{"the first hangs", map[string]scene{"a": {time.Hour, well}, "b": {10 * ms, well}},
		"0 a asked, 500 b asked, 510 a stopped, 510 relayed 1", "a", 1, 0},
	{"the first is slow", map[string]scene{"a": {600 * ms, well}, "b": {time.Hour, well}},
		"0 a asked, 500 b asked, 600 b stopped, 600 relayed 0", "", 0, 1},
	{"the second is refused, and the third answers", map[string]scene{"a": {time.Hour, well}, "b": {0, refused}, "c": {10 * ms, well}},
		"0 a asked, 500 b asked, 500 c asked, 510 a stopped, 510 relayed 1", "a b", 1, 0},
	{"three are refused, and the fifth answers", map[string]scene{"a": {time.Hour, well}, "b": {0, refused}, "c": {0, refused}, "d": {0, refused}, "e": {10 * ms, well}},
		"0 a asked, 500 b asked, 500 c asked, 500 d asked, 500 e asked, 510 a stopped, 510 relayed 1", "a b c d", 1, 0},
	{"the second breaks, and the first answers", map[string]scene{"a": {700 * ms, well}, "b": {10 * ms, cut}},
		"0 a asked, 500 b asked, 700 relayed 0", "b", 0, 1},
	{"the second can't serve, and the first answers", map[string]scene{"a": {700 * ms, well}, "b": {10 * ms, cant}},
		"0 a asked, 500 b asked, 700 relayed 0", "", 0, 1},
	{"the first breaks meanwhile, and the second answers", map[string]scene{"a": {510 * ms, cut}, "b": {50 * ms, well}},
		"0 a asked, 500 b asked, 550 relayed 1", "a", 1, 0},
	{"the first can't serve, and the second answers", map[string]scene{"a": {510 * ms, cant}, "b": {50 * ms, well}},
		"0 a asked, 500 b asked, 550 relayed 1", "", 1, 0},
	{"the first can't serve, and the third answers", map[string]scene{"a": {510 * ms, cant}, "b": {20 * ms, refused}, "c": {20 * ms, well}},
		"0 a asked, 500 b asked, 520 c asked, 540 relayed 1", "b", 1, 0},
	{"the first can't serve, and the second breaks", map[string]scene{"a": {510 * ms, cant}, "b": {50 * ms, cut}},
		"0 a asked, 500 b asked, 550 relayed 0", "b", 0, 1},
	{"neither can serve, the first says so first", map[string]scene{"a": {510 * ms, cant}, "b": {50 * ms, cant}},
		"0 a asked, 500 b asked, 550 relayed 0", "", 0, 1},
	{"neither can serve, the second says so first", map[string]scene{"a": {550 * ms, cant}, "b": {10 * ms, cant}},
		"0 a asked, 500 b asked, 550 relayed 0", "", 0, 1},
	{"both break, and the third answers", map[string]scene{"a": {510 * ms, cut}, "b": {50 * ms, cut}, "c": {10 * ms, well}},
		"0 a asked, 500 b asked, 550 c asked, 560 relayed 0", "a b", 0, 1},
	{"one hedge a request", map[string]scene{"a": {510 * ms, cut}, "b": {50 * ms, cut}, "c": {time.Minute, well}},
		"0 a asked, 500 b asked, 550 c asked, 60550 relayed 0", "a b", 0, 1},
	{"the second hangs, too, and the third answers", map[string]scene{"a": {time.Hour, well}, "b": {time.Hour, well}, "c": {10 * ms, well}},
		"0 a asked, 500 b asked, 1000 c asked, 1010 a stopped, 1010 relayed 1", "a b", 1, 0},
	{"the second hangs, and the first answers", map[string]scene{"a": {1200 * ms, well}, "b": {time.Hour, well}, "c": {time.Hour, well}},
		"0 a asked, 500 b asked, 1000 c asked, 1200 c stopped, 1200 relayed 0", "b", 0, 1},
	{"everybody hangs, as often as there may be attempts", map[string]scene{"a": {time.Minute, well}, "b": {time.Hour, well}, "c": {time.Hour, well}, "d": {time.Hour, well}, "e": {0, well}},
		"0 a asked, 500 b asked, 1000 c asked, 1500 d asked, 60000 d stopped, 60000 relayed 0", "b c", 0, 1},
	{"a retry is hedged", map[string]scene{"a": {10 * ms, cut}, "b": {time.Hour, well}, "c": {10 * ms, well}},
		"0 a asked, 10 b asked, 510 c asked, 520 b stopped, 520 relayed 1", "a b", 1, 0},
}

func TestContests(t *testing.T) {
	for _, tt := range contests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(epoch)) // endpoints count time from when the program began
				s := onDuty("a", "b", "c", "d", "e")
				s.Hedge = Hedge{Attempts: 1, MinDelay: 20 * ms, UnknownDelay: 500 * ms}
				c := newStaged(tt.scenes)
				j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
				j.attempt(time.Now())
				if got := strings.Join(c.events, ", "); got != tt.want || j.Fault != upstream.None {
					t.Errorf("%s, and ended with %s\nwant %s", got, j.Fault, tt.want)
				}
				if won, lost := s.stats.hedgesWon.Load(), s.stats.hedgesLost.Load(); won != tt.won || lost != tt.lost {
					t.Errorf("%d won and %d lost, want %d and %d", won, lost, tt.won, tt.lost)
				}
				if n := strings.Count(tt.want, "asked"); j.attempts != n {
					t.Errorf("%d attempts, want %d", j.attempts, n)
				}
				var failed []string
				for m := range s.Duty.Pool().Members() {
					if n := m.Endpoint.InFlight(); n != 0 {
						t.Errorf("%s has %d in flight", m.Endpoint.ID(), n)
					}
					if _, n := m.Endpoint.Totals(); n > 0 {
						failed = append(failed, m.Endpoint.Address())
					}
				}
				if got := strings.Join(failed, " "); got != tt.failures {
					t.Errorf("%q have failed, want %q", got, tt.failures)
				}
			})
		})
	}
}

// With locality, too, a request goes to somebody else while an endpoint is silent:
// in its tier, or where it is alone there, in another one.
func TestHedgesAmongTiers(t *testing.T) {
	alone := func(s *Service) balancer.Tier { return balancer.Tier{Pool: s.Duty.Pool()} }
	tests := map[string]func() (near, far balancer.Tier){
		"in its tier":     func() (near, far balancer.Tier) { return alone(onDuty("a", "b")), alone(onDuty("c")) },
		"in another tier": func() (near, far balancer.Tier) { return alone(onDuty("a")), alone(onDuty("b")) },
	}
	for name, tiers := range tests {
		synctest.Test(t, func(t *testing.T) {
			near, far := tiers()
			near.Load = 100
			s := onDuty()
			s.Duty = duty{balancer.NewTiers(new(balancer.Turn), near, far)}
			s.Hedge = Hedge{Attempts: 1, UnknownDelay: time.Second}
			c := newStaged(map[string]scene{"a": {after: time.Hour}, "b": {result: Result{Status: 200, Sent: true}}})
			j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
			j.attempt(time.Now())
			if got := strings.Join(c.events, ", "); got != "0 a asked, 1000 b asked, 1000 a stopped, 1000 relayed 1" {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

// What must not be hedged is not.
func TestWhatIsNotHedged(t *testing.T) {
	tests := map[string]func(s *Service, j *journey){
		"what may not be asked twice at a time": func(_ *Service, j *journey) { j.hedgeable = false },
		"where it is off":                       func(s *Service, _ *journey) { s.Hedge.Attempts = 0 },
		"without a budget":                      func(s *Service, _ *journey) { s.stats.budget.left.Store(0) },
		"without somebody else":                 func(s *Service, _ *journey) { s.Duty = onDuty("a").Duty },
	}
	for name, change := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := onDuty("a", "b")
			s.Hedge = Hedge{Attempts: 1, MinDelay: time.Millisecond, UnknownDelay: time.Second}
			c := newStaged(map[string]scene{"a": {after: time.Hour, result: Result{Status: 200}}})
			j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
			change(s, j)
			j.attempt(time.Now())
			if got := strings.Join(c.events, ", "); got != "0 a asked, 3600000 relayed 0" {
				t.Errorf("%s: %s", name, got)
			}
		})
	}
}

// A service that is slow by nature is given its usual time.
func TestHowLongAnEndpointUsuallyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onDuty("a", "b")
		s.Hedge = Hedge{Attempts: 1, MinDelay: time.Millisecond, UnknownDelay: time.Minute}
		long := scene{after: 10 * time.Second, result: Result{Status: 200, Sent: true}}
		c := newStaged(map[string]scene{"a": long, "b": long})
		j := &journey{}
		for range 100 {
			j.forget()
			j.service, j.carrier, j.idempotent, j.hedgeable = s, c, true, true
			j.attempt(time.Now())
		}
		if n := s.stats.hedgesLost.Load() + s.stats.hedgesWon.Load(); n > 0 {
			t.Errorf("%d of 100 requests were hedged", n)
		}
	})
}

// A panic in one lane ends the other, and leaves nothing in flight.
func TestAPanicEndsAContest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := onDuty("a", "b")
		s.Hedge = Hedge{Attempts: 1, UnknownDelay: time.Second}
		c := &panics{newStaged(map[string]scene{"b": {after: time.Hour}})}
		func() {
			defer func() { _ = recover() }()
			j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
			j.attempt(time.Now())
		}()
		for m := range s.Duty.Pool().Members() {
			if m.Endpoint.InFlight() != 0 {
				t.Errorf("%s has %d in flight", m.Endpoint.ID(), m.Endpoint.InFlight())
			}
		}
		if got := strings.Join(c.events, ", "); got != "1000 b asked, 2000 b stopped" {
			t.Error(got)
		}
	})
}

// panics is a carrier with a mistake in its first lane.
type panics struct{ *staged }

func (p *panics) Send(l Lane, address string, d time.Duration) Result {
	if l == second {
		return p.staged.Send(l, address, d)
	}
	time.Sleep(2 * time.Second)
	panic("a mistake")
}

// A second lane that was stopped before it began can be used by the next request
// on the connection.
func TestALaneThatWasStoppedIsOpenAgain(t *testing.T) {
	c := new(conn)
	x := &exchange{conn: c}
	x.Stop(second)
	if c.wait(second, nil, nil) {
		t.Error("a lane that was stopped waits")
	}
	x.next()
	if !c.wait(second, nil, nil) || !c.wait(first, nil, nil) {
		t.Error("the next request can't wait")
	}
}
