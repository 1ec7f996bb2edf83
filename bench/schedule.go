package main

import "time"

// schedule says when each request of an open loop is due. It is laid down
// before the first is sent: a slow answer can't put the next request off, so a
// stall is felt by all that were due meanwhile, as real clients would feel it,
// and not by the one that met it (the coordinated omission of closed loops).
type schedule struct {
	start time.Time
	rate  float64 // requests per second
}

// due returns when request k, counted from 0, is to be sent. It is computed
// from the start, so that rounding does not add up.
func (s schedule) due(k int) time.Time {
	return s.start.Add(time.Duration(float64(k) / s.rate * float64(time.Second)))
}

// count returns how many requests are due before the end of d.
func (s schedule) count(d time.Duration) int {
	n := int(s.rate * d.Seconds())
	for s.due(n).Before(s.start.Add(d)) {
		n++
	}
	return n
}
