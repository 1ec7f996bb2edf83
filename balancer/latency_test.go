package balancer

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// sampler draws times from a distribution.
type sampler func(r *rand.Rand) float64

func exponential(r *rand.Rand) float64 { return r.ExpFloat64() }

// The estimates settle near the truth, for distributions of which that is known,
// from a millisecond to seconds. What is known of slower answers counting for
// more: the mean of exponential times is 1.28 times the true one.
func TestLatencyConverges(t *testing.T) {
	tests := []struct {
		name      string
		draw      sampler
		mean, p99 float64 // in units
		slack     float64 // of the mean, as a share
	}{
		{"constant", func(*rand.Rand) float64 { return 1 }, 1, 1, 0.01},
		{"uniform from 0 to 2", func(r *rand.Rand) float64 { return 2 * r.Float64() }, 1.17, 1.98, 0.5},
		{"exponential", exponential, 1.28, 4.6, 0.8},
		{"log-normal", func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64() / 2) }, 1.2, 3.2, 0.6},
		{"one in fifty is ten times slower", func(r *rand.Rand) float64 {
			if r.Float64() < 0.02 {
				return 10
			}
			return 1
		}, 1.35, 10, 1.5},
	}
	for _, unit := range []time.Duration{100 * time.Microsecond, 10 * time.Millisecond, time.Second} {
		for _, tt := range tests {
			t.Run(tt.name+" "+unit.String(), func(t *testing.T) {
				r := rand.New(rand.NewPCG(1, 2))
				var l latency
				for range 20_000 {
					l.add(time.Duration(tt.draw(r) * float64(unit)))
				}
				// One state is a matter of chance; the average of many is not.
				var mean, p99 float64
				const n = 20_000
				for range n {
					l.add(time.Duration(tt.draw(r) * float64(unit)))
					m, q := l.get()
					if math.Abs(m.Seconds()/unit.Seconds()/tt.mean-1) > 6*tt.slack {
						t.Fatalf("the mean strays to %v", m)
					}
					mean += m.Seconds() / unit.Seconds() / n
					p99 += q.Seconds() / unit.Seconds() / n
				}
				if math.Abs(mean/tt.mean-1) > 0.15 {
					t.Errorf("the mean is %.2f units, want %.2f", mean, tt.mean)
				}
				if math.Abs(p99/tt.p99-1) > 0.25 {
					t.Errorf("the quantile is %.2f units, want %.2f", p99, tt.p99)
				}
			})
		}
	}
}

// feed adds the same time n times.
func feed(l *latency, d time.Duration, n int) {
	for range n {
		l.add(d)
	}
}

func TestLatencyIsUnknownAtFirst(t *testing.T) {
	var l latency
	feed(&l, time.Millisecond, known-1)
	if mean, p99 := l.get(); mean != 0 || p99 != 0 {
		t.Errorf("after %d answers the mean is %v and the quantile %v, want none", known-1, mean, p99)
	}
	feed(&l, time.Millisecond, 1)
	if mean, p99 := l.get(); mean != time.Millisecond || p99 < time.Millisecond || p99 > 4*time.Millisecond {
		t.Errorf("the mean is %v and the quantile %v", mean, p99)
	}
	l.forget()
	if mean, p99 := l.get(); mean != 0 || p99 != 0 {
		t.Errorf("what was forgotten is still %v and %v", mean, p99)
	}
}

// A backend that becomes slow is known to be after a few answers, and one that
// has recovered is after some more.
func TestLatencyFollows(t *testing.T) {
	var l latency
	feed(&l, time.Millisecond, 1000)
	feed(&l, 100*time.Millisecond, 12)
	if mean, p99 := l.get(); mean < 70*time.Millisecond || p99 < 2*time.Millisecond {
		t.Errorf("twelve slow answers make the mean %v and the quantile %v", mean, p99)
	}
	feed(&l, time.Millisecond, 100)
	if mean, _ := l.get(); mean > 2*time.Millisecond {
		t.Errorf("a hundred fast answers later the mean is %v", mean)
	}
}

// One absurd answer must not set the quantile for a day.
func TestLatencyForgetsAFirstAnswerThatIsSlow(t *testing.T) {
	var l latency
	feed(&l, time.Minute, 1)
	feed(&l, time.Millisecond, 400)
	if mean, p99 := l.get(); mean > 2*time.Millisecond || p99 > 200*time.Millisecond {
		t.Errorf("the mean is %v and the quantile %v", mean, p99)
	}
}

// That an answer did not come within a time shorter than the mean is no news.
func TestLatencyAtLeast(t *testing.T) {
	var l latency
	feed(&l, 10*time.Millisecond, 100)
	before := l.mean.Load()
	l.atLeast(time.Millisecond)
	if l.mean.Load() != before {
		t.Error("a wait that is shorter than the mean has lowered it")
	}
	l.atLeast(time.Second)
	if mean, _ := l.get(); mean < 100*time.Millisecond {
		t.Errorf("a silence of a second leaves the mean at %v", mean)
	}
}

// No time, however odd, gets the words out of step.
func TestLatencyBounds(t *testing.T) {
	for _, d := range []time.Duration{math.MinInt64, -1, 0, 1, math.MaxInt64} {
		var l latency
		feed(&l, d, 5000)
		mean, p99 := l.get()
		if mean < 1 || p99 < 1 || mean > meanMask {
			t.Errorf("%d: the mean is %d and the quantile %d", d, mean, p99)
		}
	}
}

func TestLatencyUnderRaces(t *testing.T) {
	var l latency
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { feed(&l, time.Millisecond, 10_000) })
	}
	all.Wait()
	if mean, p99 := l.get(); mean != time.Millisecond || p99 < time.Millisecond/2 || p99 > 2*time.Millisecond {
		t.Errorf("the mean is %v and the quantile %v", mean, p99)
	}
}

func BenchmarkLatency(b *testing.B) {
	var l latency
	for i := range b.N {
		l.add(time.Duration(i&1023) * time.Microsecond)
	}
}
