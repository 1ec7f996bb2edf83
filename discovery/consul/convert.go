package consul

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
)

// errMalformed is the error of a list with an element that is no instance at
// all. Consul writes no such lists, so the rest of it isn't believed either.
var errMalformed = errors.New("the answer is not one of Consul's: an instance without node or service in it")

// maxWeight is the largest weight that Consul lets anyone register.
const maxWeight = 65535

// listing is an answer in our words.
type listing struct {
	instances []discovery.Instance // in ascending order of ID, each ID once
	rejected  []discovery.Rejected // likewise
}

// convert selects the instances that w names and puts them in our words. The
// listing shares memory with entries.
func convert(w Watch, entries []*api.ServiceEntry) (listing, error) {
	var l listing
	for _, e := range entries {
		if e == nil || e.Node == nil || e.Service == nil {
			return listing{}, errMalformed
		}
		if !hasAll(e.Service.Tags, w.Tags) {
			continue
		}
		instance, err := convertEntry(w, e)
		if err != nil {
			l.reject(instance, err)
			continue
		}
		l.instances = append(l.instances, instance)
	}
	slices.SortStableFunc(l.instances, func(a, b discovery.Instance) int { return strings.Compare(a.ID, b.ID) })
	l.dropDuplicates()
	slices.SortStableFunc(l.rejected, func(a, b discovery.Rejected) int { return strings.Compare(a.ID, b.ID) })
	return l, nil
}

// convertEntry returns the instance, and what makes it unusable, if so.
func convertEntry(w Watch, e *api.ServiceEntry) (discovery.Instance, error) {
	status := statusOf(e.Service.ID, e.Checks)
	i := discovery.Instance{
		ID:         identity(e),
		Name:       e.Service.ID,
		Status:     status,
		Node:       e.Node.Node,
		Datacenter: e.Node.Datacenter,
		Tags:       e.Service.Tags,
		Meta:       e.Service.Meta,
	}
	var err error
	if i.Address, err = addressOf(e, w.TaggedAddress); err != nil {
		return i, err
	}
	i.Weight, err = weightOf(e.Service.Weights, status)
	return i, err
}

// identity returns datacenter/node/service ID, with the namespace before the
// node where there are namespaces. Service IDs are unique on a node only.
func identity(e *api.ServiceEntry) string {
	if e.Service.Namespace != "" {
		return strings.Join([]string{e.Node.Datacenter, e.Service.Namespace, e.Node.Node, e.Service.ID}, "/")
	}
	return strings.Join([]string{e.Node.Datacenter, e.Node.Node, e.Service.ID}, "/")
}

// statusOf aggregates checks as Consul does: maintenance, then the worst. No
// check at all is passing.
func statusOf(serviceID string, checks api.HealthChecks) discovery.Status {
	worst := discovery.Passing
	for _, c := range checks {
		if c == nil {
			continue
		}
		if c.CheckID == api.NodeMaint || c.CheckID == api.ServiceMaintPrefix+serviceID {
			return discovery.Maintenance
		}
		switch c.Status {
		case api.HealthPassing:
		case api.HealthWarning:
			worst = max(worst, discovery.Warning)
		default: // also a state that is not known to be good
			worst = max(worst, discovery.Critical)
		}
	}
	return worst
}

// weightOf returns the weight that an instance has in its state. Instances
// registered without weights have 1 (Consul shows 1 or, through some of its
// interfaces, 0 for both).
func weightOf(w api.AgentWeights, status discovery.Status) (int, error) {
	if w == (api.AgentWeights{}) {
		return 1, nil
	}
	weight := w.Passing
	if status == discovery.Warning {
		weight = w.Warning
	}
	if weight < 0 || weight > maxWeight {
		return 0, fmt.Errorf("its weight %d is not between 0 and %d", weight, maxWeight)
	}
	return weight, nil
}

// hasAll reports whether tags has all that are wanted.
func hasAll(tags, wanted []string) bool {
	for _, tag := range wanted {
		if !slices.Contains(tags, tag) {
			return false
		}
	}
	return true
}

func (l *listing) reject(i discovery.Instance, reason error) {
	l.rejected = append(l.rejected, discovery.Rejected{ID: i.ID, Name: i.Name, Reason: reason.Error()})
}

// dropDuplicates rejects all but the first of sorted instances with one ID.
func (l *listing) dropDuplicates() {
	var unique []discovery.Instance
	for n, i := range l.instances {
		if n > 0 && i.ID == l.instances[n-1].ID {
			l.reject(i, errors.New("another instance has the same datacenter, node and service ID"))
			continue
		}
		unique = append(unique, i)
	}
	l.instances = unique
}

// clone returns a copy that shares no memory with l.
func (l listing) clone() listing {
	l.instances = slices.Clone(l.instances)
	for n := range l.instances {
		l.instances[n].Tags = slices.Clone(l.instances[n].Tags)
		l.instances[n].Meta = maps.Clone(l.instances[n].Meta)
	}
	l.rejected = slices.Clone(l.rejected)
	return l
}

func (l listing) equal(o listing) bool {
	return slices.EqualFunc(l.instances, o.instances, sameInstance) && slices.Equal(l.rejected, o.rejected)
}

// lacksAnyOf reports whether an instance of o, good or rejected, is not in l.
func (l listing) lacksAnyOf(o listing) bool {
	here := make(map[string]bool, len(l.instances)+len(l.rejected))
	for _, i := range l.instances {
		here[i.ID] = true
	}
	for _, r := range l.rejected {
		here[r.ID] = true
	}
	return slices.ContainsFunc(o.instances, func(i discovery.Instance) bool { return !here[i.ID] }) ||
		slices.ContainsFunc(o.rejected, func(r discovery.Rejected) bool { return !here[r.ID] })
}

func sameInstance(a, b discovery.Instance) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Address == b.Address &&
		a.Weight == b.Weight && a.Status == b.Status &&
		a.Node == b.Node && a.Datacenter == b.Datacenter &&
		slices.Equal(a.Tags, b.Tags) && maps.Equal(a.Meta, b.Meta)
}
