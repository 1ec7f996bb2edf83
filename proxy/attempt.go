package proxy

import (
	"context"
	"errors"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// Carrier carries one request in one protocol, an attempt at a time. The
// attempt loop decides; the carrier knows bytes.
type Carrier interface {
	// Send sends the request to the backend at address and waits for the head
	// of a response.
	Send(ctx context.Context, address string) Result
	// Relay passes the response of the last Send on to the client.
	Relay(ctx context.Context) Result
}

var errNoEndpoint = errors.New("no endpoint can serve")

// journey is what became of a request over all its attempts.
type journey struct {
	Result
	endpoint *balancer.Endpoint // the last one tried; nil where there was none
	attempts int
}

// attempt tries endpoints of the service until one answers, no other try is
// allowed, or none is left.
func attempt(ctx context.Context, s *Service, idempotent bool, c Carrier) journey {
	var tried [maxAttempts]*balancer.Endpoint
	j := journey{Result: Result{Fault: upstream.Unreachable, Err: errNoEndpoint}}
	for {
		e := s.Duty.Pool().Pick(tried[:j.attempts])
		if e == nil { // the last result stands: nobody is asked twice
			return j
		}
		if j.attempts > 0 {
			s.stats.retries.Add(1)
		}
		tried[j.attempts] = e
		j = journey{Result: try(ctx, e, c), endpoint: e, attempts: j.attempts + 1}
		if j.Fault == upstream.None {
			return j
		}
		s.stats.fault(j.Fault)
		if !again(j.Result, idempotent, j.attempts) {
			return j
		}
	}
}

// try makes one attempt and reports its outcome, even where the carrier
// panics.
func try(ctx context.Context, e *balancer.Endpoint, c Carrier) (r Result) {
	address, o := e.Address(), balancer.Abandoned
	defer func() { e.Done(o, address, r.Err) }()
	if r = c.Send(ctx, address); r.Fault == upstream.None {
		r = c.Relay(ctx)
	}
	o = outcome(r.Fault)
	return r
}

// outcome says what a fault tells of the endpoint: what the client did, or
// what we ran out of, tells nothing.
func outcome(f upstream.Fault) balancer.Outcome {
	switch f {
	case upstream.None:
		return balancer.Succeeded
	case upstream.Unreachable, upstream.ConnectTimeout:
		return balancer.Unreachable
	case upstream.Reset, upstream.Late, upstream.Stalled, upstream.Malformed:
		return balancer.Broken
	default:
		return balancer.Abandoned
	}
}

// answer returns the status and the reason that tell the client of a fault.
func (j journey) answer() (status int, reason string) {
	if j.endpoint == nil {
		return 503, "no backend is on duty"
	}
	switch j.Fault {
	case upstream.Unreachable:
		return 503, "no backend could be reached"
	case upstream.ConnectTimeout:
		return 504, "no backend could be reached in time"
	case upstream.Late, upstream.Stalled:
		return 504, "the backend did not answer in time"
	case upstream.Malformed:
		return 502, "the backend's answer is not valid HTTP"
	case upstream.ClientStalled:
		return 408, "the request's body did not arrive in time"
	case upstream.ClientBody:
		return 400, "the request's body is malformed"
	case upstream.OwnLimit:
		return 503, "out of resources"
	default:
		return 502, "the backend closed the connection"
	}
}
