package pool

import (
	"fmt"
	"slices"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/health"
)

// failure is a notice from the data path: an endpoint has failed too often in a
// row.
type failure struct {
	endpoint *balancer.Endpoint
	onTrial  bool
	err      error // the last of it; nil for an answer that says so
}

// maxFailures is how many notices may wait. What does not fit is told again by
// the next failure, or found by the next comparison.
const maxFailures = 64

// failed is told of each failed attempt, in the goroutine of the request.
func (s *Service) failed(e *balancer.Endpoint, o balancer.Outcome, err error) {
	if o == balancer.Unreachable {
		s.checker.Load().Strike(e.ID(), err)
	}
	// That connections are refused is for the checks.
	onTrial := o != balancer.Unreachable && e.OnTrial()
	if limit := int(s.consecutive.Load()); limit == 0 || e.Streak() < limit && !onTrial {
		return
	}
	select {
	case s.failures <- failure{e, onTrial, err}:
	default:
	}
}

// outliers is what the writer needs to take endpoints out for how live traffic
// fares on them, and to bring them back.
type outliers struct {
	alarm   *time.Timer // for the next comparison, or the end of an ejection
	compare time.Time   // when endpoints are compared next
	out     []*member   // some may have returned or left meanwhile
	full    time.Time   // until then nobody more can be taken out
}

// stillFull is for how long it is not looked again whether somebody may be taken
// out: while somebody should be, nearly every request tells so.
const stillFull = 100 * time.Millisecond

// record is what is known of a member as an outlier.
type record struct {
	health.Outlier
	trouble          string // why it is out, in words
	asked            bool   // for the check that is to bring it back
	suspect          bool   // when it did not serve the last time, it was out
	requests, failed uint64 // that had told something by the last comparison
}

// setOutliers goes by the present options.
func (w *writer) setOutliers() {
	consecutive := w.options.Outlier.Consecutive
	if w.options.Outlier.MaxEjected == 0 {
		consecutive = 0
	}
	w.service.consecutive.Store(int64(consecutive))
	w.outliers.compare = time.Time{}
	w.outliers.alarm.Reset(0)
}

// alarmed does what is due.
func (w *writer) alarmed(now time.Time) {
	o := &w.outliers
	spec := w.options.Outlier
	if spec.MaxEjected > 0 && !now.Before(o.compare) {
		w.compare(now)
		o.compare = now.Add(spec.Interval)
	}
	w.awaitNext(now)
}

// awaitNext has the members checked whose time is over, and sets the alarm.
func (w *writer) awaitNext(now time.Time) {
	o := &w.outliers
	o.out = slices.DeleteFunc(o.out, func(m *member) bool {
		return m.outlier.Cause() == health.NoCause || w.members[m.instance.ID] != m
	})
	wait := time.Duration(-1)
	sooner := func(at time.Time) {
		if d := at.Sub(now); wait < 0 || d < wait {
			wait = max(0, d)
		}
	}
	if w.options.Outlier.MaxEjected > 0 {
		sooner(o.compare)
	}
	for _, m := range o.out {
		if m.outlier.asked {
			continue
		}
		if now.Before(m.outlier.Until()) {
			sooner(m.outlier.Until())
			continue
		}
		m.outlier.asked = true
		w.checker.Nudge(m.instance.ID)
	}
	if wait >= 0 {
		o.alarm.Reset(wait)
	}
}

// failing takes in a notice.
func (w *writer) failing(f failure, now time.Time) {
	m := w.members[f.endpoint.ID()]
	spec := w.options.Outlier
	if m == nil || m.endpoint != f.endpoint || spec.Consecutive == 0 {
		return // it is about what is over
	}
	if again := f.onTrial && f.endpoint.OnTrial() && m.outlier.suspect; f.endpoint.Streak() < spec.Consecutive && !again {
		return
	}
	switch {
	case m.serves() && !now.Before(w.outliers.full) && w.mayEject(now):
		w.eject(m, m.outlier.Eject(spec, health.ConsecutiveFailures, now), f.err)
		w.awaitNext(now)
	case !f.endpoint.OnTrial(): // there is nothing to be had from it but failures
		f.endpoint.Try()
	}
}

// compare judges the members by how they did since the last time.
func (w *writer) compare(now time.Time) {
	spec := w.options.Outlier
	var members []*member
	var samples []health.Sample
	for _, m := range w.order {
		s := m.sample()
		if m.serves() {
			members, samples = append(members, m), append(samples, s)
		}
	}
	for i, cause := range spec.Judge(samples) {
		m := members[i]
		next := m.outlier.Compared(spec, cause, now)
		switch {
		case next.Cause() == health.NoCause:
			m.outlier.Outlier = next
		case w.mayEject(now):
			w.eject(m, next, nil)
		}
	}
}

// sample returns how the member did since the last sample.
func (m *member) sample() health.Sample {
	requests, failed := m.endpoint.Told()
	mean, _ := m.endpoint.Latency()
	s := health.Sample{
		// What is read at different moments may seem to go backwards.
		Requests: requests - min(requests, m.outlier.requests),
		Failures: failed - min(failed, m.outlier.failed),
		Streak:   m.endpoint.Streak(),
		Latency:  mean,
	}
	m.outlier.requests, m.outlier.failed = max(requests, m.outlier.requests), failed
	return s
}

func (m *member) serves() bool { return serves(m.facts) }

// mayEject reports whether there are enough others for one to be taken out.
func (w *writer) mayEject(now time.Time) bool {
	serving, out := 0, 0
	for _, m := range w.order {
		switch {
		case m.serves():
			serving++
		case m.facts.outlier != health.NoCause && onlyUnhealthy(m.facts):
			out++
		}
	}
	if w.options.Outlier.Allows(serving, out) {
		return true
	}
	w.outliers.full = now.Add(stillFull)
	return false
}

// eject takes a member out. err is the last failure, where one is known.
func (w *writer) eject(m *member, next health.Outlier, err error) {
	cause := next.Cause()
	m.outlier.Outlier, m.outlier.asked = next, false
	m.outlier.trouble = trouble(cause, m.endpoint, err)
	m.facts.outlier = cause
	w.outliers.out = append(w.outliers.out, m)
	w.service.ejections[cause].Add(1)
	w.touch(m)
}

// trouble says what is wrong with an endpoint.
func trouble(c health.Cause, e *balancer.Endpoint, err error) string {
	switch {
	case c == health.ConsecutiveFailures && err != nil && e.Streak() == 1:
		return fmt.Sprintf("it failed as soon as it was back: %v", err)
	case c == health.ConsecutiveFailures && err != nil:
		return fmt.Sprintf("%d failures in a row, the last: %v", e.Streak(), err)
	case c == health.ConsecutiveFailures:
		return fmt.Sprintf("%d failures in a row", e.Streak())
	case c == health.SuccessRate:
		return "requests fail more often than on the others"
	case c == health.Latency:
		mean, _ := e.Latency()
		return fmt.Sprintf("it takes %v to answer, far longer than the others", mean.Round(time.Millisecond))
	default:
		return "it goes up and down all the time"
	}
}

// proved takes in a health check of a member: one that is out for its traffic
// returns by it, and one that goes down again and again goes out for longer.
func (w *writer) proved(m *member, r health.Report) {
	spec, was := w.options.Outlier, m.outlier.Cause()
	switch {
	case r.Transition == health.Down && m.facts.verdict == health.Healthy:
		if next := m.outlier.Fell(spec, r.At); next.Cause() != was {
			w.eject(m, next, nil)
			w.awaitNext(r.At)
		} else {
			m.outlier.Outlier = next
		}
	case r.Result.Err != nil || was == health.NoCause:
	case slices.ContainsFunc(w.order, (*member).serves):
		m.outlier.Outlier = m.outlier.Checked(r.At.Add(-r.Result.Took))
	default: // nobody is better
		m.outlier.Outlier = m.outlier.Return(r.At)
	}
	if was != health.NoCause && m.outlier.Cause() == health.NoCause {
		m.facts.outlier = health.NoCause
		m.sample()
		m.endpoint.Forget()
		w.touch(m)
	}
}
