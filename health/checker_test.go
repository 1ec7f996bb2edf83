package health

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// rig is a Checker with a prober that the test answers for, in the fake time of
// a synctest bubble. Its random number is 0.5 throughout: no jitter, and the
// first regular check comes after half an interval.
type rig struct {
	*Checker
	start time.Time

	mu      sync.Mutex
	answers map[string]func(ctx context.Context) error // by address; nil passes
	probes  map[string][]time.Duration                 // when each address was probed
	reports []Report
}

func newRig(t *testing.T, spec Spec) *rig {
	r := &rig{
		start:   time.Now(),
		answers: make(map[string]func(context.Context) error),
		probes:  make(map[string][]time.Duration),
	}
	half := func() float64 { return 0.5 }
	r.Checker = newChecker(t.Context(), spec, r.receive, r.answer, half)
	return r
}

func (r *rig) answer(ctx context.Context, address string) error {
	r.mu.Lock()
	r.probes[address] = append(r.probes[address], time.Since(r.start))
	answer := r.answers[address]
	r.mu.Unlock()
	if answer == nil {
		return nil
	}
	return answer(ctx)
}

func (r *rig) receive(_ context.Context, report Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reports = append(r.reports, report)
}

// set has the checks of address answered with err from now on.
func (r *rig) set(address string, err error) {
	r.setFunc(address, func(context.Context) error { return err })
}

func (r *rig) setFunc(address string, answer func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answers[address] = answer
}

// after lets d pass and all that is due within it happen.
func (r *rig) after(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

// wantProbes compares when address has been probed since the last call.
func (r *rig) wantProbes(t *testing.T, address string, want ...time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if got := r.probes[address]; !slices.Equal(got, want) {
		t.Errorf("%s was probed at %v, want %v", address, got, want)
	}
	delete(r.probes, address)
}

// wantReports compares what has been reported since the last call, each report
// as "id address transition", with " passive" for a strike.
func (r *rig) wantReports(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	var got []string
	for _, report := range r.reports {
		s := fmt.Sprintf("%s %s %v", report.ID, report.Address, report.Transition)
		if report.Result.Passive {
			s += " passive"
		}
		got = append(got, s)
	}
	if !slices.Equal(got, want) {
		t.Errorf("reports %q, want %q", got, want)
	}
	r.reports = nil
}

const (
	ms  = time.Millisecond
	sec = time.Second
)

var everyTen = Spec{Interval: 10 * sec, Timeout: 2 * sec, HealthyAfter: 1, UnhealthyAfter: 2}

func TestWatchChecksAtOnceThenByInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		defer r.Close()
		r.Watch("a", "10.0.0.1:80")
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
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		defer r.Close()
		r.set("new:80", errRefused)
		r.Watch("a", "old:80")
		r.after(sec)
		r.Watch("a", "old:80") // no effect
		r.after(sec)
		r.wantProbes(t, "old:80", 0)
		r.wantReports(t, "a old:80 up")

		r.Watch("a", "new:80") // starts over: one failure decides
		r.after(0)
		r.wantProbes(t, "new:80", 2*sec)
		r.wantReports(t, "a new:80 down")
		r.after(time.Minute)
		r.wantProbes(t, "old:80")
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, everyTen)
		defer r.Close()
		r.Watch("a", "a:80")
		r.Watch("b", "b:80")
		r.after(0)
		r.Forget("a")
		r.Forget("unheard of")
		r.Strike("a", errRefused)
		r.Nudge("a")
		r.after(6 * sec)
		r.wantProbes(t, "a:80", 0)
		r.wantProbes(t, "b:80", 0, 5*sec)
		r.Watch("a", "a:80")
		r.after(0)
		r.wantProbes(t, "a:80", 6*sec)
	})
}
