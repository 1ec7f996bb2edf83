package pool

import (
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

// publish puts the next pool and the next view in place, if anything changed.
// The pool goes first: traffic matters more than its description.
func (w *writer) publish() {
	if !w.stale {
		return
	}
	w.stale = false
	view := make([]*Endpoint, len(w.order))
	for i, m := range w.order {
		if m.dirty {
			w.rejudge(m)
		}
		view[i] = m.view
	}
	next := w.eligible()
	if before := w.service.Pool().Members(); !slices.Equal(next, before) {
		w.service.pool.Store(balancer.NewPool(w.service.options.Balance, next, &w.turn))
	}
	w.service.view.Store(&view)
	w.logOutage(len(next) == 0)
	for _, c := range w.changes {
		w.service.options.Logger.Log(c.level, c.message, c.args...)
	}
	w.changes = w.changes[:0]
}

// change is a line for the log. It waits for the publication, so that what the
// log says is so.
type change struct {
	level   hclog.Level
	message string
	args    []any
}

// logOutage tells when a service has nobody left to serve it, and when that is
// over.
func (w *writer) logOutage(out bool) {
	if out == w.out {
		return
	}
	w.out = out
	level, message := hclog.Info, "somebody is on duty"
	if out {
		level, message = hclog.Warn, "nobody is on duty: requests get 503"
	}
	args := []any{"service", w.service.options.Name, "registered", len(w.order)}
	w.changes = append(w.changes, change{level, message, args})
}

// eligible returns the members that get traffic. Where none serves, those that
// are out only for their health do: a try is better than a certain failure.
func (w *writer) eligible() []balancer.Member {
	var serving, lastResort []balancer.Member
	for _, m := range w.order {
		member := balancer.Member{Endpoint: m.endpoint, Weight: m.facts.weight}
		switch {
		case m.view.State == Serving:
			serving = append(serving, member)
		case onlyUnhealthy(m.facts):
			lastResort = append(lastResort, member)
		}
	}
	if len(serving) > 0 {
		return serving
	}
	return lastResort
}

// rejudge derives the state of a member anew and notes a change for the log.
func (w *writer) rejudge(m *member) {
	state, reasons := judge(m.facts)
	before := m.view
	m.view = &Endpoint{
		ID: m.instance.ID, Name: m.instance.Name, Address: m.instance.Address,
		Weight: m.facts.weight, State: state, Reasons: reasons,
		LastError: m.lastError, Live: m.endpoint,
	}
	m.dirty = false
	if before != nil && before.State == state && slices.Equal(before.Reasons, reasons) {
		return
	}
	from := State("new")
	if before != nil {
		from = before.State
	}
	args := []any{
		"service", w.service.options.Name, "id", m.instance.Name, "node", m.instance.Node,
		"address", m.instance.Address, "state", state, "from", from, "reasons", reasons,
	}
	level := hclog.Info
	if state == Ejected {
		level = hclog.Warn
		args = append(args, "error", m.lastError)
	}
	w.changes = append(w.changes, change{level, "endpoint " + string(state), args})
}

// logRejected tells of instances that can't be used, once for each.
func (w *writer) logRejected(now, before []discovery.Rejected) {
	for _, r := range now {
		if !slices.Contains(before, r) {
			w.service.options.Logger.Warn("instance left out", "service", w.service.options.Name,
				"id", r.Name, "reason", r.Reason)
		}
	}
}
