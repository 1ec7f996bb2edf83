package pool

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

const ms, sec = time.Millisecond, time.Second

// outlying is a spec with times that are easy to add.
var outlying = health.OutlierSpec{
	Consecutive: 5, Deviations: 1.9, LatencyFactor: 5, LatencyFloor: 100 * ms,
	MinHosts: 3, MinRequests: 100, Interval: 10 * sec,
	BaseEjection: sec, MaxEjection: 8 * sec, MaxEjected: 50,
}

// outlierBench is a bench whose clock the test sets, with endpoints a, b, c and
// so on that serve.
type outlierBench struct {
	*bench
	now time.Time
}

func newOutlierBench(t *testing.T, n int) *outlierBench {
	b := &outlierBench{newBench(t), time.Now()}
	b.service.checker.Store(b.checker)
	o := b.options
	o.Outlier = outlying
	b.configure(o)
	var instances []discovery.Instance
	for i := range n {
		instances = append(instances, instance(string(rune('a'+i))))
	}
	b.set(instances...)
	b.after(0)
	return b
}

// after moves the clock on, and does what is due then.
func (b *outlierBench) after(d time.Duration) {
	b.now = b.now.Add(d)
	b.alarmed(b.now)
	b.publish()
}

// only returns a pool of one, for when it does not matter whose turn it is.
func only(e *balancer.Endpoint) *balancer.Pool {
	return balancer.NewPool(balancer.Random, balancer.NewMembers(balancer.Member{Endpoint: e, Weight: 1}), nil)
}

// attempts ends n attempts on the named endpoint alike, and has the writer take
// notice.
func (b *outlierBench) attempts(name string, n int, o balancer.Outcome, took time.Duration) {
	e := b.members["dc1/node/"+name].endpoint
	for range n {
		only(e).Pick(nil)
		e.Done(o, e.Address(), took, errors.New("connection reset"))
	}
	b.notice()
}

func (b *outlierBench) notice() {
	for {
		select {
		case f := <-b.service.failures:
			b.failing(f, b.now)
		default:
			b.publish()
			return
		}
	}
}

// looked reports a check of the named endpoint that ends now; before is what
// its verdict was.
func (b *outlierBench) looked(name string, good bool, before bool) {
	var a health.Active
	a, _ = health.NewActive(health.Unknown, 1, 1).Observe(health.Result{Err: map[bool]error{false: errors.New("refused")}[before]})
	r := health.Result{Took: ms}
	if !good {
		r.Err = errors.New("refused")
	}
	a, transition := a.Observe(r)
	b.checked(health.Report{ID: "dc1/node/" + name, Address: "127.0.0.1:1", Result: r, Transition: transition, Active: a, At: b.now})
	b.publish()
}

// reasons returns those of the first endpoint, and what was its last error.
func (b *outlierBench) reasons() string {
	e := b.endpoints()[0]
	return fmt.Sprintf("%v %s", e.Reasons, e.LastError)
}

// faults.md 38: five failures in a row take an endpoint out without waiting for
// the comparison, and a check that passes all the time does not bring it back
// before its time.
func TestConsecutiveFailuresEject(t *testing.T) {
	for _, outcome := range []balancer.Outcome{balancer.Unreachable, balancer.Broken, balancer.Silent, balancer.Unavailable} {
		b := newOutlierBench(t, 3)
		b.attempts("a", 4, outcome, sec)
		b.want("a=serving b=serving c=serving | a b c")
		b.attempts("a", 1, outcome, sec)
		b.want("a=ejected b=serving c=serving | b c")
		if got := b.reasons(); got != "[consecutive_failures] 5 failures in a row, the last: connection reset" {
			t.Errorf("reasons %s", got)
		}
		b.looked("a", true, true)
		b.after(sec - 1)
		b.looked("a", true, true)
		b.want("a=ejected b=serving c=serving | b c")
		b.after(1)
		b.want("a=ejected b=serving c=serving | b c") // until it is proved
		if !b.members["dc1/node/a"].outlier.asked {
			t.Error("nobody asked for the check that brings it back")
		}
		b.after(ms)
		b.looked("a", true, true)
		b.want("a=serving b=serving c=serving | a b c")
		b.attempts("a", 1, balancer.Succeeded, ms)
		b.attempts("a", 4, outcome, sec)
		b.want("a=serving b=serving c=serving | a b c") // the streak began anew
	}
}

// Isolated failures with answers between them are not consecutive, however many
// there are.
func TestIsolatedFailuresDoNotEject(t *testing.T) {
	b := newOutlierBench(t, 3)
	for range 50 {
		b.attempts("a", 4, balancer.Broken, 0)
		b.attempts("a", 1, balancer.Succeeded, ms)
	}
	b.want("a=serving b=serving c=serving | a b c")
}

// What the endpoint has not to answer for is no failure.
func TestOtherOutcomesDoNotEject(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 90, balancer.Abandoned, 0)
	b.attempts("b", 90, balancer.Erred, ms)
	b.want("a=serving b=serving c=serving | a b c")
}

// Nor does it make what has failed look like less.
func TestOtherOutcomesHideNoFailures(t *testing.T) {
	b := newOutlierBench(t, 5)
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		b.attempts(name, 200, balancer.Succeeded, ms)
	}
	b.attempts("a", 10000, balancer.Abandoned, 0)
	b.attempts("a", 100, balancer.Erred, ms)
	b.after(outlying.Interval)
	b.want("a=ejected b=serving c=serving d=serving e=serving | b c d e")
}

// At most half are out at a time, and the last one never is. Those for which
// there was no room follow when there is.
func TestEjectionsAreLimited(t *testing.T) {
	b := newOutlierBench(t, 4)
	for _, name := range []string{"a", "b", "c", "d"} {
		b.attempts(name, 20, balancer.Broken, 0)
	}
	b.want("a=ejected b=ejected c=serving d=serving | c d")
	b.after(sec + ms)
	b.looked("a", true, true)
	b.attempts("c", 1, balancer.Broken, 0)
	b.want("a=serving b=ejected c=ejected d=serving | a d")

	b.set(instance("d"))
	b.attempts("d", 20, balancer.Broken, 0)
	b.want("d=serving | d")
}

// Where the others are down, whoever is out returns by its next good check.
func TestTheLastOneReturnsEarly(t *testing.T) {
	b := newOutlierBench(t, 2)
	b.attempts("a", 5, balancer.Broken, 0)
	b.looked("b", false, true)
	b.want("a=ejected b=ejected | a b") // out for their health alone: fail open
	b.looked("a", true, true)
	b.want("a=serving b=ejected | a")
}

// faults.md 37: an endpoint that answers with 500 while the others don't is out
// at the next comparison.
func TestErrorsEject(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 200, balancer.Erred, ms)
	b.attempts("b", 200, balancer.Succeeded, ms)
	b.attempts("c", 195, balancer.Succeeded, ms)
	b.attempts("c", 5, balancer.Erred, ms)
	b.after(10*sec - 1)
	b.want("a=serving b=serving c=serving | a b c")
	b.after(1)
	b.want("a=ejected b=serving c=serving | b c")
	if got := b.reasons(); !strings.HasPrefix(got, "[success_rate] ") {
		t.Errorf("reasons %s", got)
	}
	b.after(sec + ms)
	b.looked("a", true, true)
	b.after(10 * sec)
	b.want("a=serving b=serving c=serving | a b c") // what was before does not count again
}

// What put an endpoint out must not put it out again.
func TestReturningIsANewStart(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 200, balancer.Broken, 0)
	b.attempts("b", 200, balancer.Succeeded, ms)
	b.attempts("c", 200, balancer.Succeeded, ms)
	b.after(sec + ms)
	b.looked("a", true, true)
	b.after(10 * sec)
	b.want("a=serving b=serving c=serving | a b c")
}

// An endpoint that takes far longer than the others is out when that is found
// twice in a row.
func TestLatencyEjects(t *testing.T) {
	b := newOutlierBench(t, 3)
	for range 2 {
		b.want("a=serving b=serving c=serving | a b c")
		b.attempts("a", 100, balancer.Succeeded, 600*ms)
		b.attempts("b", 100, balancer.Succeeded, 100*ms)
		b.attempts("c", 100, balancer.Succeeded, 80*ms)
		b.after(10 * sec)
	}
	b.want("a=ejected b=serving c=serving | b c")
	if got := b.reasons(); got != "[latency] it takes 600ms to answer, far longer than the others" {
		t.Errorf("reasons %s", got)
	}
}

// faults.md 39: an endpoint that fails as soon as it is back changes state fewer
// and fewer times; and so does one whose checks go up and down ten times a
// second. The limit is 8 s, so in two minutes it is out some 17 times.
func TestFlappingIsBounded(t *testing.T) {
	tests := []struct {
		name string
		flap func(b *outlierBench, up bool)
		most int
	}{
		{"under traffic", func(b *outlierBench, _ bool) {
			b.looked("a", true, true)
			if b.members["dc1/node/a"].serves() {
				b.attempts("a", 5, balancer.Broken, 0)
			}
		}, 40},
		{"in its checks", func(b *outlierBench, up bool) { b.looked("a", up, !up) }, 50},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newOutlierBench(t, 3)
			swaps, pool := 0, b.service.Pool()
			for step := range 2 * 60 * 20 {
				tt.flap(b, step%2 == 0)
				b.after(50 * ms)
				if p := b.service.Pool(); p != pool {
					swaps, pool = swaps+1, p
				}
			}
			if swaps < 10 || swaps > tt.most {
				t.Errorf("%d pools in two minutes, want at most %d", swaps, tt.most)
			}
			if got := b.members["dc1/node/a"].outlier.Until().Sub(b.now); got > 8*sec {
				t.Errorf("out for %v more", got)
			}
		})
	}
}

// A new process at the same address, or another address, is another start.
func TestAMoveForgetsEjections(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 5, balancer.Broken, 0)
	moved := instance("a")
	moved.Address = "127.0.0.2:1"
	b.set(moved, instance("b"), instance("c"))
	b.want("a=warming b=serving c=serving | b c")
	b.after(time.Minute) // nobody is left to be brought back
	if n := len(b.outliers.out); n != 0 {
		t.Errorf("%d are still held to be out", n)
	}
}

// With max_ejected = 0 nobody is ever out, and no request tells of anything.
func TestOutliersCanBeTurnedOff(t *testing.T) {
	b := newOutlierBench(t, 3)
	o := b.options
	o.Outlier.MaxEjected = 0
	b.configure(o)
	b.attempts("a", 200, balancer.Broken, 0)
	b.attempts("b", 200, balancer.Succeeded, ms)
	b.attempts("c", 200, balancer.Succeeded, ms)
	b.after(10 * sec)
	for range 10 {
		b.looked("a", false, true)
		b.looked("a", true, false)
	}
	b.want("a=serving b=serving c=serving | a b c")
}

func TestEjectionsAreCounted(t *testing.T) {
	b := newOutlierBench(t, 3)
	b.attempts("a", 9, balancer.Broken, 0)
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.service)
	want := `
# HELP rota_outlier_ejections_total Times that an endpoint was taken out for how live traffic fared on it.
# TYPE rota_outlier_ejections_total counter
rota_outlier_ejections_total{reason="consecutive_failures",service="web"} 1
rota_outlier_ejections_total{reason="flapping",service="web"} 0
rota_outlier_ejections_total{reason="latency",service="web"} 0
rota_outlier_ejections_total{reason="success_rate",service="web"} 0
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "rota_outlier_ejections_total"); err != nil {
		t.Error(err)
	}
}

// jumped is t on a clock that was set forward by d, while the one that can't be
// set went on. A time of the time package has the seconds on the wall in 33 bits
// above 30 of nanoseconds.
func jumped(t time.Time, d time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(d/time.Second) << 30
	return t
}

// faults.md 60: when the clock jumps a day ahead or back, nobody is ejected,
// nobody returns and nothing gets old.
func TestClockJumps(t *testing.T) {
	for _, jump := range []time.Duration{24 * time.Hour, -24 * time.Hour} {
		b := newOutlierBench(t, 3)
		b.update(discovery.Update{Kind: discovery.Unchanged}, b.now)
		b.attempts("a", 5, balancer.Broken, 0)
		if b.now = jumped(b.now, jump); math.Abs(time.Until(b.now.Round(0)).Hours()-jump.Hours()) > 1 {
			t.Fatalf("the clock of the test did not jump: %v", b.now)
		}
		b.after(sec - 1)
		b.looked("a", true, true)
		b.want("a=ejected b=serving c=serving | b c")
		if age, known := b.service.View().Age(b.now); age != sec-1 || !known {
			t.Errorf("after a jump of %v the list has an age of %v", jump, age)
		}
		b.after(2 * ms)
		b.looked("a", true, true)
		b.want("a=serving b=serving c=serving | a b c")
		if wait := b.outliers.compare.Sub(b.now); wait < 8*sec || wait > 10*sec {
			t.Errorf("after a jump of %v the next comparison is in %v", jump, wait)
		}
	}
}
