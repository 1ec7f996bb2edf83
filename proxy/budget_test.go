package proxy

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What is left goes towards what ten seconds earn: at once where there never was
// a retry, slowly after many.
func TestBudgetAfter(t *testing.T) {
	r := Retry{Budget: 20, MinPerSecond: 10}
	none := Retry{}
	const second = time.Second
	tests := []struct {
		name     string
		retry    Retry
		left     int64 // in attempts, as is want
		requests uint64
		elapsed  time.Duration
		want     float64
	}{
		{"nothing happens", r, 100, 0, second, 100},
		{"the floor comes back", r, 0, 0, second, 9.516},
		{"after long, all of it", r, 0, 0, 1000 * second, 100},
		{"traffic begins", r, 100, 2000, second, 480.65},
		{"traffic in ticks", r, 100, 200, second / 10, 139.8},
		{"traffic that lasts", r, 4100, 2000, second, 4100},
		{"nothing is left of it", r, 0, 2000, second, 390.17},
		{"traffic ends", r, 4100, 0, 10 * second, 1571.5},
		{"none at all", none, 0, 2000, second, 0},
		{"none any more", none, 100, 2000, 10 * second, 36.79},
	}
	for _, tt := range tests {
		got := float64(tt.retry.budgetAfter(tt.left*price, tt.requests, tt.elapsed)) / price
		if d := got - tt.want; d < -.05 || d > .05 {
			t.Errorf("%s: %.2f left, want %.2f", tt.name, got, tt.want)
		}
	}
}

// What a third of 2,000 requests a second costs, each of them once, must be there
// until an endpoint that takes requests and answers none is out, also when the
// traffic has only just begun.
func TestTheBudgetBearsAnEndpointThatIsLost(t *testing.T) {
	r := Retry{Budget: 20, MinPerSecond: 10}
	for _, traffic := range []time.Duration{time.Second, time.Minute} {
		var b budget
		requests, now := uint64(0), time.Duration(0)
		b.refill(&r, 0, 0)
		tick := func() {
			now += time.Second / 10
			requests += 200
			b.refill(&r, requests, now)
		}
		for now < traffic {
			tick()
		}
		for lost := now; now < lost+time.Second; tick() {
			for range 67 {
				if !b.take() {
					t.Fatalf("after %v of traffic the budget lasts for %v", traffic, now-lost)
				}
			}
		}
	}
}

// In a storm of retries there are as many as are earned, and no more.
func TestTheBudgetInAStorm(t *testing.T) {
	r := Retry{Budget: 20, MinPerSecond: 10}
	var b budget
	requests, taken := uint64(0), 0
	for now := time.Duration(0); now < time.Minute; now += time.Second / 10 {
		b.refill(&r, requests, now)
		b.refill(&r, requests, now) // by another listener
		requests += 100
		for range 100 {
			if b.take() {
				taken++
			}
		}
	}
	// 210 a second, and 100 to begin with.
	if taken < 12400 || taken > 12800 {
		t.Errorf("%d retries of %d requests", taken, requests)
	}
}

// Who pays and who refills don't take from each other.
func TestTheBudgetIsShared(t *testing.T) {
	r := Retry{MinPerSecond: 1000}
	var b budget
	b.refill(&r, 0, 0)
	var taken atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 10_000 {
				if b.take() {
					taken.Add(1)
				}
			}
		})
	}
	all.Wait()
	if taken.Load() != 10_000 || b.left.Load() != 0 {
		t.Errorf("of 10,000 attempts %d were paid for, and %d are left", taken.Load(), b.left.Load())
	}
	var refills sync.WaitGroup
	refills.Go(func() {
		for now := time.Duration(1); now < 5000; now++ {
			b.refill(&r, 0, now*time.Millisecond)
		}
	})
	for taken.Store(0); taken.Load() < 1000; {
		if b.take() {
			taken.Add(1)
		}
	}
	refills.Wait()
	if left := b.left.Load(); left < 0 {
		t.Errorf("%d are left", left)
	}
}
