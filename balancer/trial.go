package balancer

import "time"

// trialStep is how long an endpoint on trial waits for the next attempt while it has
// not answered the last one: a service may take its time for an answer.
const trialStep = time.Second

// Try puts the endpoint on trial: until it has answered, and not as [Unavailable], it
// gets an attempt each second, and the others of its pool have the rest. So who is out
// may be in a pool all the same, and find its way back.
func (e *Endpoint) Try() { e.trial.Store(int64(time.Since(epoch))) }

// Return puts the endpoint on trial as it comes or returns: that its check passes need
// not mean that it serves. What failed before does not count any more.
func (e *Endpoint) Return() {
	e.forgive()
	e.Try()
}

// OnTrial reports whether the endpoint is on trial.
func (e *Endpoint) OnTrial() bool { return e.trial.Load() != 0 }

// Heard tells that the endpoint has begun to answer at address, which ends a trial.
func (e *Endpoint) Heard(address string) {
	if e.trial.Load() != 0 && address == e.Address() {
		e.trial.Store(0)
	}
}

// mayTry reports whether the endpoint may have an attempt, which takes the one that
// it may have on trial.
func (e *Endpoint) mayTry() bool {
	next := e.trial.Load()
	if next == 0 {
		return true
	}
	now := int64(time.Since(epoch))
	return now >= next && e.trial.CompareAndSwap(next, now+int64(trialStep))
}

// maxPassed is how many endpoints on trial are passed over in one pick: where there
// are more of them than that, the others can't be meant to have it all.
const maxPassed = 8

// instead begins an attempt on another endpoint than e, which is on trial and has
// what it may have, or on e where that finds none.
func (p *Pool) instead(e *Endpoint, tried []*Endpoint) *Endpoint {
	passed := append(make([]*Endpoint, 0, len(tried)+maxPassed), tried...)
	passed = append(passed, e)
	for range maxPassed - 1 {
		other := p.picker.Pick(passed)
		if other == nil {
			break
		}
		if other.mayTry() {
			e = other
			break
		}
		passed = append(passed, other)
	}
	e.begin()
	return e
}
