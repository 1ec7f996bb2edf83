package proxy

import "github.com/rota-lb/rota/upstream"

// maxAttempts is how often one request is tried in all.
const maxAttempts = 4

// Result is how an attempt ended, in plain values that any carrier can give.
type Result struct {
	Fault upstream.Fault
	// Sent is whether any byte of the request may have reached the backend.
	Sent bool
	// Started is whether any byte of the response may have reached the client.
	Started bool
	// Replayable is whether the whole request can be sent once more.
	Replayable bool
	Status     int   // of the response; 0 without one
	Err        error // explains Fault
}

// again decides whether a request goes to another endpoint after an attempt
// that failed.
//
// Any request may be tried elsewhere while no byte of it has reached a
// backend. An idempotent one may be tried again even after that, since doing it
// twice is doing it once (RFC 9110 §9.2.2). Nothing may once the client has
// seen the beginning of a response.
func again(r Result, idempotent bool, attempts int) bool {
	if attempts >= maxAttempts || r.Started || !r.Replayable {
		return false
	}
	switch r.Fault {
	case upstream.Unreachable, upstream.ConnectTimeout, upstream.Reset, upstream.Late, upstream.Stalled:
		return !r.Sent || idempotent
	case upstream.OwnLimit: // ports run out for one destination at a time
		return !r.Sent
	default:
		// Malformed: the backend did answer, and would again. The rest is the
		// client's doing, or our own.
		return false
	}
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
