package health

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"
)

// outlying is a spec with times that are easy to add.
var outlying = OutlierSpec{
	Consecutive: 5, Deviations: 1.9, LatencyFactor: 5, LatencyFloor: 100 * ms,
	MinHosts: 3, MinRequests: 100, Interval: 10 * sec,
	BaseEjection: sec, MaxEjection: 8 * sec, MaxEjected: 50,
}

// outlierEvents are the letters of histories: what happens to an endpoint.
var outlierEvents = map[rune]func(o Outlier, now time.Time) Outlier{
	'f': func(o Outlier, now time.Time) Outlier { return o.Eject(outlying, ConsecutiveFailures, now) },
	'r': func(o Outlier, now time.Time) Outlier { return o.Compared(outlying, SuccessRate, now) },
	'l': func(o Outlier, now time.Time) Outlier { return o.Compared(outlying, Latency, now) },
	'=': func(o Outlier, now time.Time) Outlier { return o.Compared(outlying, NoCause, now) },
	'd': func(o Outlier, now time.Time) Outlier { return o.Fell(outlying, now) },
	'+': func(o Outlier, now time.Time) Outlier { return o.Checked(now) },
	'.': func(o Outlier, _ time.Time) Outlier { return o },
}

// replayOutlier has one event come after the other, 100 ms apart.
func replayOutlier(history string, start time.Time) (o Outlier, end time.Time) {
	for _, event := range history {
		o = outlierEvents[event](o, start)
		start = start.Add(100 * ms)
	}
	return o, start
}

// The state × event matrix. "In 1" has been out once, "slow" was too slow when
// last compared, "fell 2" was found down twice, "due" is out and its time is
// over. A dash is "stays as it is".
//
//	         failures  success rate  latency  comparison  falls   good check
//	in       out 1 s   out 1 s       slow     -           fell 1  -
//	slow     out 1 s   out 1 s       out 1 s  in          fell 1  -
//	in 1     out 2 s   out 2 s       slow     -           fell 2  -
//	fell 2   out 4 s   out 4 s       slow     -           out 1 s -
//	out      -         -             -        -           -       -
//	due      -         -             -        -           -       in
func TestOutlierMatrix(t *testing.T) {
	const out = "f"
	due := out + ".........."
	tests := []struct {
		state, history string
		event          rune
		cause          Cause
		ejected        time.Duration // anew
		level          int
		slow           bool
	}{
		{"in", "", 'f', ConsecutiveFailures, sec, 1, false},
		{"in", "", 'r', SuccessRate, sec, 1, false},
		{"in", "", 'l', NoCause, 0, 0, true},
		{"in", "", '=', NoCause, 0, 0, false},
		{"in", "", 'd', NoCause, 0, 1, false},
		{"in", "", '+', NoCause, 0, 0, false},

		{"slow", "l", 'f', ConsecutiveFailures, sec, 1, false},
		{"slow", "l", 'r', SuccessRate, sec, 1, false},
		{"slow", "l", 'l', Latency, sec, 1, false},
		{"slow", "l", '=', NoCause, 0, 0, false},
		{"slow", "l", 'd', NoCause, 0, 1, true},
		{"slow", "l", '+', NoCause, 0, 0, true},

		{"in 1", due + "+", 'f', ConsecutiveFailures, 2 * sec, 2, false},
		{"in 1", due + "+", 'r', SuccessRate, 2 * sec, 2, false},
		{"in 1", due + "+", 'l', NoCause, 0, 1, true},
		{"in 1", due + "+", '=', NoCause, 0, 1, false},
		{"in 1", due + "+", 'd', NoCause, 0, 2, false},
		{"in 1", due + "+", '+', NoCause, 0, 1, false},

		{"fell 2", "dd", 'f', ConsecutiveFailures, 4 * sec, 3, false},
		{"fell 2", "dd", 'r', SuccessRate, 4 * sec, 3, false},
		{"fell 2", "dd", 'l', NoCause, 0, 2, true},
		{"fell 2", "dd", '=', NoCause, 0, 2, false},
		{"fell 2", "dd", 'd', Flapping, sec, 3, false},
		{"fell 2", "dd", '+', NoCause, 0, 2, false},

		{"out", out, 'f', ConsecutiveFailures, 0, 1, false},
		{"out", out, 'r', ConsecutiveFailures, 0, 1, false},
		{"out", out, 'l', ConsecutiveFailures, 0, 1, false},
		{"out", out, '=', ConsecutiveFailures, 0, 1, false},
		{"out", out, 'd', ConsecutiveFailures, 0, 1, false},
		{"out", out, '+', ConsecutiveFailures, 0, 1, false},

		{"due", due, 'f', ConsecutiveFailures, 0, 1, false},
		{"due", due, 'r', ConsecutiveFailures, 0, 1, false},
		{"due", due, 'l', ConsecutiveFailures, 0, 1, false},
		{"due", due, '=', ConsecutiveFailures, 0, 1, false},
		{"due", due, 'd', ConsecutiveFailures, 0, 1, false},
		{"due", due, '+', NoCause, 0, 1, false},
	}
	for _, test := range tests {
		t.Run(test.state+" "+string(test.event), func(t *testing.T) {
			before, now := replayOutlier(test.history, time.Now())
			until := before.Until()
			if test.ejected > 0 {
				until = now.Add(test.ejected)
			}
			got := outlierEvents[test.event](before, now)
			if got.Cause() != test.cause || got.level != test.level || got.slow != test.slow {
				t.Errorf("got %+v", got)
			}
			if !got.Until().Equal(until) {
				t.Errorf("out for %v, want %v", got.Until().Sub(now), until.Sub(now))
			}
		})
	}
}

// The time doubles with each repeat up to the limit, and shrinks again with
// good behaviour, as it grew.
func TestOutlierEjectionGrowsAndShrinks(t *testing.T) {
	var o Outlier
	now := time.Now()
	for i, want := range []time.Duration{1, 2, 4, 8, 8, 8} {
		o = o.Eject(outlying, ConsecutiveFailures, now)
		if got := o.Until().Sub(now); got != want*sec {
			t.Errorf("ejection %d lasts %v, want %v", i+1, got, want*sec)
		}
		now = o.Until()
		if o = o.Checked(now); o.Cause() != NoCause {
			t.Fatalf("it does not return: %+v", o)
		}
	}
	// Level 6: 32 s make it 5, then 4, 3 and 2; level 2 takes 8 s.
	for _, step := range []struct {
		wait  time.Duration
		level int
	}{{32*sec - 1, 6}, {1, 5}, {2 * 32 * sec, 3}, {16*sec - 1, 3}, {1, 2}, {8 * sec, 1}, {4*sec - 1, 1}, {1, 0}, {time.Hour, 0}} {
		now = now.Add(step.wait)
		if o = o.Compared(outlying, NoCause, now); o.level != step.level {
			t.Errorf("after %v more it stands at %d, want %d", step.wait, o.level, step.level)
		}
	}
}

// A check that began before the time was over may have looked too early.
func TestOutlierNeedsAFreshCheck(t *testing.T) {
	now := time.Now()
	o := Outlier{}.Eject(outlying, Latency, now)
	if got := o.Checked(o.Until().Add(-1)); got != o {
		t.Errorf("a check that began too early brings it back: %+v", got)
	}
	if got := o.Checked(o.Until()); got.Cause() != NoCause {
		t.Errorf("a fresh check leaves it out: %+v", got)
	}
}

// faults.md 39: with checks that go up and down ten times a second, an endpoint
// comes back fewer and fewer times.
func TestOutlierFlappingAtTenHertz(t *testing.T) {
	var o Outlier
	changes, last := 0, NoCause
	start := time.Now()
	for now := start; now.Before(start.Add(2 * time.Minute)); now = now.Add(50 * ms) {
		if now.Sub(start)/(50*ms)%2 == 0 {
			o = o.Fell(outlying, now)
		} else {
			o = o.Checked(now)
		}
		if o.Cause() != last {
			changes, last = changes+1, o.Cause()
		}
	}
	// 1, 2 and 4 s, then 8 s at a time: 17 ejections, each with a return.
	if changes < 30 || changes > 36 {
		t.Errorf("out or back %d times in two minutes, want about 34", changes)
	}
}

func TestOutlierAllows(t *testing.T) {
	tests := []struct {
		percent, serving, out int
		want                  bool
	}{
		{50, 1, 0, false}, {50, 2, 0, true}, {50, 1, 1, false}, {50, 3, 0, true}, {50, 2, 1, false},
		{50, 3, 1, true}, {50, 2, 2, false}, {50, 0, 0, false}, {10, 3, 0, true}, {10, 2, 1, false},
		{100, 2, 5, true}, {100, 1, 5, false}, {0, 10, 0, false},
	}
	for _, tt := range tests {
		s := OutlierSpec{MaxEjected: tt.percent}
		if got := s.Allows(tt.serving, tt.out); got != tt.want {
			t.Errorf("%d %%, %d serving, %d out: %v, want %v", tt.percent, tt.serving, tt.out, got, tt.want)
		}
	}
}

func TestOutlierJudge(t *testing.T) {
	rates := func(percent ...uint64) (s []Sample) {
		for _, p := range percent {
			s = append(s, Sample{Requests: 1000, Failures: 1000 - 10*p, Latency: 10 * ms})
		}
		return s
	}
	slow := func(times ...time.Duration) (s []Sample) {
		for _, d := range times {
			s = append(s, Sample{Requests: 1000, Latency: d})
		}
		return s
	}
	const no, streak, rate, late = NoCause, ConsecutiveFailures, SuccessRate, Latency
	tests := []struct {
		name    string
		samples []Sample
		want    []Cause
	}{
		{"nobody", nil, nil},
		{"all are well", rates(100, 100, 100), []Cause{no, no, no}},
		{"one of three fails always", rates(100, 0, 100), []Cause{no, rate, no}},
		{"one of three fails often", rates(99, 100, 80), []Cause{no, no, rate}},
		{"an error now and then", rates(100, 100, 91), []Cause{no, no, no}},
		{"all fail alike", rates(20, 22, 18, 21), []Cause{no, no, no, no}},
		{"they differ a lot anyway", rates(100, 60, 90, 55), []Cause{no, no, no, no}},
		{"two hosts", rates(100, 0), []Cause{no, no}},
		{"too few requests to say", []Sample{{Requests: 99, Failures: 99}, {Requests: 1000}, {Requests: 1000}, {Requests: 1000}},
			[]Cause{no, no, no, no}},
		{"idle ones don't count", append(rates(100, 0), Sample{}), []Cause{no, no, no}},

		{"a streak", []Sample{{Streak: 4}, {Streak: 5}, {Streak: 500}}, []Cause{no, streak, streak}},
		{"a streak comes first", append(rates(100, 100), Sample{Requests: 1000, Failures: 1000, Streak: 5}), []Cause{no, no, streak}},

		{"alike", slow(10*ms, 12*ms, 14*ms), []Cause{no, no, no}},
		{"five times slower", slow(30*ms, 31*ms, 155*ms), []Cause{no, no, no}},
		{"more than five times slower", slow(30*ms, 31*ms, 156*ms), []Cause{no, no, late}},
		{"ten times slower, and still fast", slow(ms, ms, 10*ms), []Cause{no, no, no}},
		{"the faster half sets the measure", slow(30*ms, 30*ms, 400*ms, 400*ms), []Cause{no, no, late, late}},
		{"slow, among two", slow(30*ms, time.Second), []Cause{no, no}},
		{"slow, but not known to be", slow(30*ms, 30*ms, 0, time.Second), []Cause{no, no, no, late}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := outlying.Judge(tt.samples); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			off := OutlierSpec{MinHosts: 3, MinRequests: 100}
			if got := off.Judge(tt.samples); slices.ContainsFunc(got, func(c Cause) bool { return c != no }) {
				t.Errorf("with all of it off: %v", got)
			}
		})
	}
}

// More failures than requests, since a counter was read a moment later, is all
// of them.
func TestOutlierOddSamples(t *testing.T) {
	s := Sample{Requests: 100, Failures: math.MaxUint64}
	if got := outlying.Judge([]Sample{s, {Requests: 100}, {Requests: 100}}); got[0] != SuccessRate {
		t.Errorf("judged %v", got)
	}
}

// jumped is t on a clock that has been set forward by d since: the same moment
// by the clock that can't be set, another on the wall. A time of the time
// package has the seconds on the wall in 33 bits above 30 of nanoseconds, next
// to the other clock's.
func jumped(t time.Time, d time.Duration) time.Time {
	const nanoBits = 30
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall += uint64(d/time.Second) << nanoBits
	return t
}

// faults.md 60: a clock that is set a day ahead or back neither ejects anybody
// nor brings anybody back, nor forgives.
func TestOutlierClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		start := time.Now()
		if got := jumped(start, jump); got.Sub(start) != 0 || got.Round(0).Sub(start.Round(0)) != jump {
			t.Fatalf("the clock of the test does not jump: %v after %v", got, start)
		}
		o := Outlier{}.Eject(outlying, ConsecutiveFailures, start)
		early, due := jumped(start.Add(sec-1), jump), jumped(start.Add(sec), jump)
		if got := o.Checked(early); got != o {
			t.Errorf("a jump of %v brings it back early", jump)
		}
		o = o.Checked(due)
		if o.Cause() != NoCause {
			t.Errorf("a jump of %v keeps it out", jump)
		}
		if got := o.Compared(outlying, NoCause, due.Add(4*sec-1)); got.level != 1 {
			t.Errorf("a jump of %v forgives", jump)
		}
		if got := o.Compared(outlying, NoCause, start.Add(5*sec)); got.level != 0 {
			t.Errorf("a jump of %v back does not forgive", jump)
		}
	}
}

// Another process goes on with the state, in its own time.
func TestOutlierIsPassedOn(t *testing.T) {
	for _, history := range []string{"", "f", "ff", "l", "d", "dd", "dddd", "f..........+", "r"} {
		t.Run(history, func(t *testing.T) {
			before, now := replayOutlier(history, time.Now())
			text, err := json.Marshal(before)
			if err != nil {
				t.Fatal(err)
			}
			var after Outlier
			if err := json.Unmarshal(text, &after); err != nil {
				t.Fatal(err)
			}
			near := func(a, b time.Time) bool { return a.IsZero() == b.IsZero() && a.Sub(b).Abs() < time.Minute }
			if after.cause != before.cause || after.level != before.level || after.slow != before.slow ||
				!near(after.since, before.since) || before.cause != NoCause && !near(after.until, before.until) {
				t.Errorf("it becomes %+v, want %+v, by way of %s", after, before, text)
			}
			if after.until.After(now.Add(outlying.MaxEjection)) {
				t.Errorf("out until %v", after.until)
			}
		})
	}
	for _, text := range []string{`{"cause":"boredom","level":-3}`, `{"cause":"latency","left":-1}`, `{"level":9223372036854775807}`} {
		var o Outlier
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		o.Compared(outlying, NoCause, time.Now()).Eject(outlying, Latency, time.Now())
	}
}
