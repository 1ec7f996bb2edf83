package balancer

import "time"

// trial is the time of an endpoint that has come or returned until it has answered:
// that its check passes need not mean that it serves, and until it is known a few
// requests are enough to lose time with.
type trial struct {
	since time.Duration // after epoch
	most  int64         // in flight, at the beginning
}

// trialStep is how long a trial takes to allow one attempt more: a service may take
// its time for an answer, and such an endpoint is to get its share all the same.
const trialStep = time.Second

func (t *trial) allows(inFlight int64) bool {
	return inFlight <= t.most+int64((time.Since(epoch)-t.since)/trialStep)
}

// Try puts the endpoint on trial: until it has answered, it gets one attempt at a
// time, and one more with each second, as long as there is another endpoint.
func (e *Endpoint) Try() {
	e.trial.Store(&trial{since: time.Since(epoch), most: e.InFlight() + 1})
}

// OnTrial reports whether the endpoint is on trial.
func (e *Endpoint) OnTrial() bool { return e.trial.Load() != nil }

// Heard tells that the endpoint has begun to answer, which ends a trial.
func (e *Endpoint) Heard() {
	if e.trial.Load() != nil {
		e.trial.Store(nil)
	}
}
