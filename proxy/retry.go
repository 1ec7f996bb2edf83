package proxy

import (
	"slices"
	"time"

	"github.com/rota-lb/rota/upstream"
)

// Retry says when a request is tried again. The zero value is never.
type Retry struct {
	// Attempts is how often a request is tried in all; less than 2 is once. Up to
	// 16 connections that are refused don't count while somebody else is left.
	Attempts int
	// Connect, Reset and Timeout are the failures after which there may be
	// another try: no connection, one that ended before a response, and no
	// response in time. Statuses are those of responses.
	Connect, Reset, Timeout bool
	Statuses                []int
	// Budget is how many more attempts there may be than requests, in percent of
	// these, and MinPerSecond how many a second in any case.
	Budget, MinPerSecond int
	// PerTry is for the head of a response while another try is left, somebody else
	// to ask, and budget for it; 0 is what upstream allows.
	PerTry time.Duration
	// Backoff is the longest pause before the second retry.
	Backoff time.Duration
}

// Result is how an attempt ended, in plain values that any carrier can give.
type Result struct {
	Fault upstream.Fault
	// Sent is whether any byte of the request may have reached the backend.
	Sent bool
	// Started is whether any byte of the response may have reached the client.
	Started bool
	// Replayable is whether the whole request can be sent once more.
	Replayable bool
	// Streamed is whether the request's body came from the client meanwhile: then
	// the time until the response is not the backend's alone.
	Streamed bool
	Status   int   // of the response; 0 without one
	Err      error // explains Fault
}

// wasRefused reports whether there was nobody to send anything to, or no connection
// for it. One that took no connection in time is another matter: that cost the client
// time.
func (r *Result) wasRefused() bool {
	return !r.Sent && (r.Fault == upstream.Unreachable || r.Err == upstream.ErrMaxConnections)
}

// again decides whether a request may be tried again after an attempt that
// ended in this way, the attempts-th that counts.
//
// Any request may be tried again while no byte of it has reached a backend. An
// idempotent one may even after that, since doing it twice is doing it once (RFC
// 9110 §9.2.2). Nothing may once the client has seen the beginning of a
// response.
func (r *Retry) again(last Result, idempotent bool, attempts int) bool {
	if attempts >= r.Attempts || last.Started || !last.Replayable || last.Sent && !idempotent {
		return false
	}
	switch last.Fault {
	case upstream.None:
		return slices.Contains(r.Statuses, last.Status)
	case upstream.Unreachable, upstream.ConnectTimeout:
		return r.Connect
	case upstream.Reset:
		return r.Reset
	case upstream.Late, upstream.Stalled:
		return r.Timeout
	case upstream.OwnLimit, upstream.Limited: // ports run out for one destination at a time, too
		return r.Connect && !last.Sent
	default:
		// Malformed: the backend did answer, and would again. The rest is the
		// client's doing, or our own.
		return false
	}
}

// limit returns how long the attempts-th attempt may wait for the head of a
// response where there is somebody else to ask; 0 is what upstream allows.
func (r *Retry) limit(idempotent bool, attempts int) time.Duration {
	if attempts >= r.Attempts || !idempotent || !r.Timeout {
		return 0
	}
	return r.PerTry
}

// maxBackoff is the longest pause between two attempts.
const maxBackoff = 250 * time.Millisecond

// backoff returns the pause before a retry, the first of which is 1. elsewhere
// is whether there is an endpoint that was not tried yet: the first retry goes
// there at once. Pauses are drawn from the whole range, or else all who failed at
// one moment would come back at one moment.
func (r *Retry) backoff(retry int, elsewhere bool, draw func(n int64) int64) time.Duration {
	if retry == 1 && elsewhere {
		return 0
	}
	most := r.Backoff
	for range retry - 2 {
		if most *= 2; most >= maxBackoff {
			break
		}
	}
	return time.Duration(draw(int64(max(1, min(most, maxBackoff)))))
}

// isIdempotent reports whether doing a request twice does what doing it once
// does (RFC 9110 §9.2.2).
func isIdempotent(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	default:
		return false
	}
}
