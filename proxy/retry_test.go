package proxy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/upstream"
)

// usual is what rota does by default, but for pauses that nobody notices.
var usual = Retry{
	Attempts: 4, Connect: true, Reset: true, Timeout: true, Budget: 20, MinPerSecond: 10, Backoff: time.Microsecond,
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
//	a status listed     –        again              no          no
//	own limit           again    no                 no          no
//	client              no       no                 no          no
func TestAgain(t *testing.T) {
	const idempotent, other = true, false
	everything := usual
	everything.Statuses = []int{503, 429}
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
		{"503, GET", Result{Status: 503, Sent: true, Replayable: true}, idempotent, 1, true},
		{"503, POST", Result{Status: 503, Sent: true, Replayable: true}, other, 1, false},
		{"503 to a body that is spent", Result{Status: 503, Sent: true}, idempotent, 1, false},
		{"another status", Result{Status: 502, Sent: true, Replayable: true}, idempotent, 1, false},
		{"200", Result{Status: 200, Sent: true, Replayable: true}, idempotent, 1, false},
		{"the last attempt but one", Result{Fault: upstream.Unreachable, Replayable: true}, other, usual.Attempts - 1, true},
		{"the last attempt", Result{Fault: upstream.Unreachable, Replayable: true}, other, usual.Attempts, false},
	}
	for _, tt := range tests {
		if got := everything.again(tt.result, tt.idempotent, tt.attempts); got != tt.want {
			t.Errorf("%s: again is %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What is not listed is not tried again.
func TestEachFailureCanBeLeftOut(t *testing.T) {
	faults := []upstream.Fault{upstream.Unreachable, upstream.ConnectTimeout, upstream.OwnLimit, upstream.Reset, upstream.Late, upstream.Stalled}
	tests := map[string]struct {
		retry Retry
		want  []upstream.Fault
	}{
		"connect": {Retry{Attempts: 2, Connect: true}, faults[:3]},
		"reset":   {Retry{Attempts: 2, Reset: true}, faults[3:4]},
		"timeout": {Retry{Attempts: 2, Timeout: true}, faults[4:]},
		"503":     {Retry{Attempts: 2, Statuses: []int{503}}, nil},
		"nothing": {},
	}
	for name, tt := range tests {
		for _, f := range faults {
			want := slices.Contains(tt.want, f)
			if got := tt.retry.again(Result{Fault: f, Replayable: true}, true, 1); got != want {
				t.Errorf("%s: %s is tried again: %v", name, f, got)
			}
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

// Only who can ask somebody else gives a backend less time.
func TestTheLimitOfATry(t *testing.T) {
	r := Retry{Attempts: 3, Timeout: true, PerTry: time.Second}
	untimed := r
	untimed.Timeout = false
	tests := []struct {
		retry      Retry
		idempotent bool
		attempts   int
		want       time.Duration
	}{
		{r, true, 1, time.Second},
		{r, true, 2, time.Second},
		{r, true, 3, 0},
		{r, false, 1, 0},
		{untimed, true, 1, 0},
		{Retry{}, true, 1, 0},
	}
	for _, tt := range tests {
		if got := tt.retry.limit(tt.idempotent, tt.attempts); got != tt.want {
			t.Errorf("idempotent %v, attempt %d: %v, want %v", tt.idempotent, tt.attempts, got, tt.want)
		}
	}
}

// The last chance is not cut short: that of who has no other try, nobody else to
// ask, or no budget for it.
func TestTheLastChanceIsNotLimited(t *testing.T) {
	late := Result{Fault: upstream.Late, Sent: true, Replayable: true, Err: errors.New("late")}
	const s = time.Second
	tests := []struct {
		name   string
		on     string // endpoints
		budget int64  // in attempts
		want   []time.Duration
	}{
		{"until there is no other try", "abcde", 9, []time.Duration{s, s, s, 0}},
		{"until nobody else is left", "abc", 2, []time.Duration{s, s, 0}},
		{"nobody else is there", "a", 0, []time.Duration{0}},
		{"until there is no budget", "abc", 1, []time.Duration{s, 0}},
		{"there is no budget", "abc", 0, []time.Duration{0}},
	}
	for _, tt := range tests {
		service := onDuty(strings.Split(tt.on, "")...)
		service.Retry.PerTry = s
		service.stats.budget.left.Store(tt.budget * price)
		c := &played{answers: map[string]Result{"a": late, "b": late, "c": late, "d": late, "e": late}}
		travel(service, true, c, time.Now())
		if !slices.Equal(c.limits, tt.want) {
			t.Errorf("%s: tries lasted %v, want %v", tt.name, c.limits, tt.want)
		}
	}
}

// The first retry goes elsewhere at once. Then there is a pause, drawn from a
// range that doubles up to an end; and always one before the same endpoint again.
func TestBackoff(t *testing.T) {
	r := Retry{Backoff: 25 * ms}
	tests := []struct {
		retry     int
		elsewhere bool
		most      time.Duration
	}{
		{1, true, 0}, {1, false, 25 * ms},
		{2, true, 25 * ms}, {2, false, 25 * ms},
		{3, true, 50 * ms}, {4, true, 100 * ms}, {5, false, 200 * ms}, {6, true, 250 * ms}, {99, true, 250 * ms},
	}
	for _, tt := range tests {
		got := r.backoff(tt.retry, tt.elsewhere, func(n int64) int64 { return n - 1 })
		if got != max(0, tt.most-1) {
			t.Errorf("retry %d, elsewhere %v: up to %v, want %v", tt.retry, tt.elsewhere, got+1, tt.most)
		}
		if got := r.backoff(tt.retry, tt.elsewhere, func(int64) int64 { return 0 }); got != 0 {
			t.Errorf("retry %d: %v at least, want nothing", tt.retry, got)
		}
	}
}

// What an attempt must pay for: one that follows on what may have cost a backend
// something, or that asks somebody again.
func TestWhatRetriesCost(t *testing.T) {
	refused := Result{Fault: upstream.Unreachable, Replayable: true, Err: errors.New("connection refused")}
	broken := Result{Fault: upstream.Reset, Sent: true, Replayable: true, Err: errors.New("reset")}
	busy := Result{Status: 503, Sent: true, Replayable: true}
	tests := []struct {
		name    string
		on      string // endpoints
		answers map[string]Result
		budget  int64 // in attempts
		asked   string
		left    int64
		refused uint64 // attempts, for want of a budget
	}{
		{"no connection, somebody else is left", "abcd", map[string]Result{"a": refused, "b": refused, "c": refused}, 0, "a b c d", 0, 0},
		{"no connection, and nobody is left", "ab", map[string]Result{"a": refused, "b": refused}, 0, "a b", 0, 1},
		{"no connection, round and round", "ab", map[string]Result{"a": refused, "b": refused}, 5, "a b a b", 4, 0},
		{"a reset", "ab", map[string]Result{"a": broken}, 1, "a b", 0, 0},
		{"a reset, without a budget", "ab", map[string]Result{"a": broken}, 0, "a", 0, 1},
		{"resets", "abcd", map[string]Result{"a": broken, "b": broken, "c": broken}, 2, "a b c", 0, 1},
		{"a status", "ab", map[string]Result{"a": busy, "b": busy}, 1, "a b", 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := onDuty(strings.Split(tt.on, "")...)
			s.Retry.Statuses = []int{503}
			s.stats.budget.left.Store(tt.budget * price)
			c := &played{answers: tt.answers}
			j := travel(s, true, c, time.Now())
			if asked := strings.Join(c.asked, " "); asked != tt.asked || s.stats.budget.left.Load() != tt.left*price {
				t.Errorf("asked %q, with %d left; want %q and %d", asked, s.stats.budget.left.Load()/price, tt.asked, tt.left)
			}
			if got := s.stats.exhausted.Load(); got != tt.refused {
				t.Errorf("the budget was exhausted %d times, want %d", got, tt.refused)
			}
			// A response that is not asked for again is the client's.
			if want := j.Fault == upstream.None; (c.relayed == 1) != want {
				t.Errorf("%d responses relayed", c.relayed)
			}
		})
	}
}

// A client that leaves in a pause ends the request, and nobody else is asked.
func TestAClientThatLeavesInAPause(t *testing.T) {
	s := onDuty("a")
	c := &played{leaves: upstream.ClientGone, answers: map[string]Result{"a": {Fault: upstream.Reset, Sent: true, Replayable: true}}}
	j := travel(s, true, c, time.Now())
	if len(c.asked) != 1 || len(c.pauses) != 1 || j.Fault != upstream.ClientGone {
		t.Errorf("asked %q with pauses %v, and ended with %s", c.asked, c.pauses, j.Fault)
	}
}
