package pool

import (
	"slices"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// Locality says which endpoints of a service are near. The near ones get all the
// traffic while they are well, and pass on the more of it the fewer of them are.
// The zero Locality makes no difference between endpoints.
type Locality struct {
	Prefer     string // "zone", "node", or "" for none
	Meta       string // the key of an instance's Meta that has its zone
	Zone, Node string // where rota is
	// Failover names the datacenters that stand in for the own one, in order.
	Failover []string
}

func (l Locality) equal(o Locality) bool {
	return l.Prefer == o.Prefer && l.Meta == o.Meta && l.Zone == o.Zone && l.Node == o.Node &&
		slices.Equal(l.Failover, o.Failover)
}

// tiers returns how many tiers there are.
func (l Locality) tiers() int { return l.own() + len(l.Failover) }

// own returns how many of them are in the own datacenter.
func (l Locality) own() int {
	if l.Prefer == "" {
		return 1
	}
	return 2
}

// tier returns in which an instance is; the first is the nearest.
func (l Locality) tier(in *discovery.Instance) int {
	if i := slices.Index(l.Failover, in.Datacenter); i >= 0 {
		return l.own() + i
	}
	switch l.Prefer {
	case "zone":
		if in.Meta[l.Meta] != l.Zone {
			return 1
		}
	case "node":
		if in.Node != l.Node {
			return 1
		}
	}
	return 0
}

// enough is the percentage of a tier's endpoints, times that of those that serve,
// up to which the rest of them can do the work of all: none of it is passed on
// while 72 % serve.
const enough = 140

// loads returns the share of the requests, in percent, that each tier gets by
// how many of those that could serve do, in hundredths, and whether the tiers are up
// to all of them together.
func loads(serving, willing []int) (loads []int, cope bool) {
	loads = make([]int, len(serving))
	total := 0
	for i := range loads {
		if willing[i] > 0 {
			loads[i] = min(100, enough*serving[i]/(100*willing[i]))
		}
		total += loads[i]
	}
	return shares(loads, max(1, min(100, total))), total >= 100
}

// shares brings loads, of which the first that make up total count, to 100.
func shares(loads []int, total int) []int {
	left := 100
	for i, load := range loads {
		loads[i] = min(left, load*100/total)
		left -= loads[i]
	}
	if i := slices.IndexFunc(loads, func(load int) bool { return load > 0 }); i >= 0 {
		loads[i] += left // what rounding has left
	}
	return loads
}

// tier is the members that are equally near, as last published.
type tier struct {
	serving set // those that serve by their own right
	willing set // those that would serve where nobody else did
	waiting int // those of them that wait for their first check: they don't count as unwell
	lacking int // what those in their slow start lack to their full weights, in percent of one
	turn    balancer.Turn
}

// set is a set of members that is patched, never rebuilt.
type set struct {
	members balancer.Members
	changes []balancer.Change[balancer.Member] // that are to come
}

// weigh has a member get another weight in the set; 0 takes it out. had is what
// it has, and is brought up to date.
func (s *set) weigh(m *member, had *int, weight int) {
	if weight == *had {
		return
	}
	for _, c := range []struct {
		weight int
		gone   bool
	}{{*had, true}, {weight, false}} {
		if c.weight > 0 {
			item := balancer.Member{Endpoint: m.endpoint, Weight: c.weight}
			s.changes = append(s.changes, balancer.Change[balancer.Member]{Item: item, Gone: c.gone})
		}
	}
	*had = weight
}

// patch makes the changes, and reports whether there were any.
func (s *set) patch() bool {
	if len(s.changes) == 0 {
		return false
	}
	s.members = s.members.With(s.changes)
	s.changes = nil
	return true
}

// place brings a member's weights in the sets of its tier up to date.
func (w *writer) place(m *member) {
	if at := w.options.Locality.tier(&m.instance); at != m.tier {
		w.tiers[m.tier].serving.weigh(m, &m.serving, 0)
		w.tiers[m.tier].willing.weigh(m, &m.willing, 0)
		w.tiers[m.tier].wait(m, false)
		w.tiers[m.tier].lack(m, 0)
		m.tier = at
	}
	serving, willing := 0, 0
	if !m.removed && serves(m.facts) {
		serving = m.share()
	}
	if !m.removed && onlyUnhealthy(m.facts) {
		willing = 100 * m.facts.weight
	}
	if serving == 0 && willing > 0 && (m.serving > 0 || m.willing == 0) {
		m.endpoint.Try() // if it gets traffic all the same, with the others
	}
	w.tiers[m.tier].serving.weigh(m, &m.serving, serving)
	w.tiers[m.tier].willing.weigh(m, &m.willing, willing)
	w.tiers[m.tier].wait(m, willing > 0 && m.facts.verdict == health.Unknown && m.facts.probation)
	lacks := 0
	if serving > 0 && m.facts.ramping {
		lacks = 100 - m.ramp.percent
	}
	w.tiers[m.tier].lack(m, lacks)
}

// wait counts a member that waits for its first check, or no longer does.
func (t *tier) wait(m *member, waits bool) {
	switch {
	case waits && !m.waits:
		t.waiting++
	case m.waits && !waits:
		t.waiting--
	}
	m.waits = waits
}

// lack counts what a member lacks to its full weight.
func (t *tier) lack(m *member, percent int) {
	t.lacking += percent - m.lacks
	m.lacks = percent
}

// setTiers puts all members in new tiers.
func (w *writer) setTiers() {
	w.tiers = nil
	for range w.options.Locality.tiers() {
		w.tiers = append(w.tiers, new(tier))
	}
	for _, m := range w.order {
		m.tier, m.serving, m.willing, m.waits, m.lacks = 0, 0, 0, false, 0
		w.touch(m)
	}
	w.retake, w.stale = true, true
}

// publishPool puts the next pool in place, if it differs.
func (w *writer) publishPool() {
	var serving, willing, checked []int
	serve, would, count := 0, 0, 0
	changed := w.retake
	for _, t := range w.tiers {
		a, b := t.serving.patch(), t.willing.patch()
		changed = changed || a || b && w.panicking
		serving, willing = append(serving, 100*t.serving.members.Len()-t.lacking), append(willing, t.willing.members.Len())
		checked = append(checked, t.willing.members.Len()-t.waiting)
		serve, would, count = serve+t.serving.members.Len(), would+t.willing.members.Len(), count+checked[len(checked)-1]
	}
	next, cope := loads(serving, checked)
	alarm := panics(w.options.PanicBelow, serve, count, would) && (len(w.tiers) == 1 || !cope)
	if alarm {
		next = shares(willing, would)
	}
	if changed || alarm != w.panicking || !slices.Equal(next, w.loads) {
		w.storePool(alarm, next)
	}
	w.retake, w.panicking = false, alarm
	w.logPanic(serve, would)
	w.logOutage(serve == 0 && !alarm)
	w.logLoads(next)
}

// storePool makes the pool, of those that would serve when there is an alarm.
func (w *writer) storePool(alarm bool, loads []int) {
	var tiers []balancer.Tier
	for i, t := range w.tiers {
		members := t.serving.members
		if alarm {
			members = t.willing.members
		}
		tiers = append(tiers, balancer.Tier{Pool: balancer.NewPool(w.options.Balance, members, &t.turn), Load: loads[i]})
	}
	if len(tiers) == 1 {
		w.service.pool.Store(tiers[0].Pool)
		return
	}
	w.service.pool.Store(balancer.NewTiers(&w.turn, tiers...))
}

// logLoads tells when the shares of the tiers change.
func (w *writer) logLoads(loads []int) {
	before := w.loads
	w.loads = loads
	if len(w.tiers) == 1 || slices.Equal(loads, before) || !slices.ContainsFunc(loads, func(l int) bool { return l > 0 }) {
		return
	}
	args := []any{"service", w.options.Name, "percent", loads}
	w.changes = append(w.changes, change{hclog.Info, "shares of the tiers, the nearest first", args})
}
