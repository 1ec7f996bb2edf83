package proxy

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// Hedge says when a request goes to a second endpoint while the first is silent.
// The zero value is never.
type Hedge struct {
	// Attempts is how often one request may: 0 or 1.
	Attempts int
	// MinDelay is how long an endpoint may be silent at least, and UnknownDelay
	// how long while its usual times are not known.
	MinDelay, UnknownDelay time.Duration
}

// delay returns how long an endpoint may be silent that answers 99 in 100
// requests within p99; 0 is not known.
func (h *Hedge) delay(p99 time.Duration) time.Duration {
	if p99 == 0 {
		return h.UnknownDelay
	}
	return max(h.MinDelay, p99)
}

// isSafe reports whether a request asks for nothing to be done (RFC 9110
// §9.2.1). To do what is idempotent twice at a time is another matter than twice:
// the one that lost may be done after what the client asks for next.
func isSafe(method string) bool { return method == "GET" || method == "HEAD" || method == "OPTIONS" }

// attempt is one on one endpoint.
type attempt struct {
	lane     Lane
	endpoint *balancer.Endpoint
	address  string
	began    time.Time
	took     time.Duration // until an answer or a failure; 0 where that says nothing
	outcome  balancer.Outcome
	result   Result
}

func newAttempt(lane Lane, e *balancer.Endpoint, began time.Time) attempt {
	return attempt{lane: lane, endpoint: e, address: e.Address(), began: began, outcome: balancer.Abandoned}
}

func (a *attempt) done() { a.endpoint.Done(a.outcome, a.address, a.took, a.result.Err) }

// sent takes in how the sending has ended.
func (a *attempt) sent(r Result) {
	a.result = r
	if r.Fault != upstream.None {
		a.took = time.Since(a.began)
		return
	}
	unavailable := answered(r.Status) == balancer.Unavailable // which counts as a failure
	if !unavailable {
		a.endpoint.Heard(a.address)
	}
	if !r.Streamed || unavailable {
		a.took = time.Since(a.began)
	}
}

// contest is between the two lanes of a request.
type contest struct {
	winner atomic.Uint32 // who was the first to answer: 0 is nobody yet, else the lane and 1

	// Of the second lane, to be read once that has ended:
	sent    int                  // attempts
	refused int                  // of these, that don't count
	failed  []*balancer.Endpoint // or given up
	won     attempt              // where it has

	again time.Duration // after which it was last looked again
}

// win reports whether the lane is the first to have an answer.
func (c *contest) win(l Lane) bool { return c.winner.CompareAndSwap(0, uint32(l)+1) }

// decided reports whether somebody has won.
func (c *contest) decided() bool { return c.winner.Load() != 0 }

// lookAgain is when it is looked again for somebody to ask, or for what it costs,
// where there was none when a wait first lasted. It doubles each time.
const lookAgain = 100 * time.Millisecond

// watched begins to watch over an attempt if it may be hedged, and reports
// whether it does.
func (j *journey) watched(a *attempt) bool {
	h := &j.service.Hedge
	if h.Attempts == 0 || !j.hedgeable {
		return false
	}
	if watches := &j.service.stats.watches; j.watch == nil || j.watch.home != watches {
		j.watch, j.contest = watches.watch(j.hedge), new(contest)
	}
	j.contest.again = 0
	_, p99 := a.endpoint.Latency()
	j.watch.begin(a.began.Add(h.delay(p99)))
	return true
}

// hedge sends the request elsewhere while the first lane waits, which waits for
// its end as well. It runs in a goroutine of its own. Where it can't be sent, it
// returns when to try again.
func (j *journey) hedge() (again time.Duration) {
	s, c := j.service, j.contest
	tried := slices.Concat(j.tried, []*balancer.Endpoint{j.endpoint})
	if !s.Duty.Pool().Other(tried) {
		return c.later()
	}
	if !s.stats.budget.take() {
		if c.again == 0 {
			s.stats.exhausted.Add(1)
		}
		return c.later()
	}
	for !c.decided() {
		e, _ := s.pick(tried)
		if e == nil {
			return 0
		}
		c.sent++
		a := newAttempt(second, e, time.Now())
		tried = append(tried, e)
		limit := j.hop(tried)
		a.sent(j.carrier.Send(second, a.address, limit))
		silent := limit > 0 && a.result.Fault == upstream.Late && !c.decided()
		if limit > 0 && !silent {
			s.stats.budget.giveBack()
		}
		if a.wins(c) {
			c.won = a
			j.carrier.Stop(first)
			return 0
		}
		switch {
		case a.result.Fault != upstream.None && c.decided(): // it was stopped
		case silent:
			a.outcome, a.result.Err = balancer.Silent, errGivenUp
			c.failed = append(c.failed, e)
		default:
			a.outcome = outcome(a.result)
			s.stats.fault(a.result.Fault)
			c.failed = append(c.failed, e)
		}
		a.done()
		if a.result.wasRefused() && j.refused+c.refused < maxRefused && s.Duty.Pool().Other(tried) {
			c.refused++
		}
		// What has cost nobody anything may go on elsewhere.
		if !silent && (a.result.Sent || !j.may(a.result)) {
			return 0
		}
	}
	return 0
}

// hop returns how long the second lane may wait for the last of those it has tried,
// where it may go on to another, which is paid for; 0 is what upstream allows.
func (j *journey) hop(tried []*balancer.Endpoint) time.Duration {
	s, e := j.service, tried[len(tried)-1]
	if !j.may(Result{Fault: upstream.Late, Replayable: true}) || !s.Duty.Pool().Other(tried) || !s.stats.budget.take() {
		return 0
	}
	_, p99 := e.Latency()
	return max(s.Hedge.UnknownDelay, p99)
}

// may reports whether there may be another attempt in the second lane after one that
// ended in this way.
func (j *journey) may(last Result) bool {
	return j.service.Retry.again(last, true, j.counted()+j.contest.sent-j.contest.refused)
}

// later returns when to look again.
func (c *contest) later() time.Duration {
	c.again = max(lookAgain, 2*c.again)
	return c.again
}

// wins reports whether the attempt has an answer, and the first. That somebody
// can't serve is no answer while somebody else may; where nobody has one, it is the
// client's.
func (a *attempt) wins(c *contest) bool {
	return a.result.Fault == upstream.None && answered(a.result.Status) != balancer.Unavailable && c.win(a.lane)
}

// settle ends the contest over an attempt that has ended. The attempt becomes that of
// the second lane where that has won.
func (j *journey) settle(a *attempt) {
	s, c := j.service, j.contest
	overtaken := c.decided()
	if a.wins(c) {
		j.carrier.Stop(second)
	}
	j.carrier.Leave()
	<-j.watch.ended
	switch won := c.won; {
	case won.endpoint != nil:
		s.stats.hedgesWon.Add(1)
		if a.lose(overtaken); !overtaken {
			s.stats.fault(a.result.Fault)
		}
		a.done()
		*a, j.endpoint = won, won.endpoint
	case c.sent > 0:
		s.stats.hedgesLost.Add(1)
	}
	if c.sent > 0 {
		j.hedgeable = false
	}
	j.attempts += c.sent
	j.refused += c.refused
	j.tried = append(j.tried, c.failed...)
	c.reset()
}

func (c *contest) reset() {
	clear(c.failed)
	c.sent, c.refused, c.failed, c.won = 0, 0, c.failed[:0], attempt{}
	c.winner.Store(0)
}

// lose tells what it says of an endpoint that another one has answered first. An
// answer that was later by a hair is one all the same.
func (a *attempt) lose(overtaken bool) {
	if overtaken && a.result.Fault != upstream.None {
		a.outcome, a.took, a.result.Err = balancer.Silent, time.Since(a.began), errOvertaken
		return
	}
	a.outcome = outcome(a.result)
}

// callOff ends a contest that nobody wants to win any more.
func (j *journey) callOff() {
	j.contest.win(first)
	j.carrier.Stop(second)
	j.carrier.Leave()
	<-j.watch.ended
	if t := j.contest.won; t.endpoint != nil {
		t.done()
	}
	j.contest.reset()
}
