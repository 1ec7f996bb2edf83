package health

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchChecksAtOnceThenByInterval(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "10.0.0.1:80", Unknown)
		r.after(0)
		r.wantProbes(t, "10.0.0.1:80", 0)
		r.wantReports(t, "a 10.0.0.1:80 up")
		r.after(26 * sec)
		r.wantProbes(t, "10.0.0.1:80", 5*sec, 15*sec, 25*sec)
		if passed, failed := r.Counts(); passed != 4 || failed != 0 {
			t.Errorf("counted %d passed, %d failed; want 4, 0", passed, failed)
		}
	})
}

func TestWatchAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.set("new:80", errRefused)
		r.Watch("a", "old:80", Unknown)
		r.after(sec)
		r.Watch("a", "old:80", Unknown) // no effect
		r.after(sec)
		r.wantProbes(t, "old:80", 0)
		r.wantReports(t, "a old:80 up")

		r.Watch("a", "new:80", Unknown) // starts over: one failure decides
		r.after(0)
		r.wantProbes(t, "new:80", 2*sec)
		r.wantReports(t, "a new:80 down")
		r.after(time.Minute)
		r.wantProbes(t, "old:80")
	})
}

func TestForget(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.Watch("a", "a:80", Unknown)
		r.Watch("b", "b:80", Unknown)
		r.after(0)
		r.Forget("a")
		r.Forget("unheard of")
		r.Strike("a", errRefused)
		r.Nudge("a")
		r.after(6 * sec)
		r.wantProbes(t, "a:80", 0)
		r.wantProbes(t, "b:80", 0, 5*sec)
		r.Watch("a", "a:80", Unknown)
		r.after(0)
		r.wantProbes(t, "a:80", 6*sec)
	})
}

// TestForgetDuringCheck has the check end with an error because it is cut
// short: that is no failure of the endpoint.
func TestForgetDuringCheck(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.setFunc("a:80", untilCancelled)
		r.Watch("a", "a:80", Unknown)
		r.after(sec)
		r.Forget("a")
		r.after(time.Minute)
		r.wantReports(t)
		r.wantProbes(t, "a:80", 0)
		if passed, failed := r.Counts(); passed != 0 || failed != 0 {
			t.Errorf("counted %d passed, %d failed; want none", passed, failed)
		}
	})
}

func TestTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.setFunc("a:80", untilCancelled)
		r.Watch("a", "a:80", Unknown)
		r.after(everyTen.Timeout - 1)
		r.wantReports(t)
		r.after(1)
		if len(r.reports) != 1 {
			t.Fatalf("%d reports after the timeout, want 1", len(r.reports))
		}
		if got := r.reports[0]; got.Result.Took != everyTen.Timeout || !got.At.Equal(r.start.Add(everyTen.Timeout)) {
			t.Errorf("the check took %v until %v, want %v", got.Result.Took, got.At.Sub(r.start), everyTen.Timeout)
		}
		r.wantReports(t, "a a:80 down")
	})
}

func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		ended := false
		r.setFunc("a:80", func(ctx context.Context) error {
			<-ctx.Done()
			<-time.NewTimer(sec).C // slow to obey
			ended = true
			return ctx.Err()
		})
		r.Watch("a", "a:80", Unknown)
		r.Watch("b", "b:80", Unknown)
		r.after(sec)
		r.Close()
		if !ended {
			t.Error("Close did not wait for the check that was running")
		}
		r.wantReports(t, "b b:80 up")
		r.wantProbes(t, "b:80", 0)

		r.Close()
		r.Watch("c", "c:80", Unknown)
		r.Watch("b", "elsewhere:80", Unknown)
		r.Strike("b", errRefused)
		r.Nudge("b")
		r.Forget("b")
		r.after(time.Minute)
		r.wantReports(t)
		r.wantProbes(t, "b:80")
		if r.target("c") != nil || r.target("b") != nil {
			t.Error("something is watched after Close")
		}
	})
}

func TestContextEndsChecks(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRig(t, everyTen)
		c := newChecker(ctx, everyTen, r.receive, r.answer, r.random)
		c.Watch("a", "a:80", Unknown)
		r.after(0)
		cancel()
		r.after(time.Minute)
		r.wantProbes(t, "a:80", 0)
		c.Close()
	})
}

// TestBlockedReport has the receiver of reports stop reading, as the owner of a
// checker does just before it closes it. What has been struck meanwhile is not
// reported after Forget; there are many endpoints because select is fair.
func TestBlockedReport(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 20
		r := newRig(t, everyTen)
		var dropped atomic.Int32
		c := newChecker(t.Context(), everyTen, func(ctx context.Context, _ Report) {
			<-ctx.Done()
			dropped.Add(1)
		}, r.answer, r.random)
		for i := range n {
			c.Watch(fmt.Sprint(i), "a:80", Unknown)
		}
		r.after(time.Minute)
		for i := range 10 * n {
			c.Strike(fmt.Sprint(i%n), errRefused)
			c.Nudge(fmt.Sprint(i % n))
		}
		r.wantProbes(t, "a:80", make([]time.Duration, n)...)
		for i := range n {
			c.Forget(fmt.Sprint(i))
		}
		synctest.Wait()
		if got := dropped.Load(); got != n {
			t.Errorf("%d reports dropped after Forget, want %d", got, n)
		}

		c.Watch("b", "b:80", Unknown)
		synctest.Wait()
		c.Close()
		if got := dropped.Load(); got != n+1 {
			t.Errorf("%d reports dropped after Close, want %d", got, n+1)
		}
	})
}

// TestReceiverMayCallBack forgets, watches and strikes from within a report.
func TestReceiverMayCallBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		var c *Checker
		c = newChecker(t.Context(), everyTen, func(ctx context.Context, report Report) {
			r.receive(ctx, report)
			if report.ID == "a" {
				c.Strike("a", errRefused)
				c.Forget("a")
				c.Watch("b", "b:80", Unknown)
			}
		}, r.answer, r.random)
		c.Watch("a", "a:80", Unknown)
		r.after(sec)
		r.wantReports(t, "a a:80 up", "b b:80 up")
		c.Close()
	})
}

// TestManyAtOnce watches 5,000 endpoints in one go.
func TestManyAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 5000
		r := newRig(t, everyTen)
		var running, most, checks atomic.Int32
		var endpoints sync.Map
		probe := func(_ context.Context, address string) error {
			endpoints.Store(address, true)
			if now := running.Add(1); now > most.Load() {
				most.Store(now)
			}
			<-time.NewTimer(10 * ms).C
			checks.Add(1)
			running.Add(-1)
			return nil
		}
		c := newChecker(t.Context(), everyTen, r.receive, probe, lockedRandom())
		for i := range n {
			c.Watch(fmt.Sprint(i), "10.0.0.1:"+fmt.Sprint(i), Unknown)
		}
		r.after(sec) // 64 in 10 ms make 5,000 in 0.8 s
		checked := 0
		endpoints.Range(func(any, any) bool { checked++; return true })
		if checked != n {
			t.Errorf("%d endpoints checked within a second, want %d", checked, n)
		}
		if got := most.Load(); got != maxStarting {
			t.Errorf("up to %d checks at once, want %d", got, maxStarting)
		}

		// From here on the checks are spread: each second has its tenth of them.
		for range 20 {
			before := checks.Load()
			r.after(sec)
			if got := checks.Load() - before; got < n/10*3/4 || n/10*5/4 < got {
				t.Errorf("%d checks within a second, want about %d", got, n/10)
			}
		}
		c.Close()
	})
}

// TestHangingOnesDoNotStarveOthers has ten times as many endpoints hang as there
// are slots; one that is well is still checked soon.
func TestHangingOnesDoNotStarveOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		r.setFunc("hangs:80", untilCancelled)
		for i := range 10 * maxStarting {
			r.Watch(fmt.Sprint(i), "hangs:80", Unknown)
		}
		synctest.Wait()
		r.Watch("a", "a:80", Unknown)
		r.after(10*maxStart - 1)
		r.wantProbes(t, "a:80")
		r.after(1)
		r.wantProbes(t, "a:80", 10*maxStart)
		r.wantReports(t, "a a:80 up")

		// All slots are free again in the end.
		r.after(time.Minute)
		for i := range 10 * maxStarting {
			r.Forget(fmt.Sprint(i))
		}
		synctest.Wait()
		if n := len(r.starting); n != 0 {
			t.Errorf("%d slots are still taken", n)
		}
	})
}

// TestConcurrentUse calls everything from everywhere, in real time, for the race
// detector.
func TestConcurrentUse(t *testing.T) {
	r := newRig(t, Spec{Interval: 4 * ms, Timeout: ms, HealthyAfter: 2, UnhealthyAfter: 2})
	r.set("1:80", errRefused)
	r.setFunc("2:80", untilCancelled)
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for i := range 200 {
				id := fmt.Sprint((caller + i) % 5)
				switch i % 6 {
				case 0, 1:
					r.Watch(id, fmt.Sprint(i%3)+":80", Unknown)
				case 2:
					r.Nudge(id)
				case 3, 4:
					r.Strike(id, errRefused)
				case 5:
					r.Forget(id)
				}
				r.Counts()
				<-time.NewTimer(ms / 2).C
			}
		})
	}
	callers.Wait()
	r.Close()
	if passed, failed := r.Counts(); passed == 0 || failed == 0 {
		t.Errorf("counted %d passed, %d failed; want some of both", passed, failed)
	}
}

// TestRealChecks runs a checker with the real probers and the real clock.
func TestRealChecks(t *testing.T) {
	up := serve(t, func(http.ResponseWriter, *http.Request) {})
	reports := make(chan Report)
	for _, path := range []string{"", "/health"} {
		c := NewChecker(t.Context(), Spec{Path: path, Interval: time.Hour, Timeout: 5 * sec},
			func(ctx context.Context, r Report) {
				select {
				case reports <- r:
				case <-ctx.Done():
				}
			})
		for address, want := range map[string]Transition{up: Up, closedPort(t): Down} {
			c.Watch("a", address, Unknown)
			if r := <-reports; r.Address != address || r.Transition != want || r.Result.Took <= 0 {
				t.Errorf("path %q: reported %+v, want %s %v", path, r, address, want)
			}
		}
		c.Close()
	}
}
