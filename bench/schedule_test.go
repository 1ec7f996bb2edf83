package main

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	start := time.Unix(1000, 0)
	tests := []struct {
		rate  float64
		d     time.Duration
		count int
	}{
		{1, time.Second, 1},
		{1, 1500 * time.Millisecond, 2},
		{1000, time.Second, 1000},
		{3, time.Second, 3}, // a third of a second can't be written down
		{7001.7, 2 * time.Second, 14004},
		{0.5, time.Second, 1},
		{100, 0, 0},
	}
	for _, tt := range tests {
		s := schedule{start, tt.rate}
		n := s.count(tt.d)
		if n != tt.count {
			t.Errorf("%v a second for %v: got %d requests, want %d", tt.rate, tt.d, n, tt.count)
		}
		end := start.Add(tt.d)
		if n > 0 && !s.due(n-1).Before(end) || s.due(n).Before(end) {
			t.Errorf("%v a second for %v: request %d is due at %v, and %d at %v",
				tt.rate, tt.d, n-1, s.due(n-1).Sub(start), n, s.due(n).Sub(start))
		}
	}
}

// After an hour the pace is where it should be, though no interval is a whole
// number of nanoseconds.
func TestScheduleDoesNotDrift(t *testing.T) {
	s := schedule{start: time.Unix(1000, 0), rate: 2999}
	const hour = 3600
	if got := s.due(hour * 2999).Sub(s.start); got != hour*time.Second {
		t.Errorf("the hour ends after %v", got)
	}
	last := s.start
	for k := 1; k < 10_000; k++ {
		if gap := s.due(k).Sub(last); gap < 333_444 || gap > 333_446 {
			t.Fatalf("request %d comes %d ns after the last", k, gap)
		}
		last = s.due(k)
	}
}
