package balancer

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

// What each outcome counts as: nothing, a failure, or an answer of 5xx; what it does
// to a streak of three, and whether its owner is told.
func TestDone(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		outcome                 Outcome
		ended, failures, errors uint64
		streak                  int
		told                    bool
	}{
		{Succeeded, 1, 0, 0, 0, false},
		{Abandoned, 0, 0, 0, 3, false},
		{Unreachable, 1, 1, 0, 4, true},
		{Broken, 1, 1, 0, 4, true},
		{Silent, 1, 1, 0, 4, true},
		{Unavailable, 1, 0, 1, 4, true},
		{Erred, 1, 0, 1, 0, false},
	}
	for _, tt := range tests {
		var told error
		e := NewEndpoint("node/web-1", "10.0.0.1:80", func(e *Endpoint, o Outcome, err error) {
			if e.ID() != "node/web-1" || o != tt.outcome || e.Streak() != tt.streak {
				t.Errorf("told of outcome %d of %q at a streak of %d", o, e.ID(), e.Streak())
			}
			told = err
		})
		e.streak.Store(3)
		e.begin()
		if ended, _ := e.Told(); e.InFlight() != 1 || ended != 0 {
			t.Errorf("%d in flight after one pick, and %d have ended", e.InFlight(), ended)
		}
		e.Done(tt.outcome, "10.0.0.1:80", enoughSilence, refused)
		_, failures := e.Totals()
		if ended, badly := e.Told(); ended != tt.ended || failures != tt.failures || badly != tt.failures+tt.errors || e.Streak() != tt.streak {
			t.Errorf("outcome %d: %d ended, %d failures, %d of them and errors, a streak of %d", tt.outcome, ended, failures, badly, e.Streak())
		}
		if (told == refused) != tt.told || e.InFlight() != 0 {
			t.Errorf("outcome %d: told of %v, %d in flight", tt.outcome, told, e.InFlight())
		}
	}
}

// What happens at a former address must not take the endpoint out at its new
// one.
func TestAFormerAddressDoesNotCount(t *testing.T) {
	told := 0
	e := NewEndpoint("node/web-1", "10.0.0.1:80", func(*Endpoint, Outcome, error) { told++ })
	for range known {
		e.Done(Succeeded, "10.0.0.1:80", time.Millisecond, nil)
	}
	e.Done(Broken, "10.0.0.1:80", 0, errors.New("reset"))
	if mean, p99 := e.Latency(); mean != time.Millisecond || p99 == 0 || e.Streak() != 1 {
		t.Errorf("before the move: mean %v, quantile %v, streak %d", mean, p99, e.Streak())
	}
	e.Move("10.0.0.2:81")
	e.Done(Unreachable, "10.0.0.1:80", 0, errors.New("connection refused"))
	e.Done(Silent, "10.0.0.1:80", time.Second, errors.New("silent"))
	if told != 1 {
		t.Errorf("told of %d failures, want that before the move", told)
	}
	if mean, p99 := e.Latency(); mean != 0 || p99 != 0 || e.Streak() != 0 || e.Address() != "10.0.0.2:81" {
		t.Errorf("after the move to %s: mean %v, quantile %v, streak %d", e.Address(), mean, p99, e.Streak())
	}
}

// An endpoint that was overtaken counts as failed only when it has answered nobody
// for a while, however many it was overtaken with at once.
func TestAMomentOfSilence(t *testing.T) {
	const ms = time.Millisecond
	silent := func(e *Endpoint, took time.Duration) { e.Done(Silent, "10.0.0.1:80", took, nil) }
	e := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	for range 100 {
		e.begin()
		silent(e, 20*ms)
	}
	enough := uint64(e.Streak()) // where our own program stood still
	if enough > 0 && time.Since(epoch)-time.Duration(e.mute.Load()) < enoughSilence {
		t.Errorf("a streak of %d within a moment", e.Streak())
	}
	_, failures := e.Totals()
	if ended, badly := e.Told(); failures != enough || badly != enough || ended != enough {
		t.Errorf("%d failures, and %d of %d, want %d of each", failures, badly, ended, enough)
	}
	for _, o := range []Outcome{Succeeded, Erred, Broken} {
		e.mute.Store(1) // since the epoch
		e.Done(o, "10.0.0.1:80", ms, nil)
		if e.mute.Load() != 0 {
			t.Errorf("outcome %d does not end a silence", o)
		}
	}
	e.Done(Succeeded, "10.0.0.1:80", ms, nil)
	silent(e, enoughSilence)
	silent(e, ms)
	if e.Streak() != 2 {
		t.Errorf("a streak of %d after long, want 2", e.Streak())
	}
	if _, failures := e.Totals(); failures != enough+3 {
		t.Errorf("%d failures, want %d", failures, enough+3)
	}
}

// Who hangs is not given more time for it.
func TestSilenceDoesNotMoveTheQuantile(t *testing.T) {
	e := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	for range 100 {
		e.Done(Succeeded, "10.0.0.1:80", time.Millisecond, nil)
	}
	_, before := e.Latency()
	for range 1000 {
		e.Done(Silent, "10.0.0.1:80", before+time.Millisecond, nil)
	}
	if _, p99 := e.Latency(); p99 != before {
		t.Errorf("after 1,000 silences the quantile is %v, and was %v", p99, before)
	}
}

// A silence tells at least how long it was.
func TestSilenceIsSlow(t *testing.T) {
	e := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	for range 100 {
		e.Done(Succeeded, "10.0.0.1:80", time.Millisecond, nil)
	}
	e.Done(Silent, "10.0.0.1:80", 100*time.Millisecond, nil)
	if mean, _ := e.Latency(); mean < 10*time.Millisecond {
		t.Errorf("the mean is %v after a silence of 100 ms", mean)
	}
}

// Another process goes on with what was learned as if it had learned it itself,
// whatever it is told.
func TestWhatIsLearnedIsTakenOver(t *testing.T) {
	e := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	e.peak.picked.Store(1)
	for range 2 * enough {
		e.Done(Succeeded, "10.0.0.1:80", time.Millisecond, nil)
	}
	e.Done(Broken, "10.0.0.1:80", 0, errors.New("reset"))
	text, err := json.Marshal(e.Learned())
	if err != nil {
		t.Fatal(err)
	}
	var learned Learned
	if err := json.Unmarshal(text, &learned); err != nil {
		t.Fatal(err)
	}
	next := NewEndpoint("node/web-1", "10.0.0.1:80", nil)
	next.Learn(learned)
	if got, want := next.Learned(), e.Learned(); got != want || got.Mean != time.Millisecond || got.Streak != 1 || got.Peak != asFailure {
		t.Errorf("it knows %+v, want %+v", got, want)
	}
	for _, bad := range []Learned{
		{Answers: math.MaxUint64, Mean: math.MaxInt64, P99: math.MaxInt64, Peak: math.MaxInt64},
		{Answers: 1, Mean: -1, P99: -1, Peak: -1},
	} {
		next.Learn(bad)
		next.Done(Succeeded, "10.0.0.1:80", time.Millisecond, nil)
		if mean, p99 := next.Latency(); mean < 0 || p99 < 0 || next.peak.faded(uptime()) < 0 {
			t.Errorf("after %+v it answers in %v, 99 in 100 in %v", bad, mean, p99)
		}
	}
}
