package pool

import (
	"cmp"
	"reflect"
	"slices"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// member is an endpoint with all that its writer knows of it.
type member struct {
	endpoint  *balancer.Endpoint
	instance  discovery.Instance
	facts     facts
	lastError string
	view      *Endpoint // as last published; replaced, never changed
	dirty     bool      // the view no longer tells the truth
}

// writer owns the members of a service. Only the goroutine of [Service.Run]
// touches it.
type writer struct {
	service *Service
	checker *health.Checker
	members map[string]*member
	order   []*member // by ID; rebuilt when members come or go
	turn    balancer.Turn
	started bool // the first set has been applied
	leaving int  // members that are gone and not removed yet
	changes []change
	out     bool // nobody is on duty, and that was told
	stale   bool // something that the published snapshots show has changed
}

func newWriter(s *Service, c *health.Checker) *writer {
	return &writer{service: s, checker: c, members: map[string]*member{}}
}

func (w *writer) draining() bool { return w.leaving > 0 }

// update takes in one piece of news from discovery.
func (w *writer) update(u discovery.Update, now time.Time) {
	news := *w.service.news.Load()
	switch u.Kind {
	case discovery.Failed:
		news.Err = u.Err
		news.Errors++
	case discovery.Unchanged:
		news.Heard, news.Err = now, nil
	case discovery.Set:
		w.apply(u.Instances)
		w.logRejected(u.Rejected, news.Rejected)
		news.Heard, news.Err, news.Rejected = now, nil, u.Rejected
		news.Updates++
	}
	w.service.news.Store(&news)
	if u.Kind == discovery.Set && !w.started {
		w.started = true
		w.stale = true // even an empty pool is news
		w.publish()    // before anybody hears that the service is ready
		close(w.service.ready)
	}
}

// apply makes the members agree with a complete set of instances.
func (w *writer) apply(instances []discovery.Instance) {
	named := make(map[string]bool, len(instances))
	for _, in := range instances {
		named[in.ID] = true
		if m := w.members[in.ID]; m != nil {
			w.change(m, in)
		} else {
			w.add(in)
		}
	}
	for _, m := range w.order {
		if !named[m.instance.ID] && !m.facts.gone {
			m.facts.gone = true
			w.leaving++
			w.checker.Forget(m.instance.ID)
			w.touch(m)
		}
	}
	w.removeIdle()
}

func (w *writer) add(in discovery.Instance) {
	m := &member{
		endpoint: balancer.NewEndpoint(in.ID, in.Address, w.checker.Strike),
		instance: in,
		// The first set serves before its checks end, so that a start is never
		// slower than the first answer from discovery.
		facts: facts{status: in.Status, weight: in.Weight, probation: w.started},
	}
	w.members[in.ID] = m
	i, _ := slices.BinarySearchFunc(w.order, in.ID, func(m *member, id string) int {
		return cmp.Compare(m.instance.ID, id)
	})
	w.order = slices.Insert(w.order, i, m)
	w.checker.Watch(in.ID, in.Address)
	w.touch(m)
}

// change brings a known member up to date. What was learned about it stays,
// unless it moved: then the new address has to prove itself.
func (w *writer) change(m *member, in discovery.Instance) {
	if !m.facts.gone && reflect.DeepEqual(m.instance, in) {
		return
	}
	former := m.instance.Address
	moved := former != in.Address
	if moved || m.facts.gone {
		m.endpoint.Move(in.Address)
		if m.facts.gone {
			w.leaving--
			m.facts.gone = false
		}
		m.facts.verdict, m.facts.probation = unknown, true
		w.checker.Watch(in.ID, in.Address)
	} else if m.facts.verdict == unhealthy {
		w.checker.Nudge(in.ID)
	}
	m.instance = in
	m.facts.status, m.facts.weight = in.Status, in.Weight
	w.touch(m)
	if moved {
		w.left(former)
	}
}

// checked takes in the result of a health check. Reports that speak of a
// former address or a former member come too late and are dropped.
func (w *writer) checked(r health.Report) {
	m := w.members[r.ID]
	if m == nil || m.facts.gone || m.instance.Address != r.Address {
		return
	}
	v := unknown
	switch {
	case r.Active.Known() && r.Active.Healthy():
		v = healthy
	case r.Active.Known():
		v = unhealthy
	}
	lastError := ""
	if r.Result.Err != nil {
		lastError = r.Result.Err.Error()
	}
	if m.facts.verdict == v && m.lastError == lastError {
		return
	}
	m.facts.verdict, m.lastError = v, lastError
	w.touch(m)
}

// removeIdle drops the members that are gone and have nothing in flight.
func (w *writer) removeIdle() {
	if w.leaving == 0 {
		return
	}
	w.order = slices.DeleteFunc(w.order, func(m *member) bool {
		if !m.facts.gone || m.endpoint.InFlight() > 0 {
			return false
		}
		w.rejudge(m) // so that a member that leaves at once is logged too
		delete(w.members, m.instance.ID)
		w.leaving--
		w.stale = true
		w.left(m.instance.Address)
		return true
	})
}

// left tells that an address serves no more, unless another member is there.
func (w *writer) left(address string) {
	if w.service.options.Left == nil {
		return
	}
	for _, m := range w.members {
		if m.instance.Address == address && !m.facts.gone {
			return
		}
	}
	w.service.options.Left(address)
}

func (w *writer) touch(m *member) {
	m.dirty = true
	w.stale = true
}
