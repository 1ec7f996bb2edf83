package health

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"
)

var errDescriptors = os.NewSyscallError("socket", syscall.EMFILE)

// TestGoingDownAndUp follows one endpoint through its life.
func TestGoingDownAndUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, Spec{Interval: 8 * sec, Timeout: sec, HealthyAfter: 2, UnhealthyAfter: 3})
		r.Watch("a", "a:80", Unknown)
		r.after(5 * sec) // a pass at 0, the second after a pause of 0.8 s
		r.wantProbes(t, "a:80", 0, 800*ms, 4800*ms)
		r.wantReports(t, "a a:80 none", "a a:80 up", "a a:80 none")

		r.set("a:80", errRefused)
		r.after(10 * sec) // the regular one at 12.8 s fails, two more after pauses
		r.wantProbes(t, "a:80", 12800*ms, 13600*ms, 14400*ms)
		r.wantReports(t, "a a:80 none", "a a:80 none", "a a:80 down")

		r.after(25 * sec) // the retries: after 1, 2, 4, 8, 8 s; regular ones at multiples of 80 ms
		r.wantProbes(t, "a:80", 15400*ms, 17400*ms, 21400*ms, 29440*ms, 37440*ms)

		r.set("a:80", nil)
		r.after(20 * sec) // the regular one at 45.44 s passes
		r.wantProbes(t, "a:80", 45440*ms, 46240*ms, 54240*ms)
		if a := r.reports[len(r.reports)-1].Active; a.Verdict() != Healthy || a.passes != 3 {
			t.Errorf("in the end it is %+v, want healthy", a)
		}
	})
}

func TestIsolatedFailuresKeepItUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.after(0)
		for range 5 {
			r.set("a:80", errRefused)
			r.Nudge("a")
			r.after(sec / 2)
			r.set("a:80", nil)
			r.after(sec)
		}
		for _, report := range r.reports[1:] {
			if report.Transition != None {
				t.Errorf("it went %v", report.Transition)
			}
		}
		if n := len(r.reports); n != 11 {
			t.Errorf("%d reports, want 11", n)
		}
	})
}

func TestStrike(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.after(2 * sec)
		r.wantReports(t, "a a:80 up")
		r.set("a:80", errRefused)
		r.Strike("a", connectError(syscall.ECONNREFUSED))
		r.after(0) // one failure is the strike, the other the check that it caused
		if text := r.reports[0].Result.Err.Error(); text != "connection refused" {
			t.Errorf("the strike is reported as %q", text)
		}
		r.wantReports(t, "a a:80 none passive", "a a:80 down")
		r.wantProbes(t, "a:80", 0, 2*sec)
		r.after(20 * sec)
		r.wantProbes(t, "a:80", 3250*ms, 5750*ms, 10750*ms, 20800*ms)
		if _, failed := r.Counts(); failed != 5 {
			t.Errorf("counted %d failed checks, want 5", failed)
		}
	})
}

func TestStrikesAloneTakeItDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, Spec{Interval: 10 * sec, Timeout: 2 * sec, UnhealthyAfter: 4})
		r.Watch("a", "a:80", Unknown)
		r.after(2 * sec)
		r.wantReports(t, "a a:80 up")
		r.setFunc("a:80", untilCancelled)
		for range 6 { // the last two change nothing
			r.Strike("a", errRefused)
		}
		r.after(0)
		r.wantReports(t, "a a:80 none passive", "a a:80 none passive", "a a:80 none passive", "a a:80 down passive")
	})
}

func TestStrikeOnAnUnknownOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.setFunc("a:80", untilCancelled)
		r.Watch("a", "a:80", Unknown)
		r.after(ms)
		r.Strike("a", errRefused)
		r.after(0)
		r.wantReports(t, "a a:80 down passive")
	})
}

// TestStrikeDuringCheck strikes while a check hangs: the strikes count at once,
// and there is another check after this one, which may have begun too early to
// see what the strikes saw.
func TestStrikeDuringCheck(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.after(4 * sec)
		r.setFunc("a:80", untilCancelled)
		r.after(sec) // the check at 5 s hangs
		r.wantReports(t, "a a:80 up")
		r.Strike("a", errRefused)
		r.Strike("a", errRefused)
		r.after(0)
		r.wantReports(t, "a a:80 none passive", "a a:80 down passive")

		r.after(1999 * ms)
		r.set("a:80", nil)
		r.wantProbes(t, "a:80", 0, 5*sec)
		r.after(ms)
		r.wantProbes(t, "a:80", 7*sec)
		r.wantReports(t, "a a:80 none", "a a:80 up")
		r.after(15 * sec) // then by interval
		r.wantProbes(t, "a:80", 17*sec)
	})
}

// TestStrikesDoNotCauseAStorm strikes every millisecond, as traffic does that
// fails open: no report, and no more than one check in 250 ms.
func TestStrikesDoNotCauseAStorm(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.set("a:80", errRefused)
		r.Watch("a", "a:80", Unknown)
		r.after(0)
		r.wantReports(t, "a a:80 down")
		for range 999 {
			r.Strike("a", errRefused)
			r.Nudge("a")
			r.after(ms)
		}
		r.wantProbes(t, "a:80", 0, 250*ms, 500*ms, 750*ms)
		r.wantReports(t, "a a:80 none", "a a:80 none", "a a:80 none")
	})
}

// TestOwnFaults runs out of descriptors: nothing changes for any endpoint, but
// the reason is told.
func TestOwnFaults(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.set("new:80", errDescriptors)
		r.Watch("up", "up:80", Unknown)
		r.Watch("new", "new:80", Unknown)
		r.after(0)
		r.set("up:80", errDescriptors)
		r.Strike("up", errDescriptors)
		r.after(4500 * ms)
		r.wantProbes(t, "up:80", 0)
		r.wantProbes(t, "new:80", 0, sec, 2*sec, 3*sec, 4*sec)
		r.after(11 * sec)
		r.wantProbes(t, "up:80", 5*sec, 15*sec)
		r.set("new:80", nil)
		r.after(sec)

		for _, report := range r.reports {
			first := report.At.Equal(r.start)
			switch {
			case report.ID == "up" && report.Active.Verdict() != Healthy,
				report.ID == "new" && (report.Active.Verdict() == Unknown) == (report.Result.Err == nil),
				report.ID == "up" && !first && report.Result.Err == nil:
				t.Errorf("reported %+v", report)
			}
		}
		if last := r.reports[len(r.reports)-1]; last.ID != "new" || last.Transition != Up {
			t.Errorf("the last report is %+v, want new up", last)
		}
	})
}

func TestNudge(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.after(2 * sec)
		r.Nudge("a")
		r.Nudge("a")
		r.after(100 * ms)
		r.wantProbes(t, "a:80", 0, 2*sec)

		r.Nudge("a") // too soon: at 250 ms after the last
		r.after(sec)
		r.wantProbes(t, "a:80", 2250*ms)

		r.after(9 * sec) // then by interval
		r.wantProbes(t, "a:80")
		r.after(sec)
		r.wantProbes(t, "a:80", 12300*ms)
		r.wantReports(t, "a a:80 up", "a a:80 none", "a a:80 none", "a a:80 none")
	})
}

// TestNudgeNeverDelays nudges shortly before a check that is due sooner than a
// nudge could bring it.
func TestNudgeNeverDelays(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, Spec{Interval: sec, Timeout: sec, HealthyAfter: 2, UnhealthyAfter: 2})
		r.Watch("a", "a:80", Unknown)
		r.after(10 * ms)
		r.Nudge("a")
		r.after(150 * ms)
		r.wantProbes(t, "a:80", 0, 100*ms) // the pause is shorter than the gap
	})
}

// takeSlots has r's checks queue until the returned function is called.
func (r *rig) takeSlots() (giveBack func()) {
	for range maxStarting {
		r.starting <- struct{}{}
	}
	return func() {
		for range maxStarting {
			<-r.starting
		}
	}
}

// TestStrikeWhileQueueing strikes an endpoint that waits for its first check:
// the strike need not wait as well.
func TestStrikeWhileQueueing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		giveBack := r.takeSlots()
		r.Watch("a", "a:80", Unknown)
		r.after(sec)
		r.Strike("a", errRefused)
		r.after(sec)
		r.wantProbes(t, "a:80")
		r.wantReports(t, "a a:80 down passive")

		giveBack()
		r.after(500 * ms)
		r.wantProbes(t, "a:80", 2*sec)
		r.wantReports(t, "a a:80 up")
	})
}

// TestNudgeWhileQueueing nudges endpoints that are about to be checked anyway:
// it must not have any of them checked twice.
func TestNudgeWhileQueueing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		const n = maxStarting
		for i := range n {
			r.Watch(fmt.Sprint(i), "a:80", Unknown)
		}
		r.after(4 * sec)
		r.wantProbes(t, "a:80", make([]time.Duration, n)...)

		giveBack := r.takeSlots()
		r.after(2 * sec) // they queue since 5 s
		for i := range n {
			r.Nudge(fmt.Sprint(i))
		}
		giveBack()
		r.after(sec)
		r.wantProbes(t, "a:80", slices.Repeat([]time.Duration{6 * sec}, n)...)
	})
}

// TestJitter checks that the time between regular checks is spread over a tenth
// of the interval to either side.
func TestJitter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		c := newChecker(t.Context(), everyTen, r.receive, r.answer, lockedRandom())
		c.Watch("a", "a:80", Unknown)
		r.after(time.Hour)
		c.Close()
		probes := r.probes["a:80"]
		if first := probes[1]; first >= 10*sec {
			t.Errorf("the first regular check came after %v", first)
		}
		shortest, longest := time.Hour, time.Duration(0)
		for i := 2; i < len(probes); i++ {
			wait := probes[i] - probes[i-1]
			shortest, longest = min(shortest, wait), max(longest, wait)
		}
		if shortest < 9*sec || shortest > 9100*ms || longest > 11*sec || longest < 10900*ms {
			t.Errorf("waits are from %v to %v, want 9s to 11s", shortest, longest)
		}
	})
}

// A new spec holds from the next check on, which comes at once.
func TestConfigure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.after(sec)
		r.wantProbes(t, "a:80", 0)
		r.configure(everyTen, nil) // nothing is new
		r.after(sec)
		r.wantProbes(t, "a:80")

		// Checks every 2 s, of which three have to fail.
		r.configure(Spec{Interval: 2 * sec, Timeout: sec, HealthyAfter: 1, UnhealthyAfter: 3}, r.answer)
		r.after(4 * sec)
		r.wantProbes(t, "a:80", 2*sec, 3*sec, 5*sec)
		r.set("a:80", errRefused)
		r.after(1300 * ms)
		r.wantProbes(t, "a:80", 7*sec, 7200*ms)
		r.wantReports(t, "a a:80 up", "a a:80 none", "a a:80 none", "a a:80 none", "a a:80 none", "a a:80 none")
		r.after(sec)
		r.wantReports(t, "a a:80 down", "a a:80 none", "a a:80 none")
	})
}

// A verdict stays as it is under another spec, until it is observed anew: who is
// down does not go down once more.
func TestConfigureKeepsTheVerdict(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.set("a:80", errRefused)
		r.Watch("a", "a:80", Unknown)
		r.after(sec)
		r.wantReports(t, "a a:80 down")
		r.configure(Spec{Interval: 2 * sec, Timeout: sec, HealthyAfter: 2, UnhealthyAfter: 1}, r.answer)
		r.after(0)
		r.wantReports(t, "a a:80 none")
		r.set("a:80", nil)
		r.after(sec)
		r.wantReports(t, "a a:80 none", "a a:80 up")
	})
}

// The latest spec wins, however busy the endpoint is.
func TestConfigureTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.setFunc("a:80", untilCancelled)
		r.Watch("a", "a:80", Unknown)
		r.after(sec)
		for _, after := range []int{3, 4, 5} {
			spec := everyTen
			spec.UnhealthyAfter = after
			r.configure(spec, r.answer)
		}
		r.after(0)
		if got := r.target("a").setup.UnhealthyAfter; got != 5 {
			t.Errorf("it takes %d failures, want 5", got)
		}
	})
}

// Who is known to be down comes back by as many checks as anybody else, and who is
// known to be well goes down by as many: a single failure is none.
func TestAVerdictOfOthersStands(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		spec := everyTen
		spec.HealthyAfter, spec.UnhealthyAfter = 2, 2
		r := newRig(t, spec)
		r.set("well:80", errRefused)
		r.Watch("well", "well:80", Healthy)
		r.Watch("down", "down:80", Unhealthy)
		for _, want := range []map[string]Verdict{
			{"well": Healthy, "down": Unhealthy},
			{"well": Unhealthy, "down": Healthy},
		} {
			got := map[string]Verdict{}
			r.after(500 * ms)
			r.mu.Lock()
			for _, report := range r.reports {
				got[report.ID] = report.Active.Verdict()
			}
			r.mu.Unlock()
			if !maps.Equal(got, want) {
				t.Errorf("it is said %v, want %v", got, want)
			}
			r.after(sec)
		}
	})
}
