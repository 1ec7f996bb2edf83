package consul

import (
	"fmt"
	"strings"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
)

// maxWeight is the largest weight that Consul lets anyone register.
const maxWeight = 65535

// convert selects what w names and puts it in our words.
func convert(w Watch, e *entry) *item {
	if !discovery.HasTags(e.Service.Tags, w.Tags) {
		return &item{other: true}
	}
	status := statusOf(e.Service.ID, e.Checks)
	i := &item{instance: discovery.Instance{
		ID:         identity(e),
		Name:       e.Service.ID,
		Status:     status,
		Node:       e.Node.Node,
		Datacenter: e.Node.Datacenter,
		Tags:       e.Service.Tags,
		Meta:       metaOf(e),
	}}
	if i.instance.Address, i.problem = addressOf(e, w.TaggedAddress); i.problem == nil {
		i.instance.Weight, i.problem = weightOf(e.Service.Weights, status)
	}
	return i
}

// metaOf returns what is known of the instance, and of its node where the
// instance itself says nothing of it. What Consul notes about the node's own
// agent is left out.
func metaOf(e *entry) map[string]string {
	meta := e.Service.Meta
	for key, value := range e.Node.Meta {
		if _, known := meta[key]; known || strings.HasPrefix(key, "consul-") {
			continue
		}
		if meta == nil {
			meta = map[string]string{}
		}
		meta[key] = value
	}
	return meta
}

// identity returns datacenter/node/service ID, with the namespace before the
// node where there are namespaces. Service IDs are unique on a node only.
func identity(e *entry) string {
	if e.Service.Namespace != "" {
		return strings.Join([]string{e.Node.Datacenter, e.Service.Namespace, e.Node.Node, e.Service.ID}, "/")
	}
	return strings.Join([]string{e.Node.Datacenter, e.Node.Node, e.Service.ID}, "/")
}

// statusOf aggregates checks as Consul does: maintenance, then the worst. No
// check at all is passing.
func statusOf(serviceID string, checks []*check) discovery.Status {
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
