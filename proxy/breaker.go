package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/upstream"
)

// Breaker limits what a service is asked at a time. 0 is no limit.
type Breaker struct {
	MaxRequests         int // under way
	MaxPending          int // of these, that wait for a new connection
	EndpointMaxRequests int // attempts under way on one endpoint
	// Judge, which may be nil, tells at each tick whether requests pass.
	Judge Judge
}

// Judge is told how many requests have ended since it was last asked, and how
// many of them failed, and gives its verdict. It is called by one goroutine.
type Judge func(requests, failures uint64, now time.Duration) Verdict

// Verdict says whether requests pass.
type Verdict struct {
	Shut bool
	// Trials is how many pass all the same until the next verdict, and Until when
	// there will be some, where there are none.
	Trials int
	Until  time.Duration
}

// Why a request was turned away. The words are those of the metric.
var rejections = [...]error{
	errors.New("open"),
	errors.New("max_requests"),
	errors.New("max_pending"),
	errors.New("endpoint_max_requests"),
	upstream.ErrMaxConnections,
}

var (
	errOpen             = rejections[0]
	errRequests         = rejections[1]
	errPending          = rejections[2]
	errEndpointRequests = rejections[3]
)

// explanations are for clients, in the order of rejections.
var explanations = [...]string{
	"the circuit is open, since too many requests have failed",
	"too many requests are under way",
	"too many requests wait for a connection",
	"each backend has as many requests as it may have",
	"each backend has as many connections as it may have",
}

// circuit is what a breaker counts. The zero value lets everything pass.
type circuit struct {
	shut     atomic.Bool
	trials   atomic.Int64
	until    atomic.Int64 // by the clock
	inFlight atomic.Int64
	pending  atomic.Int64
	rejected [len(rejections)]atomic.Uint64

	// The clock's:
	seen tally
	at   time.Duration
}

// enter counts a request in, unless it must be turned away.
func (s *Service) enter() error {
	b, c := s.Breaker, &s.stats.circuit
	switch {
	case b == nil:
		return nil
	case c.shut.Load() && c.trials.Add(-1) < 0:
		return errOpen
	case b.MaxRequests > 0 && c.inFlight.Add(1) > int64(b.MaxRequests):
		c.inFlight.Add(-1)
		return errRequests
	default:
		return nil
	}
}

// leave counts it out.
func (s *Service) leave() {
	if s.Breaker != nil && s.Breaker.MaxRequests > 0 {
		s.stats.circuit.inFlight.Add(-1)
	}
}

// pend counts a wait for a connection in, unless there are too many.
func (s *Service) pend() (done func(), err error) {
	b, c := s.Breaker, &s.stats.circuit
	if b == nil || b.MaxPending == 0 {
		return func() {}, nil
	}
	if c.pending.Add(1) > int64(b.MaxPending) {
		c.pending.Add(-1)
		return nil, errPending
	}
	return func() { c.pending.Add(-1) }, nil
}

// pick begins an attempt on an endpoint that was not tried. The error says why
// there is none, where it is not for want of endpoints.
func (s *Service) pick(tried []*balancer.Endpoint) (*balancer.Endpoint, error) {
	pool := s.Duty.Pool()
	e := pool.Pick(tried)
	if e == nil || s.Breaker == nil || s.Breaker.EndpointMaxRequests == 0 {
		return e, nil
	}
	most := int64(s.Breaker.EndpointMaxRequests)
	for full := tried; e != nil; e = pool.Pick(full) {
		if e.InFlight() <= most {
			return e, nil
		}
		e.Done(balancer.Abandoned, e.Address(), 0, nil)
		full = append(full[:len(full):len(full)], e)
	}
	return nil, errEndpointRequests
}

// judge has the circuit judged by what has ended since the last tick. Where there
// is no judge, that is seen all the same: one who comes by a reload is not to judge
// what was before.
func (s *Service) judge(now time.Duration) {
	b, c := s.Breaker, &s.stats.circuit
	if now <= c.at {
		return // another listener of the service was here
	}
	ended := s.stats.tally()
	// What tells nothing is counted a moment before its request has ended.
	ended.requests, ended.failures = max(ended.requests, c.seen.requests), max(ended.failures, c.seen.failures)
	requests, failures := ended.requests-c.seen.requests, ended.failures-c.seen.failures
	c.seen, c.at = ended, now
	if b == nil || b.Judge == nil {
		c.shut.Store(false)
		return
	}
	v := b.Judge(requests, failures, now)
	c.until.Store(int64(v.Until))
	c.trials.Store(int64(v.Trials))
	c.shut.Store(v.Shut)
}

// state is the state of the circuit, as the metric has it.
func (c *circuit) state() float64 {
	switch {
	case !c.shut.Load():
		return 0
	case c.until.Load() == 0:
		return 1
	default:
		return 2
	}
}

// turnAway answers a request that a limit keeps out.
func (x *exchange) turnAway(reason error) {
	c, wait := &x.service.stats.circuit, time.Duration(0)
	if reason == errOpen {
		wait = time.Duration(c.until.Load()) - x.conn.settings.Clock.Now()
	}
	i := slices.Index(rejections[:], reason)
	c.rejected[i].Add(1)
	x.service.stats.own.Add(1)
	x.refuse(refusal{
		status: http.StatusServiceUnavailable,
		reason: fmt.Sprintf("%s (%s)", explanations[i], reason),
		fields: retryAfter(wait),
	})
}

// retryAfter is the field that tells a client when to come back: in a second at
// least (RFC 9110 §10.2.3).
func retryAfter(wait time.Duration) http1.Header {
	seconds := max(1, (wait+time.Second-1)/time.Second)
	return http1.Header{{Name: "Retry-After", Value: strconv.Itoa(int(seconds))}}
}

// tally is how many requests have ended, and how many of them failed.
type tally struct{ requests, failures uint64 }

// tally counts what tells of the backends: neither who left before an answer nor
// who was turned away here.
func (s *serviceStats) tally() (t tally) {
	for i := range s.shards {
		for class := range s.shards[i].classes[1:] {
			t.requests += s.shards[i].classes[class+1].Load()
		}
		t.failures += s.shards[i].classes[5].Load()
	}
	own := s.own.Load()
	t.requests -= min(own, t.requests)
	t.failures -= min(own, t.failures)
	t.failures += s.cut.Load()
	return t
}
