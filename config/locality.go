package config

import "slices"

// Locality says which instances of a service are near.
type Locality struct {
	Prefer string // zone or node; "": all are alike
	Meta   string // the metadata of an instance, or of its node, that has the zone
	Zone   string // where rota is; not "" where Prefer is zone
	Node   string // where rota is; "": the name of this host
	// Failover names the datacenters that stand in for the own one, in order.
	Failover []string
}

// The values of Locality.Prefer.
const (
	PreferZone = "zone"
	PreferNode = "node"
)

func localityBody(l *Locality) *body {
	parse := func(s string) (string, error) {
		if slices.Contains(l.Failover, s) {
			return "", faultf("leave one of them out", "%q is in the list twice", s)
		}
		return parseNotEmpty(s)
	}
	return &body{check: l.checkZone, fields: []field{
		choice("prefer", &l.Prefer, "", []string{"", PreferZone, PreferNode}, "which instances are near, those in the same zone or those on the same node; all are alike if empty"),
		text("meta", &l.Meta, "zone", parseNotEmpty, "key of the metadata that has the zone, of the instance or else of its node"),
		text("zone", &l.Zone, "", nil, "the zone that rota is in, such as `env(\"ZONE\")`; needed to prefer a zone"),
		text("node", &l.Node, "", nil, "the name in Consul of the node that rota is on; the name of the host if empty"),
		list("failover", &l.Failover, parse, "datacenters of Consul, in order, whose instances of the service get the requests that those before them can't be expected to do"),
	}}
}

// checkZone wants to know where rota is.
func (l *Locality) checkZone(to *decoder, s *section) {
	if l.Prefer == PreferZone && l.Zone == "" && !s.bad["zone"] && !s.bad["prefer"] {
		to.report(s.position("prefer"), `write zone = env("ZONE"), or the zone itself`, "prefer%s: it is not known which zone rota is in", s.of())
	}
}
