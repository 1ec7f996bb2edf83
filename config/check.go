package config

import (
	"strconv"

	"github.com/hashicorp/hcl/v2"
)

// check judges what only the whole file can tell, and adds what goes without
// saying: a listener, and the route to an only service.
func (d *draft) check(to *decoder) {
	if len(d.listens) == 0 && !to.incomplete {
		d.listen(&section{label: "http", title: `listen "http" (the default)`})
	}
	d.checkAddresses(to)
	d.checkLoops(to)
	d.checkDuplicateRoutes(to)
	d.checkFailover(to)
	// A block's name with a typing error must not look like a missing block.
	if to.incomplete {
		return
	}
	if len(d.services) == 0 {
		// Nothing in the file is the place of something that is missing.
		to.report(hcl.Range{}, "add one, such as: service \"web\" { }\nwhich is made of the instances of web that Consul lists", "there is no service to send requests to")
		return
	}
	if len(d.routes) == 0 {
		if len(d.services) > 1 {
			to.report(d.services[1].at.where, "add a route for each, such as:\n"+exampleRoute(d.services[1].value.Name),
				"there are %d services and no route to tell which of them gets a request", len(d.services))
			return
		}
		only := Route{PathPrefix: "/", Service: d.services[0].value.Name}
		d.routes = []*placed[Route]{{value: only}}
	}
	d.checkServices(to)
}

// exampleRoute is a route to the service as it may be written in HCL.
func exampleRoute(service string) string {
	return "route {\n  path_prefix = " + strconv.Quote("/"+service) + "\n  service     = " + strconv.Quote(service) + "\n}"
}

// checkDuplicateRoutes finds routes of which one would never be taken.
func (d *draft) checkDuplicateRoutes(to *decoder) {
	type match struct{ host, prefix string }
	first := map[match]*section{}
	for _, r := range d.routes {
		if r.at.bad["host"] || r.at.bad["path_prefix"] {
			continue
		}
		m := match{r.value.Host, r.value.PathPrefix}
		if before, ok := first[m]; ok {
			to.report(r.at.where, "", "this route matches the same requests as the one on line %d: host %q, path_prefix %q",
				before.where.Start.Line, m.host, m.prefix)
			continue
		}
		first[m] = r.at
	}
}

// checkServices holds routes and services against each other. A service that
// no route leads to is an error, not a warning: nobody reads the warnings of
// a program that starts.
func (d *draft) checkServices(to *decoder) {
	var names []string
	unreached := map[string]bool{}
	for _, s := range d.services {
		names = append(names, s.value.Name)
		unreached[s.value.Name] = true
	}
	// A route that is wrong may well be the one that a service lacks.
	unsure := false
	for _, r := range d.routes {
		name := r.value.Service
		if _, known := unreached[name]; known {
			unreached[name] = false
			continue
		}
		unsure = true
		at, given := r.at.at["service"]
		if !given || r.at.bad["service"] {
			continue // reported as such
		}
		hint := "the services are " + alternatives(names)
		near := didYouMean(name, names)
		if near != "" {
			hint = ""
		}
		to.report(at, hint, "there is no service %q%s", name, near)
	}
	if unsure {
		return
	}
	for _, s := range d.services {
		if unreached[s.value.Name] {
			to.report(s.at.where, "add one, or leave the service out:\n"+exampleRoute(s.value.Name), "no route leads to service %q", s.value.Name)
		}
	}
}

// checkTimeout holds a health check's timeout against its interval: a probe is
// over before the next one begins.
func (h *HealthCheck) checkTimeout(to *decoder, s *section) {
	if h.Timeout <= h.Interval || s.bad["timeout"] || s.bad["interval"] {
		return
	}
	at, byDefault := s.position("timeout"), ""
	if _, given := s.at["timeout"]; !given {
		at, byDefault = s.position("interval"), " (the default)"
	}
	to.report(at, "write timeout = "+strconv.Quote(shortDuration(h.Interval))+" or less, or a longer interval",
		"timeout%s: %s%s is longer than the interval of %s", s.of(), shortDuration(h.Timeout), byDefault, shortDuration(h.Interval))
}

// checkFailover wants datacenters to be those of Consul.
func (d *draft) checkFailover(to *decoder) {
	for _, s := range d.services {
		if len(s.value.Locality.Failover) > 0 && s.value.Discover.Kind == DiscoverStatic {
			to.report(s.at.where, `leave failover out, or write discover "consul"`, "service %q has failover to other datacenters, and instances that are listed here", s.value.Name)
		}
	}
}
