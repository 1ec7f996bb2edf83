package consul

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/rota-lb/rota/discovery"
)

// item is what an element of an answer comes to. It never changes.
type item struct {
	instance discovery.Instance
	problem  error // why it can't be used; nil if it can
	other    bool  // it is not one of those that are watched
}

// listing is an answer in our words: the items in ascending order of ID. No two
// that can be used have the same ID.
type listing []*item

// newListing puts the items of an answer in order. It owns the slice.
func newListing(items []*item) listing {
	items = slices.DeleteFunc(items, func(i *item) bool { return i.other })
	slices.SortStableFunc(items, byID)
	var before *item
	for n, i := range items {
		switch {
		case i.problem != nil:
		case before != nil && before.instance.ID == i.instance.ID:
			items[n] = &item{instance: i.instance, problem: errDuplicate}
		default:
			before = i
		}
	}
	return items
}

func byID(a, b *item) int { return strings.Compare(a.instance.ID, b.instance.ID) }

var errDuplicate = errors.New("another instance has the same datacenter, node and service ID")

// update returns the news that the listing is.
func (l listing) update() discovery.Update {
	u := discovery.Update{Kind: discovery.Set, Instances: make([]discovery.Instance, 0, len(l))}
	for _, i := range l {
		if i.problem == nil {
			u.Instances = append(u.Instances, i.instance)
			continue
		}
		u.Rejected = append(u.Rejected, discovery.Rejected{
			ID: i.instance.ID, Name: i.instance.Name, Reason: i.problem.Error(),
		})
	}
	return u
}

// usable returns how many items can be used.
func (l listing) usable() (n int) {
	for _, i := range l {
		if i.problem == nil {
			n++
		}
	}
	return n
}

func (l listing) equal(o listing) bool { return slices.EqualFunc(l, o, sameItem) }

func sameItem(a, b *item) bool {
	if a == b {
		return true
	}
	sameProblem := a.problem == b.problem ||
		a.problem != nil && b.problem != nil && a.problem.Error() == b.problem.Error()
	return sameProblem && a.instance.Equal(&b.instance)
}

// lost returns the items whose ID is not in another listing.
func (l listing) lost(o listing) (lost listing) {
	for _, i := range l {
		for len(o) > 0 && o[0].instance.ID < i.instance.ID {
			o = o[1:]
		}
		if len(o) == 0 || o[0].instance.ID != i.instance.ID {
			lost = append(lost, i)
		}
	}
	return lost
}

// filter returns what selects the items, and hardly any others, by the field of that
// name with their service ID (https://developer.hashicorp.com/consul/api-docs/features/filtering); "" where
// they are too many for that, or none, or their IDs would have to be escaped.
func (l listing) filter(field string) string {
	if len(l) > few {
		return ""
	}
	var selects []string
	for _, i := range l {
		id := i.instance.Name
		if strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
			return ""
		}
		selects = append(selects, field+` == "`+id+`"`)
	}
	return strings.Join(selects, " or ")
}

// node returns the node that all of them are on, "" where there is none or its name
// would have to be escaped in a path.
func (l listing) node() (name string) {
	for n, i := range l {
		if n > 0 && i.instance.Node != name {
			return ""
		}
		name = i.instance.Node
	}
	if url.PathEscape(name) != name {
		return ""
	}
	return name
}
