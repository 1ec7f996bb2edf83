package health

import "time"

const (
	// jitter is the share by which a wait is made longer or shorter, so that
	// checks that happen to coincide do not go on doing so.
	jitter = 0.1
	// maxPause bounds the wait for the check that completes an open streak.
	maxPause = time.Second
	// maxStep bounds the distance of the moments at which regular checks begin.
	maxStep = 500 * time.Millisecond
	// maxGap bounds the least time between the starts of two checks of one
	// endpoint when the second was asked for.
	maxGap = 250 * time.Millisecond
)

// pause is the wait for the next check while a verdict hangs in the air: long
// enough for a hiccup to be over, far shorter than the interval.
func (s Spec) pause() time.Duration { return min(s.Interval/10, maxPause) }

// gap is the least time between the starts of two checks, however often live
// traffic or discovery ask for one.
func (s Spec) gap() time.Duration { return min(s.Interval, maxGap) }

// wait returns how long to wait after a check that has led to a, before jitter:
//
//   - an open streak, good or bad, is brought to its end after a pause, so that
//     a verdict takes a few seconds and not a few intervals;
//   - an endpoint that has just gone down is checked again after 1/8, 1/4 and
//     1/2 of the interval, so that a quick restart is noticed quickly;
//   - otherwise it is the interval.
func (s Spec) wait(a Active) time.Duration {
	switch {
	case !a.known(), a.up() && a.failures > 0, a.down() && a.passes > 0:
		return s.pause()
	case a.down():
		return s.Interval >> max(0, 3-a.retries)
	default:
		return s.Interval
	}
}

// jittered makes d up to a tenth longer or shorter; random is in [0, 1).
func jittered(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (1 + jitter*(2*random-1)))
}

// together returns the first moment from at on at which checks of other endpoints
// begin as well: to wake up for each of thousands costs more than to check it. They
// are a hundredth of the interval apart, or less.
func (s Spec) together(at time.Time) time.Time {
	step := max(1, min(s.Interval/100, maxStep))
	if over := time.Duration(at.UnixNano()) % step; over > 0 {
		at = at.Add(step - over)
	}
	return at
}
