package pool

import (
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
)

// drain is the wait for the requests in flight to an address that gets no more.
type drain struct {
	address string
	member  *member   // that is there and drains; nil where it has moved away
	until   time.Time // when they are cut; zero until the first look
}

// pending reports whether there is still something to be cut.
func (d *drain) pending(w *writer) bool {
	if d.member == nil {
		return w.found[d.address] == 0
	}
	m := d.member
	return !m.removed && m.instance.Address == d.address && m.view.State == Draining
}

// drains begins a drain. That of a member is told once it is published.
func (w *writer) drains(address string, m *member) {
	if m != nil {
		w.drained = append(w.drained, m)
	}
	if w.options.DrainTimeout > 0 {
		w.drainings = append(w.drainings, drain{address: address, member: m})
	}
}

// tellDrained tells of members that have begun to drain, unless others are at
// the same address.
func (w *writer) tellDrained() {
	for _, m := range w.drained {
		if !m.removed && w.found[m.instance.Address] == 1 && w.options.Drain != nil {
			w.options.Drain(m.instance.Address)
		}
	}
	clear(w.drained)
	w.drained = w.drained[:0]
}

// tellLeft tells which addresses serve no more. Where requests in flight may
// have to be cut, that comes first.
func (w *writer) tellLeft() {
	for _, address := range w.emptied {
		if count, known := w.found[address]; !known || count > 0 {
			continue
		}
		delete(w.found, address)
		tell := w.options.Left
		if slices.ContainsFunc(w.drainings, func(d drain) bool { return d.member == nil && d.address == address }) {
			tell = w.options.Drain
		}
		if tell != nil {
			tell(address)
		}
	}
	w.emptied = w.emptied[:0]
}

// cutDrained cuts what is still in flight when its time is over. Where nobody
// serves, those that drain may be all there is.
func (w *writer) cutDrained(now time.Time) {
	if len(w.drainings) == 0 {
		return
	}
	w.drainings = slices.DeleteFunc(w.drainings, func(d drain) bool { return !d.pending(w) })
	for i := range w.drainings {
		d := &w.drainings[i]
		if d.until.IsZero() {
			d.until = now.Add(w.options.DrainTimeout)
		}
	}
	if !slices.ContainsFunc(w.tiers, func(t *tier) bool { return t.serving.members.Len() > 0 }) {
		return
	}
	w.drainings = slices.DeleteFunc(w.drainings, func(d drain) bool {
		over := !now.Before(d.until)
		if over {
			w.cut(d)
		}
		return over
	})
}

func (w *writer) cut(d drain) {
	others := 0
	if d.member != nil {
		others = 1 // itself
	}
	if w.found[d.address] > others || w.options.Cut == nil {
		return
	}
	n := w.options.Cut(d.address)
	if d.member == nil && w.options.Left != nil {
		w.options.Left(d.address)
	}
	if n > 0 {
		w.options.Logger.Log(hclog.Warn, "requests were cut off at drain_timeout", "service", w.options.Name,
			"address", d.address, "connections", n)
	}
}
