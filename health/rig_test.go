package health

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
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

// inBubble runs test in fake time. Timers that fire on two processors at once
// can crash the race detector inside a synctest bubble
// (https://go.dev/issue/78156), so there is only one.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, test)
}

func newRig(t *testing.T, spec Spec) *rig {
	r := &rig{
		start:   time.Now(),
		answers: make(map[string]func(context.Context) error),
		probes:  make(map[string][]time.Duration),
	}
	half := func() float64 { return 0.5 }
	r.Checker = newChecker(t.Context(), spec, r.receive, r.answer, half)
	t.Cleanup(r.Close)
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
	<-time.NewTimer(d).C
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

// untilCancelled is a check of an endpoint that never answers.
func untilCancelled(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// lockedRandom returns a source of reproducible random numbers that many
// goroutines may draw from.
func lockedRandom() func() float64 {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	return func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64()
	}
}

const (
	ms  = time.Millisecond
	sec = time.Second
)

var everyTen = Spec{Interval: 10 * sec, Timeout: 2 * sec, HealthyAfter: 1, UnhealthyAfter: 2}
