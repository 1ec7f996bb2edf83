package pool

import (
	"cmp"
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
	outlier   record
	view      *Endpoint // as last published; replaced, never changed
	touched   bool      // what is published no longer tells the truth
	removed   bool      // nobody knows of it any more

	ramp             ramp
	tier             int // as last published, as are its weights there; 0: it is not in that set
	serving, willing int
	waits            bool // for its first check, as counted in its tier
	lacks            int  // to its full weight in percent, as counted there
}

// writer owns the members of a service. Only the goroutine of [Service.Run]
// touches it.
type writer struct {
	service *Service
	options Options // at present
	checker *health.Checker
	members map[string]*member
	order   []*member // by ID
	turn    balancer.Turn

	// What is published. Each is patched, never rebuilt.
	tiers     []*tier
	loads     []int // of the tiers, in percent
	endpoints balancer.List[*Endpoint]

	ramping []*member      // in their slow start, and some that no longer are
	touched []*member      // since the last publication
	found   map[string]int // how many members have an address
	emptied []string       // addresses that a member has left since the last publication

	drained   []*member // since the last publication
	drainings []drain   // only with a limit

	started              bool      // a set has been applied
	ready                bool      // that was told
	proven               time.Time // when the checks of a snapshot are no longer waited for; zero: they are not
	leaving              int       // members that are gone and not removed yet
	changes              []change
	panicking, panicTold bool // those out for their health alone get traffic, and that was told
	out                  bool // nobody is on duty, and that was told
	stale                bool // something that the published snapshots show has changed
	retake               bool // the same members are to be picked in another way

	outliers  outliers
	inherited map[string]Learned // what is left of it; nil once a set has been applied, or where there was none
}

func newWriter(s *Service, c *health.Checker) *writer {
	w := &writer{service: s, options: s.options, checker: c, members: map[string]*member{}, found: map[string]int{}, inherited: s.options.Inherited}
	w.outliers.alarm = time.NewTimer(0)
	w.setOutliers()
	w.setTiers()
	w.retake, w.stale = false, false // nothing has been heard yet
	return w
}

func (w *writer) draining() bool { return w.leaving > 0 || len(w.drainings) > 0 }

// configure goes on with other options, and with all that is known.
func (w *writer) configure(o Options) {
	before := w.options
	w.options = o
	if o.Balance != before.Balance {
		w.retake, w.stale = true, true
	}
	if o.Source != before.Source {
		news := *w.service.news.Load()
		news.kind = o.Source
		w.service.news.Store(&news)
	}
	w.stale = w.stale || o.PanicBelow != before.PanicBelow
	if o.SlowStart != before.SlowStart {
		for _, m := range w.ramping {
			w.touch(m)
		}
	}
	if !o.Locality.equal(before.Locality) {
		w.setTiers()
	}
	w.checker.Configure(o.Check)
	if o.Outlier != before.Outlier {
		w.setOutliers()
	}
}

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
		w.apply(u.Instances, now)
		w.started = true
		w.inherited = nil
		w.logRejected(u.Rejected, news.Rejected)
		news.Heard, news.Kept, news.Err, news.Rejected = now, false, nil, u.Rejected
		news.Updates++
	case discovery.Kept:
		if w.started {
			return // what is known is newer, though it be from a former source
		}
		w.started = true // they may be gone long since: each has to prove itself
		w.apply(u.Instances, now)
		w.proven = now.Add(proof)
		news.Heard, news.Kept = now.Add(-u.Age), true
		w.options.Logger.Warn("discovery has not answered: serving the list that was known before", "service", w.options.Name,
			"age", u.Age, "instances", len(u.Instances))
	}
	w.service.news.Store(&news)
	if u.Kind == discovery.Set {
		w.tellReady(now)
	}
}

// tellReady tells once that the service may be used.
func (w *writer) tellReady(now time.Time) {
	if w.ready {
		return
	}
	w.ready = true
	for _, m := range w.order {
		m.ramp.due = m.ramp.due || !serves(m.facts) // while proving they were not
	}
	w.stale = true // even an empty pool is news
	w.publish(now) // before anybody hears of it
	close(w.service.ready)
}

// proof is how long the endpoints of a snapshot may take to pass their first
// check. With those that have, or with all where none has, the service starts.
const proof = 500 * time.Millisecond

// proving reports whether the checks of a snapshot are waited for.
func (w *writer) proving() bool { return !w.ready && !w.proven.IsZero() }

// prove ends the wait for them when they are over.
func (w *writer) prove(now time.Time) {
	if !w.proving() {
		return
	}
	open := func(m *member) bool { return m.facts.verdict == health.Unknown }
	if now.Before(w.proven) && slices.ContainsFunc(w.order, open) {
		return
	}
	w.tellReady(now)
}

// apply makes the members agree with a complete set of instances, in order of
// their IDs. To compare thousands allocates nothing.
func (w *writer) apply(instances []discovery.Instance, now time.Time) {
	var added []*discovery.Instance
	known := w.order
	for i := range instances {
		in := &instances[i]
		for len(known) > 0 && known[0].instance.ID < in.ID {
			w.gone(known[0])
			known = known[1:]
		}
		if len(known) > 0 && known[0].instance.ID == in.ID {
			w.change(known[0], in)
			known = known[1:]
		} else {
			added = append(added, in)
		}
	}
	for _, m := range known {
		w.gone(m)
	}
	for _, in := range added {
		w.add(in, now)
	}
	if len(added) > 0 && len(w.outliers.out) > 0 {
		w.awaitNext(now) // for those who came as outliers
	}
}

func (w *writer) add(in *discovery.Instance, now time.Time) {
	m := &member{
		endpoint: balancer.NewEndpoint(in.ID, in.Address, w.service.failed),
		instance: *in,
		// The first set serves before its checks end, so that a start is never
		// slower than the first answer from discovery.
		facts: facts{status: in.Status, weight: in.Weight, held: in.Held, probation: w.started},
		ramp:  ramp{due: w.ready},
	}
	w.inherit(m, now)
	w.members[in.ID] = m
	w.found[in.Address]++
	i, _ := slices.BinarySearchFunc(w.order, in.ID, func(m *member, id string) int {
		return cmp.Compare(m.instance.ID, id)
	})
	w.order = slices.Insert(w.order, i, m)
	w.checker.Watch(in.ID, in.Address, m.facts.verdict)
	w.touch(m)
}

// change brings a known member up to date. What was learned about it stays,
// unless it moved: then the new address has to prove itself.
func (w *writer) change(m *member, in *discovery.Instance) {
	if !m.facts.gone && m.instance.Equal(in) {
		return
	}
	moved := m.instance.Address != in.Address
	if moved || m.facts.gone {
		w.leave(m.instance.Address)
		if moved {
			w.drains(m.instance.Address, nil)
		}
		w.found[in.Address]++
		m.endpoint.Move(in.Address)
		if m.facts.gone {
			w.leaving--
			m.facts.gone = false
		}
		m.facts.verdict, m.facts.probation, m.facts.outlier = health.Unknown, true, health.NoCause
		m.outlier = record{}
		m.sample() // what is over does not count
		w.checker.Watch(in.ID, in.Address, health.Unknown)
	} else if m.facts.verdict == health.Unhealthy {
		w.checker.Nudge(in.ID)
	}
	m.instance = *in
	m.facts.status, m.facts.weight, m.facts.held = in.Status, in.Weight, in.Held
	w.touch(m)
}

// gone has a member drain that discovery no longer names.
func (w *writer) gone(m *member) {
	if m.facts.gone {
		return
	}
	m.facts.gone = true
	w.leaving++
	w.checker.Forget(m.instance.ID)
	w.touch(m)
}

// checked takes in the result of a health check. Reports that speak of a
// former address or a former member come too late and are dropped.
func (w *writer) checked(r health.Report) {
	m := w.members[r.ID]
	if m == nil || m.facts.gone || m.instance.Address != r.Address {
		return
	}
	w.proved(m, r)
	v, lastError := r.Active.Verdict(), ""
	if r.Result.Err != nil {
		lastError = r.Result.Err.Error()
	}
	if m.facts.verdict == v && m.lastError == lastError {
		return
	}
	m.facts.verdict, m.lastError = v, lastError
	w.touch(m)
}

// removeIdle drops the members that are gone and have nothing in flight: once that
// they are is published, or the pool would still hand out who is forgotten.
func (w *writer) removeIdle() {
	if w.leaving == 0 {
		return
	}
	w.order = slices.DeleteFunc(w.order, func(m *member) bool {
		if !m.facts.gone || m.touched || m.endpoint.InFlight() > 0 {
			return false
		}
		delete(w.members, m.instance.ID)
		w.leaving--
		m.removed = true
		w.leave(m.instance.Address)
		w.touch(m)
		return true
	})
}

// leave notes that a member is no longer found at an address.
func (w *writer) leave(address string) {
	w.found[address]--
	w.emptied = append(w.emptied, address)
}

func (w *writer) touch(m *member) {
	if !m.touched {
		m.touched = true
		w.touched = append(w.touched, m)
	}
	w.stale = true
}
