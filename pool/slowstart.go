package pool

import (
	"slices"
	"time"

	"github.com/rota-lb/rota/health"
)

// SlowStart says how an endpoint that comes or returns gets to its full weight:
// caches and compilers of a new process have to warm up. The zero SlowStart
// gives the full weight at once.
type SlowStart struct {
	Duration  time.Duration // until the full weight; 0: none
	MinWeight int           // percent of its weight at the beginning, 1 to 100
}

// rampSteps is in how many steps a weight grows. Each one is a new pool.
const rampSteps = 20

// percent returns what an endpoint has of its weight at a moment, when it began
// to serve at since.
func (s SlowStart) percent(since, now time.Time) int {
	passed := now.Sub(since)
	if passed >= s.Duration {
		return 100
	}
	step := int(max(0, passed) * rampSteps / s.Duration)
	return s.MinWeight + (100-s.MinWeight)*step/rampSteps
}

// ramp is how far a member is in its slow start.
type ramp struct {
	due     bool      // the next time that it serves it starts slowly
	serves  bool      // as last published
	since   time.Time // when it began to serve; zero once it has its full weight
	percent int       // of its weight, while it has not
}

// starts begins the trial and the slow start of a member that begins to serve, and
// ends the latter where one no longer does. Members that were there when the service came up
// have their full weight from then on: there is nobody else.
func (w *writer) starts(m *member, now time.Time) {
	r, serves := &m.ramp, serves(m.facts)
	switch {
	case !serves:
		m.outlier.suspect = m.facts.outlier != health.NoCause
		r.since = time.Time{}
		r.due = r.due || !w.proving()
	case !r.serves && r.due:
		m.endpoint.Return()
		if w.options.SlowStart.Duration > 0 {
			r.since = now
			w.ramping = append(w.ramping, m)
		}
	case !r.serves: // at the start, when everybody would be on trial
		m.endpoint.Heard(m.instance.Address)
	}
	r.serves = serves
	if m.facts.ramping = !r.since.IsZero(); !m.facts.ramping {
		return
	}
	if r.percent = w.options.SlowStart.percent(r.since, now); r.percent == 100 {
		r.since, m.facts.ramping = time.Time{}, false
	}
}

// rampUp has those be published anew whose weight has grown.
func (w *writer) rampUp(now time.Time) {
	w.ramping = slices.DeleteFunc(w.ramping, func(m *member) bool {
		if m.ramp.since.IsZero() || m.removed {
			return true
		}
		if w.options.SlowStart.percent(m.ramp.since, now) != m.ramp.percent {
			w.touch(m)
		}
		return false
	})
}

// share returns the weight of a member at present, in hundredths.
func (m *member) share() int {
	if m.facts.ramping {
		return m.facts.weight * m.ramp.percent
	}
	return m.facts.weight * 100
}
