// Package balancer holds what the data path needs to choose a backend: the
// endpoints of a service, immutable pools of them, and the pickers that take
// turns.
//
// An [Endpoint] outlives pools: everything learned about an instance sits on
// it and is carried from one [Pool] to the next. A Pool never changes; a new
// state of the service is a new Pool, published by its owner through an atomic
// pointer. Picking neither locks nor allocates, unless it passes over an endpoint that
// is on trial.
package balancer

import (
	"sync/atomic"
	"time"
)

// Outcome is how an attempt on an endpoint ended, as far as it says something
// about that endpoint.
type Outcome uint8

const (
	// Succeeded means that the endpoint answered, and not with a status of its
	// own failing.
	Succeeded Outcome = iota
	// Abandoned means that the attempt ended for a reason of the client's or of
	// our own; it says nothing about the endpoint.
	Abandoned
	// Unreachable means that no connection could be made.
	Unreachable
	// Broken means that the endpoint took the connection and then failed: a
	// reset, a stall, a malformed or late response.
	Broken
	// Silent means that the endpoint had not answered when it was given up on,
	// while another one did answer the same request.
	Silent
	// Unavailable means an answer of 502, 503 or 504: somebody is there, but
	// can't serve.
	Unavailable
	// Erred means an answer of any other status from 500 on. It may be the fault
	// of what was asked.
	Erred
)

// Endpoint is one instance of a service as the data path knows it. Its
// identity is fixed, its address may move. All methods may be called
// concurrently.
type Endpoint struct {
	id       string
	address  atomic.Pointer[string]
	inFlight atomic.Int64
	trial    atomic.Int64 // from when on it may have another attempt, after epoch; 0: it is not on trial
	requests atomic.Uint64
	streak   atomic.Uint32
	fresh    atomic.Int64 // since when it is what it is, after epoch; 0: from the start
	mute     atomic.Int64 // since when it has only been silent, after epoch; 0: it has not
	latency  latency
	peak     peak
	failures atomic.Uint64
	errors   atomic.Uint64
	untold   atomic.Uint64 // attempts whose end said nothing
	former   atomic.Uint64 // failures and errors that say nothing of it any more
	fail     func(e *Endpoint, o Outcome, err error)
}

// NewEndpoint returns the endpoint of the instance id, reached at address
// (host:port). fail, which may be nil, is called by [Endpoint.Done] in the
// goroutine of the request when an attempt has made the streak longer, and told
// of its outcome; it must not block.
func NewEndpoint(id, address string, fail func(e *Endpoint, o Outcome, err error)) *Endpoint {
	e := &Endpoint{id: id, fail: fail}
	e.address.Store(&address)
	return e
}

// ID returns the identity of the instance, unique in its service.
func (e *Endpoint) ID() string { return e.id }

// Address returns the host:port at which the endpoint is reached now.
func (e *Endpoint) Address() string { return *e.address.Load() }

// Move changes the address. Attempts under way stay with the old one, and what
// was learned there is forgotten: it is on trial.
func (e *Endpoint) Move(address string) {
	e.address.Store(&address)
	e.Forget()
	e.Try()
}

// Forget makes the streak and the latency those of an endpoint that is new. What
// began before does not count any more.
func (e *Endpoint) Forget() {
	e.forgive()
	e.latency.forget()
	e.peak.took.Store(0)
}

// forgive has no failure count of what began before.
func (e *Endpoint) forgive() {
	e.fresh.Store(int64(time.Since(epoch)))
	e.streak.Store(0)
	e.mute.Store(0)
}

// Learned is what the data path has learned of an endpoint, for another process
// that is to go on with it.
type Learned struct {
	Streak  uint32        `json:"streak,omitzero"`
	Answers uint64        `json:"answers,omitzero"` // that Mean and P99 come from
	Mean    time.Duration `json:"mean,omitzero"`
	P99     time.Duration `json:"p99,omitzero"`
	Peak    time.Duration `json:"peak,omitzero"` // as ewma has it
}

// Learned returns what has been learned.
func (e *Endpoint) Learned() Learned {
	l := Learned{Streak: e.streak.Load(), Peak: time.Duration(e.peak.took.Load())}
	l.Answers, l.Mean, l.P99 = e.latency.learned()
	return l
}

// Learn has an endpoint that is new go on with what another process has learned.
func (e *Endpoint) Learn(l Learned) {
	e.streak.Store(l.Streak)
	e.latency.learn(l.Answers, l.Mean, l.P99)
	e.peak.took.Store(max(0, int64(l.Peak)))
}

// InFlight returns the number of attempts picked and not yet done.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Totals returns how many attempts were picked and how many of them failed:
// ended as [Unreachable] or [Broken], or as [Silent] when it had been so for a
// while.
func (e *Endpoint) Totals() (requests, failures uint64) {
	return e.requests.Load(), e.failures.Load()
}

// Told returns how many attempts have ended in a way that says something about the
// endpoint, and how many of them badly: as failures, or with a status from 500 on.
// Taken while attempts end, either may be a few too low.
func (e *Endpoint) Told() (ended, badly uint64) {
	former := e.former.Load()
	badly = e.failures.Load() + e.errors.Load()
	ended = e.requests.Load()
	return ended - min(ended, uint64(max(0, e.inFlight.Load()))+e.untold.Load()+former), badly - min(badly, former)
}

// Streak returns how many attempts in a row, up to the last one, have failed or
// found the endpoint [Unavailable]. Attempts that end at the same moment may
// count as one, and those that found it [Silent] do only when it has been so for
// a while.
func (e *Endpoint) Streak() int { return int(e.streak.Load()) }

// Latency returns how long the endpoint takes to answer: a mean of the latest
// answers that rises faster than it falls, and an estimate of the time that 99
// in 100 stay below. Both are 0 while there have been too few answers.
func (e *Endpoint) Latency() (mean, p99 time.Duration) { return e.latency.get() }

// Done ends an attempt that [Pool.Pick] began and that went to address; every
// pick must be followed by exactly one Done. took is the time from sending the
// request to the head of the response, or until a failure; 0 where it is not known.
// err explains a failure. What becomes of an attempt at a former address, or of a
// failure that began before all was forgotten, says nothing of the endpoint any more.
func (e *Endpoint) Done(o Outcome, address string, took time.Duration, err error) {
	e.inFlight.Add(-1)
	if o != Abandoned && address != e.Address() {
		e.formerly(o)
		return
	}
	switch o {
	case Succeeded:
		e.answered()
		if took > 0 {
			e.latency.add(took)
			e.peak.add(took)
		}
	case Abandoned:
		e.untold.Add(1)
	case Erred:
		e.peak.add(max(took, asFailure))
		e.errors.Add(1)
		e.answered()
	default:
		e.failed(o, took, err)
	}
}

// formerly takes in the end of an attempt that tells only of what has been.
func (e *Endpoint) formerly(o Outcome) {
	switch o {
	case Unreachable, Broken:
		e.failures.Add(1)
		e.former.Add(1)
	case Unavailable, Erred:
		e.errors.Add(1)
		e.former.Add(1)
	case Succeeded, Silent:
		e.untold.Add(1)
	}
}

func (e *Endpoint) failed(o Outcome, took time.Duration, err error) {
	if time.Since(epoch)-took < time.Duration(e.fresh.Load()) {
		e.formerly(o)
		return
	}
	cost := time.Duration(asFailure)
	if o == Silent {
		e.latency.atLeast(took)
		cost = max(cost, took)
	}
	e.peak.add(cost)
	switch {
	case o == Unavailable:
		e.errors.Add(1)
	case o != Silent || e.silence(took) >= enoughSilence:
		e.failures.Add(1)
	default:
		e.untold.Add(1)
		return
	}
	if o != Silent {
		e.mute.Store(0)
	}
	e.streak.Add(1)
	if e.fail != nil {
		e.fail(e, o, err)
	}
}

// enoughSilence is for how long an endpoint must have answered nobody before it
// counts that it was [Silent]. Any program stands still for a moment, and ours
// may have been the one: then all that it had under way were overtaken at once.
const enoughSilence = 250 * time.Millisecond

// epoch is what moments are counted from, so that they fit in a word. What has
// begun by now is later than that.
var epoch = time.Now().Add(-time.Hour)

// silence returns for how long nobody was answered, after a request that was not
// within took.
func (e *Endpoint) silence(took time.Duration) time.Duration {
	now := time.Since(epoch)
	e.mute.CompareAndSwap(0, max(1, int64(now-took)))
	return now - time.Duration(e.mute.Load())
}

// answered ends a streak, and a trial.
func (e *Endpoint) answered() {
	e.Heard(e.Address())
	if e.streak.Load() != 0 {
		e.streak.Store(0)
	}
	if e.mute.Load() != 0 {
		e.mute.Store(0)
	}
}

func (e *Endpoint) begin() {
	e.inFlight.Add(1)
	e.requests.Add(1)
}
