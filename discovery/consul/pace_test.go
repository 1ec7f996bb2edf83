package consul

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	start := time.Now()
	b := bucket{tokens: burst, last: start}
	for n := range burst {
		if wait := b.take(1, start); wait != 0 {
			t.Fatalf("token %d of the burst: wait %s, want none", n+1, wait)
		}
	}
	// From here on each token is there a tenth of a second after the last, and
	// whoever waits as told takes them at that rate.
	now := start
	for n := range 5 {
		wait := b.take(1, now)
		if wait != time.Second/perSecond {
			t.Fatalf("token %d after the burst: wait %s, want %s", n+1, wait, time.Second/perSecond)
		}
		now = now.Add(wait)
	}
	// However long the rest, no more than the burst is saved up.
	now = now.Add(time.Hour)
	for range burst {
		if wait := b.take(1, now); wait != 0 {
			t.Fatalf("after a rest: wait %s, want none", wait)
		}
	}
	if wait := b.take(1, now); wait == 0 {
		t.Error("after a rest there is more than the burst")
	}
}

func TestBackoff(t *testing.T) {
	for _, tt := range []struct {
		failures int
		random   float64
		want     time.Duration
	}{
		{1, 0, 0},
		{1, 0.5, 25 * time.Millisecond},
		{2, 0.5, 50 * time.Millisecond},
		{3, 0.5, 100 * time.Millisecond},
		{4, 0.5, 200 * time.Millisecond},
		{5, 0.5, 250 * time.Millisecond}, // the limit is 500 ms from here on
		{6, 0.5, 250 * time.Millisecond},
		{1 << 30, 0, 0},
		{1 << 30, 0.999, 499500 * time.Microsecond},
	} {
		if got := backoff(tt.failures, tt.random); got != tt.want {
			t.Errorf("backoff(%d, %v) = %s, want %s", tt.failures, tt.random, got, tt.want)
		}
	}
}
