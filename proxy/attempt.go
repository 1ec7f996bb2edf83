package proxy

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// Carrier carries one request in one protocol, an attempt at a time in each of
// two lanes. The attempt loop decides; the carrier knows bytes.
type Carrier interface {
	// Send sends the request to the backend at address and waits for the head
	// of a response, for as long as limit unless that is 0. In the second lane it
	// is called by another goroutine, while the first sends, and only where the
	// whole request is kept.
	Send(lane Lane, address string, limit time.Duration) Result
	// Stop ends a Send of the lane, which then fails. Any goroutine may call it.
	Stop(Lane)
	// Relay passes the response of the last Send in the lane on to the client.
	Relay(Lane) Result
	// Leave is called before the goroutine of the request blocks, other than in
	// this interface.
	Leave()
	// Again makes ready to send once more, after a pause. A response that was not
	// relayed is given up. It returns a fault where there is no reason to go on.
	Again(pause time.Duration) upstream.Fault
}

// Lane is one of the two in which a request may be under way at a time.
type Lane uint8

const (
	first Lane = iota
	second
)

var (
	errNoEndpoint = errors.New("no endpoint can serve")
	errOvertaken  = errors.New("another endpoint has answered first")
	errGivenUp    = errors.New("it was silent for longer than it usually is")
)

// journey is a request over all its attempts, and what became of it. It is used
// for one request after another.
type journey struct {
	Result
	endpoint *balancer.Endpoint // the last one tried; nil where there was none
	attempts int
	refused  int // of these, that don't count; see spare

	service    *Service
	carrier    Carrier
	idempotent bool
	hedgeable  bool                 // it may be sent to two endpoints at a time
	tried      []*balancer.Endpoint // since all had been; most requests need but one
	pause      time.Duration        // before the next attempt
	watch      *watch               // over an attempt; nil until there is one to be hedged
	contest    *contest
}

// attempt tries endpoints of the service until one answers, or no other try is
// allowed. The request began at the time given.
func (j *journey) attempt(began time.Time) {
	j.Result = Result{Fault: upstream.Unreachable, Err: errNoEndpoint}
	for {
		e, full := j.next()
		switch {
		case full != nil:
			j.Result = Result{Fault: upstream.Limited, Err: full}
			return
		case e == nil:
			if j.Fault == upstream.None { // nobody is left to ask again
				j.Result, j.endpoint = Result{Fault: upstream.Unreachable, Err: errNoEndpoint}, nil
			}
			return
		}
		if j.attempts > 0 {
			j.service.stats.retries.Add(1)
			began = time.Now()
		}
		j.endpoint = e
		j.attempts++
		if !j.try(e, began) {
			return
		}
		if f := j.carrier.Again(j.pause); f != upstream.None {
			j.Fault = f
			return
		}
	}
}

// next picks an endpoint that was not tried. When all were, and it begins anew, it is
// not the last one again if there is another.
func (j *journey) next() (e *balancer.Endpoint, full error) {
	if last := j.endpoint; last != nil && len(j.tried) == 0 {
		if e, _ := j.service.pick([]*balancer.Endpoint{last}); e != nil {
			return e, nil
		}
	}
	return j.service.pick(j.tried)
}

// forget makes the journey ready for the next request.
func (j *journey) forget() {
	clear(j.tried)
	*j = journey{tried: j.tried[:0], watch: j.watch, contest: j.contest}
}

// try makes one attempt, begun just now, and reports its outcome, even where the
// carrier panics. It tells whether there is to be another.
func (j *journey) try(e *balancer.Endpoint, began time.Time) (again bool) {
	a := newAttempt(first, e, began)
	watched := false
	defer func() {
		if watched && j.watch.end() {
			j.callOff()
		}
		a.done()
	}()
	limit := j.limit(e)
	watched = j.watched(&a)
	a.sent(j.carrier.Send(first, a.address, limit))
	if watched && j.watch.end() {
		j.settle(&a)
	}
	watched = false
	if j.Result = a.result; j.Fault == upstream.None {
		if again = j.again(a.endpoint); !again {
			j.Result = j.carrier.Relay(a.lane)
		}
	}
	a.result, a.outcome = j.Result, outcome(j.Result)
	if j.Fault != upstream.None {
		a.took = time.Since(a.began)
		j.service.stats.fault(j.Fault)
		again = j.again(a.endpoint)
	}
	return again
}

// limit returns how long the attempt on e may wait for the head of a response; 0 is
// what upstream allows. Who has nobody else to ask, or nothing to pay for it with,
// waits on.
func (j *journey) limit(e *balancer.Endpoint) time.Duration {
	s := j.service
	d := s.Retry.limit(j.idempotent, j.counted())
	if d == 0 || s.stats.budget.left.Load() < price || !s.Duty.Pool().Other(append(j.tried, e)) {
		return 0
	}
	return d
}

// again decides whether there is to be another attempt after the last, on e. It
// pays for it.
func (j *journey) again(e *balancer.Endpoint) bool {
	s, pool := j.service, j.service.Duty.Pool()
	j.spare(pool, e)
	if !s.Retry.again(j.Result, j.idempotent, j.counted()) || !pool.Other(nil) {
		return false
	}
	j.tried = append(j.tried, e)
	elsewhere := pool.Other(j.tried)
	// An attempt of which nothing was sent has cost no backend anything: the next
	// one asks for what the client asks for, and no more. But not for ever.
	if (j.Sent || !elsewhere) && !s.stats.budget.take() {
		s.stats.exhausted.Add(1)
		return false
	}
	j.pause = s.Retry.backoff(j.counted(), elsewhere, rand.Int64N)
	if !elsewhere {
		j.tried = j.tried[:0]
	}
	return true
}

// maxRefused is how many attempts of a request don't count. Each is over at once,
// so that a service of which nobody is left says so soon all the same.
const maxRefused = 16

// spare has the last attempt, on e, not count where that refused the connection, or
// has all that it may have, and somebody else was not asked yet: one who is well is not
// to be missed because of the others. Where there was none, each attempt counts.
func (j *journey) spare(pool *balancer.Pool, e *balancer.Endpoint) {
	switch {
	case !j.wasRefused():
	case !pool.Other(append(j.tried, e)):
		j.refused = 0
	case j.refused < maxRefused:
		j.refused++
	}
}

// counted returns how many attempts count, the first one always.
func (j *journey) counted() int { return max(1, j.attempts-j.refused) }

// outcome says what the end of an attempt tells of the endpoint: what the client
// did, or what we ran out of, tells nothing.
func outcome(r Result) balancer.Outcome {
	switch r.Fault {
	case upstream.None:
		return answered(r.Status)
	case upstream.Unreachable, upstream.ConnectTimeout:
		return balancer.Unreachable
	case upstream.Reset, upstream.Late, upstream.Stalled, upstream.Malformed:
		return balancer.Broken
	default:
		return balancer.Abandoned
	}
}

// answered says what the status of a response tells of the endpoint.
func answered(status int) balancer.Outcome {
	switch {
	case status == 502, status == 503, status == 504:
		return balancer.Unavailable
	case status >= 500:
		return balancer.Erred
	default:
		return balancer.Succeeded
	}
}

// answer returns the status and the reason that tell the client of a fault.
func (j *journey) answer() (status int, reason string) {
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
	case upstream.Expired:
		return 504, "the request took too long"
	case upstream.OwnLimit:
		return 503, "out of resources"
	default:
		return 502, "the backend closed the connection"
	}
}
