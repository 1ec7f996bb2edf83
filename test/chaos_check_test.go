package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// place is where an instance must be in rota's pool.
type place string

const (
	away    place = "away"    // not registered: not in the pool, or on its way out
	serving place = "serving" // registered and well
	resting place = "resting" // in maintenance
	out     place = "out"     // registered, and not able to serve
	either  place = "either"  // registered, and ill in a way that may be noticed or not
	unknown place = "unknown" // anywhere, or not
)

// differences compares what rota says of itself with where each instance must
// be. Who is in want and is not away must be there, and nobody else.
func poolDifferences(want map[string]place, h *healthReport) (wrong []string) {
	seen := map[string]bool{}
	for _, b := range h.Backends {
		if b.Service != "web" {
			continue
		}
		p := want[b.ID]
		leaving := b.State == "draining" && slices.Contains(b.Reasons, "deregistered")
		ok := false
		switch p {
		case away, "":
			ok = leaving
		case serving:
			ok = b.Alive
		case resting:
			ok = b.State == "draining" && slices.Contains(b.Reasons, "maintenance")
		case out:
			ok = !b.Alive && !leaving
		case either:
			ok = !leaving
		case unknown:
			ok = true
		}
		if !ok {
			wrong = append(wrong, fmt.Sprintf("%s is %s %v, and should be %s", b.ID, b.State, b.Reasons, p))
		}
		if seen[b.ID] {
			wrong = append(wrong, b.ID+" is there twice")
		}
		seen[b.ID] = true
	}
	for name, p := range want {
		if p != away && p != unknown && !seen[name] {
			wrong = append(wrong, fmt.Sprintf("%s is not there, and should be %s", name, p))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// catalogDifferences does the same for what Consul says, where an instance that
// is out or ill passes like one that serves.
func catalogDifferences(want map[string]place, entries []*api.ServiceEntry) (wrong []string) {
	seen := map[string]bool{}
	for _, e := range entries {
		name, status := e.Service.ID, e.Checks.AggregatedStatus()
		seen[name] = true
		p := want[name]
		switch {
		case p == away || p == "":
			wrong = append(wrong, name+" is still in the catalog")
		case p == resting && status != api.HealthMaint, p != resting && status != api.HealthPassing:
			wrong = append(wrong, fmt.Sprintf("%s is %s in the catalog, and should be %s", name, status, p))
		}
	}
	for name, p := range want {
		if p != away && !seen[name] {
			wrong = append(wrong, name+" is not in the catalog")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// The checker finds each kind of difference, and no other.
func TestCheckerFindsDifferences(t *testing.T) {
	in := func(id, state string, reasons ...string) string {
		list, err := json.Marshal(reasons)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf(`{"service":"web","id":%q,"state":%q,"alive":%v,"reasons":%s}`, id, state, state == "serving", list)
	}
	tests := []struct {
		want   place
		pool   string // of the one instance, "" if it is not there
		status string // in the catalog, "" if it is not there
		differ bool
	}{
		{serving, in("a", "serving"), "passing", false},
		{serving, in("a", "warming", "first_check"), "passing", true},
		{serving, in("a", "ejected", "check_failed"), "passing", true},
		{serving, in("a", "draining", "deregistered"), "passing", true},
		{serving, "", "passing", true},
		{serving, in("a", "serving"), "", true},
		{serving, in("a", "serving"), "critical", true},
		{serving, in("b", "serving"), "passing", true},
		{serving, in("a", "serving") + "," + in("a", "serving"), "passing", true},
		{serving, in("a", "serving") + "," + in("b", "draining", "deregistered"), "passing", false},
		{away, "", "", false},
		{away, in("a", "draining", "deregistered"), "", false},
		{away, in("a", "serving"), "", true},
		{away, in("a", "ejected", "check_failed"), "", true},
		{away, "", "passing", true},
		{resting, in("a", "draining", "maintenance"), "maintenance", false},
		{resting, in("a", "draining", "maintenance"), "passing", true},
		{resting, in("a", "serving"), "maintenance", true},
		{out, in("a", "ejected", "check_failed"), "passing", false},
		{out, in("a", "serving"), "passing", true},
		{out, in("a", "draining", "deregistered"), "passing", true},
		{either, in("a", "serving"), "passing", false},
		{either, in("a", "ejected", "outlier"), "passing", false},
		{either, in("a", "draining", "deregistered"), "passing", true},
	}
	for _, tt := range tests {
		var h healthReport
		if err := json.Unmarshal([]byte(`{"backends":[`+tt.pool+`]}`), &h); err != nil {
			t.Fatal(err)
		}
		var catalog []*api.ServiceEntry
		switch tt.status {
		case "":
		case "maintenance":
			catalog = append(catalog, &api.ServiceEntry{Service: &api.AgentService{ID: "a"},
				Checks: api.HealthChecks{{CheckID: api.ServiceMaintPrefix + "a", Status: api.HealthCritical}}})
		default:
			catalog = append(catalog, &api.ServiceEntry{Service: &api.AgentService{ID: "a"},
				Checks: api.HealthChecks{{CheckID: "x", Status: tt.status}}})
		}
		want := map[string]place{"a": tt.want}
		wrong := append(poolDifferences(want, &h), catalogDifferences(want, catalog)...)
		if len(wrong) > 0 != tt.differ {
			t.Errorf("%s, pool %s, catalog %q: %q", tt.want, tt.pool, tt.status, wrong)
		}
	}
}

// believed is where rota must have each instance, given what it can know: while
// Consul is away, what it knew before.
func (s *storm) believed() map[string]place {
	want := map[string]place{}
	for _, u := range s.units {
		registered, maintained, known := u.registered, u.maintained, true
		if s.blind != nil {
			var was unit
			was, known = s.blind[u]
			registered, maintained = was.registered, was.maintained
		}
		switch {
		case s.doubtful && (registered != u.registered || !known):
			want[u.name] = unknown
		case !registered:
			want[u.name] = away
		case maintained:
			want[u.name] = resting
		default:
			want[u.name] = u.health
		}
	}
	return want
}

// agree waits until rota, Consul and what the storm has done agree. How long
// that took since the last change is counted under what, if that is anything and there was one.
func (s *storm) agree(what string) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	want := s.believed()
	var wrong []string
	for deadline := time.Now().Add(agreeLimit); time.Now().Before(deadline); <-tick.C {
		h, err := s.look()
		if err != nil {
			wrong = []string{err.Error()}
			continue
		}
		wrong = poolDifferences(want, h)
		if s.blind == nil {
			wrong = append(wrong, s.catalogWrong(want)...)
			for _, d := range h.Discovery {
				if !d.Fresh {
					wrong = append(wrong, fmt.Sprintf("what rota knows of %s is not fresh: %s", d.Service, d.Error))
				}
			}
		}
		if len(wrong) == 0 {
			if what != "" && !s.changed.IsZero() {
				s.converged[what] = append(s.converged[what], time.Since(s.changed))
			}
			s.changed = time.Time{}
			return
		}
	}
	s.violation("%s: rota and Consul differ after %v:\n\t%s", what, agreeLimit, strings.Join(wrong, "\n\t"))
}

// catalogWrong asks Consul itself, and not by way of rota's link.
func (s *storm) catalogWrong(want map[string]place) []string {
	entries, _, err := s.truth.Health().Service("web", "", false, &api.QueryOptions{RequireConsistent: true})
	if err != nil {
		return []string{err.Error()}
	}
	return catalogDifferences(want, entries)
}

// look asks rota for /health, in a connection that is kept.
func (s *storm) look() (*healthReport, error) {
	response, err := s.client.Get(s.rota.admin + "/health")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	h := &healthReport{Status: response.StatusCode}
	if err := json.Unmarshal(text, h); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable || len(h.Discovery) == 0 {
		return nil, fmt.Errorf("/health says %d %s", response.StatusCode, text)
	}
	return h, nil
}
