package pool

import (
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/health"
)

// Learned is what is known of an endpoint that discovery does not know, for
// another process that is to go on with it.
type Learned struct {
	Address   string           `json:"address"` // where it was learned
	Verdict   health.Verdict   `json:"verdict,omitzero"`
	Probation bool             `json:"probation,omitzero"` // has to pass its first check
	LastError string           `json:"last_error,omitzero"`
	Outlier   health.Outlier   `json:"outlier"`
	Trouble   string           `json:"trouble,omitzero"`
	Suspect   bool             `json:"suspect,omitzero"` // returned from being an outlier
	Trial     bool             `json:"trial,omitzero"`   // has not answered since it came or returned
	Ramping   bool             `json:"ramping,omitzero"` // is in its slow start,
	Ramped    time.Duration    `json:"ramped,omitzero"`  // for so long
	Traffic   balancer.Learned `json:"traffic"`
}

// Learned returns what is known of each endpoint that discovery names, by ID. It
// is nil once Run has ended.
func (s *Service) Learned() map[string]Learned {
	answer := make(chan map[string]Learned, 1)
	select {
	case s.asked <- answer:
		return <-answer
	case <-s.stopped:
		return nil
	}
}

func (w *writer) learned(now time.Time) map[string]Learned {
	all := make(map[string]Learned, len(w.order))
	for _, m := range w.order {
		if m.facts.gone {
			continue
		}
		l := Learned{
			Address: m.instance.Address, Verdict: m.facts.verdict, Probation: m.facts.probation, LastError: m.lastError,
			Outlier: m.outlier.Outlier, Trouble: m.outlier.trouble, Suspect: m.outlier.suspect,
			Trial: m.endpoint.OnTrial(), Traffic: m.endpoint.Learned(),
		}
		if l.Ramping = !m.ramp.since.IsZero(); l.Ramping {
			l.Ramped = now.Sub(m.ramp.since)
		}
		all[m.instance.ID] = l
	}
	return all
}

// inherit has a new member go on with what another process has learned of it. Whom
// that process did not know, or elsewhere, comes as to a service that runs.
func (w *writer) inherit(m *member, now time.Time) {
	l, known := w.inherited[m.instance.ID]
	delete(w.inherited, m.instance.ID)
	switch {
	case w.inherited == nil:
		return
	case !known || l.Address != m.instance.Address:
		m.facts.probation = true
		return
	}
	switch l.Verdict {
	case health.Healthy, health.Unhealthy:
		m.facts.verdict = l.Verdict
	}
	m.facts.probation = m.facts.probation || l.Probation
	m.facts.outlier = l.Outlier.Cause()
	m.lastError = l.LastError
	m.outlier.Outlier, m.outlier.trouble, m.outlier.suspect = l.Outlier, l.Trouble, l.Suspect
	if m.facts.outlier != health.NoCause {
		w.outliers.out = append(w.outliers.out, m)
	}
	if l.Ramping {
		m.ramp.serves, m.ramp.since = true, now.Add(-l.Ramped)
		w.ramping = append(w.ramping, m)
	}
	if m.endpoint.Learn(l.Traffic); l.Trial {
		m.ramp.serves = true
		m.endpoint.Try()
	}
}
