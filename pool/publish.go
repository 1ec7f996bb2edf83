package pool

import (
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// publish puts the next pool and the next view in place, if anything changed.
// The pool goes first: traffic matters more than its description. The work is in
// proportion to what changed.
func (w *writer) publish(now time.Time) {
	if !w.stale {
		return
	}
	w.stale = false
	var views []balancer.Change[*Endpoint]
	for _, m := range w.touched {
		w.starts(m, now)
		w.place(m)
		w.rejudge(m)
		views = append(views, balancer.Change[*Endpoint]{Item: m.view, Gone: m.removed})
		m.touched = false
	}
	clear(w.touched)
	w.touched = w.touched[:0]
	w.endpoints = w.endpoints.With(views)
	w.publishPool()
	w.service.shown.Store(&shown{w.endpoints, w.panicking, w.loads})
	w.tellDrained()
	w.tellLeft()
	for _, c := range w.changes {
		w.options.Logger.Log(c.level, c.message, c.args...)
	}
	w.changes = w.changes[:0]
}

// panics reports whether so few serve, of those that would, that the others are
// to be tried as well: a try is better than a certain failure, and the few are
// not to be buried under the traffic of all. below is in percent of those whose
// first check is over: what is new has not taken anybody away.
func panics(below, serving, checked, willing int) bool {
	return serving < willing && (serving == 0 || serving*100 < below*checked)
}

// logPanic tells when that begins and ends. Before the checks of a snapshot are
// over it is as it should be.
func (w *writer) logPanic(serve, would int) {
	if w.panicking == w.panicTold || w.proving() {
		return
	}
	w.panicTold = w.panicking
	level, message := hclog.Info, "endpoints out for their health get no traffic any more"
	if w.panicking {
		level, message = hclog.Warn, "too few endpoints are healthy: those out for their health alone get traffic again"
	}
	args := []any{"service", w.options.Name, "serving", serve, "of", would}
	w.changes = append(w.changes, change{level, message, args})
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
	args := []any{"service", w.options.Name, "registered", len(w.order)}
	w.changes = append(w.changes, change{level, message, args})
}

// rejudge derives the state of a member anew and notes a change for the log.
func (w *writer) rejudge(m *member) {
	state, reasons := judge(m.facts)
	before := m.view
	m.view = &Endpoint{
		ID: m.instance.ID, Name: m.instance.Name, Address: m.instance.Address,
		Weight: m.facts.weight, State: state, Reasons: reasons,
		LastError: m.lastError, Tier: m.tier, Live: m.endpoint,
	}
	if m.view.LastError == "" && m.facts.outlier != health.NoCause {
		m.view.LastError = m.outlier.trouble
	}
	if before != nil && before.State == state && slices.Equal(before.Reasons, reasons) {
		return
	}
	from := State("new")
	if before != nil {
		from = before.State
	}
	if state == Draining && from != Draining {
		w.drains(m.instance.Address, m)
	}
	args := []any{
		"service", w.options.Name, "id", m.instance.Name, "node", m.instance.Node,
		"address", m.instance.Address, "state", state, "from", from, "reasons", reasons,
	}
	level := hclog.Info
	if state == Ejected {
		if from != Ejected {
			level = hclog.Warn
		}
		args = append(args, "error", m.view.LastError)
	}
	w.changes = append(w.changes, change{level, "endpoint " + string(state), args})
}

// logRejected tells of instances that can't be used, once for each.
func (w *writer) logRejected(now, before []discovery.Rejected) {
	for _, r := range now {
		if !slices.Contains(before, r) {
			w.options.Logger.Warn("instance left out", "service", w.options.Name,
				"id", r.Name, "reason", r.Reason)
		}
	}
}
