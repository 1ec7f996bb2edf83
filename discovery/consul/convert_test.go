package consul

import (
	"encoding/json"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestStatusOf(t *testing.T) {
	check := func(id, status string) *api.HealthCheck { return &api.HealthCheck{CheckID: id, Status: status} }
	for _, tt := range []struct {
		name   string
		checks api.HealthChecks
		want   discovery.Status
	}{
		{"no checks", nil, discovery.Passing},
		{"all pass", api.HealthChecks{check("a", "passing"), check("b", "passing")}, discovery.Passing},
		{"one warns", api.HealthChecks{check("a", "warning"), check("b", "passing")}, discovery.Warning},
		{"critical before warning", api.HealthChecks{check("a", "critical"), check("b", "warning")}, discovery.Critical},
		{"warning does not hide critical", api.HealthChecks{check("a", "warning"), check("b", "critical")}, discovery.Critical},
		{"node in maintenance", api.HealthChecks{check("a", "critical"), check("_node_maintenance", "critical")}, discovery.Maintenance},
		{"service in maintenance", api.HealthChecks{check("_service_maintenance:web-1", "critical"), check("a", "passing")}, discovery.Maintenance},
		{"another service in maintenance", api.HealthChecks{check("_service_maintenance:web-2", "critical")}, discovery.Critical},
		{"a state we don't know", api.HealthChecks{check("a", "dozing")}, discovery.Critical},
		{"no check at all", api.HealthChecks{nil, check("a", "passing")}, discovery.Passing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusOf("web-1", tt.checks); got != tt.want {
				t.Errorf("status %s, want %s", got, tt.want)
			}
		})
	}
}

func TestWeightOf(t *testing.T) {
	for _, tt := range []struct {
		passing, warning int
		status           discovery.Status
		want             int // -1 if it is wrong
	}{
		{0, 0, discovery.Passing, 1},
		{0, 0, discovery.Warning, 1},
		{7, 3, discovery.Passing, 7},
		{7, 3, discovery.Warning, 3},
		{7, 0, discovery.Warning, 0},
		{7, 3, discovery.Critical, 7},
		{7, 3, discovery.Maintenance, 7},
		{0, 3, discovery.Passing, 0},
		{65535, 1, discovery.Passing, 65535},
		{65536, 1, discovery.Passing, -1},
		{-1, 1, discovery.Passing, -1},
		{1, -1, discovery.Warning, -1},
		{1, -1, discovery.Passing, 1},
	} {
		got, err := weightOf(api.AgentWeights{Passing: tt.passing, Warning: tt.warning}, tt.status)
		if err != nil {
			got = -1
		}
		if got != tt.want {
			t.Errorf("weights %d and %d, %s: %d (%v), want %d", tt.passing, tt.warning, tt.status, got, err, tt.want)
		}
	}
}

func TestConvertSelectsByTags(t *testing.T) {
	entries := []*api.ServiceEntry{
		testkit.Entry("web", "both", "10.0.0.1", 80),
		testkit.Entry("web", "one", "10.0.0.2", 80),
		testkit.Entry("web", "none", "10.0.0.3", 0), // not selected, so not rejected either
	}
	entries[0].Service.Tags = []string{"b", "a", strings.Repeat("x", 1<<20)}
	entries[1].Service.Tags = []string{"a", "B"}
	for _, tt := range []struct {
		tags []string
		want string
	}{
		{nil, "both one"},
		{[]string{"a"}, "both one"},
		{[]string{"a", "b"}, "both"},
		{[]string{"c"}, ""},
	} {
		l, err := convert(Watch{Tags: tt.tags}, entries)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range l.instances {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != tt.want || len(tt.tags) > 0 && len(l.rejected) > 0 {
			t.Errorf("tags %q select %q, rejecting %v; want %q", tt.tags, got, l.rejected, tt.want)
		}
	}
}

func TestConvertOrdersAndRejects(t *testing.T) {
	zero := testkit.Entry("web", "b-no-port", "10.0.0.1", 0)
	odd := testkit.Entry("web", "a-odd-weight", "10.0.0.1", 80)
	odd.Service.Weights.Passing = -4
	elsewhere := testkit.Entry("web", "same", "10.0.0.4", 80)
	elsewhere.Node.Node = "node-2"
	spaced := testkit.Entry("web", "same", "10.0.0.5", 80)
	spaced.Service.Namespace = "team"
	l, err := convert(Watch{}, []*api.ServiceEntry{
		spaced, elsewhere, zero, odd,
		testkit.Entry("web", "same", "10.0.0.3", 80), // the first of two
		testkit.Entry("web", "same", "10.0.0.2", 80),
		testkit.Entry("web", "another", "10.0.0.3", 80), // at the address of another: fine
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range l.instances {
		got = append(got, i.ID+" "+i.Address)
	}
	want := []string{
		"dc1/node-2/same 10.0.0.4:80", "dc1/node/another 10.0.0.3:80",
		"dc1/node/same 10.0.0.3:80", "dc1/team/node/same 10.0.0.5:80",
	}
	if !slices.Equal(got, want) {
		t.Errorf("instances %q, want %q", got, want)
	}
	wantRejected := []discovery.Rejected{
		{ID: "dc1/node/a-odd-weight", Name: "a-odd-weight", Reason: "its weight -4 is not between 0 and 65535"},
		{ID: "dc1/node/b-no-port", Name: "b-no-port", Reason: "its port 0 is not between 1 and 65535"},
		{ID: "dc1/node/same", Name: "same", Reason: "another instance has the same datacenter, node and service ID"},
	}
	if !slices.Equal(l.rejected, wantRejected) {
		t.Errorf("rejected %q, want %q", l.rejected, wantRejected)
	}
}

func TestConvertMalformed(t *testing.T) {
	good := testkit.Entry("web", "web-1", "10.0.0.1", 80)
	for name, entry := range map[string]*api.ServiceEntry{
		"null":       nil,
		"no node":    {Service: good.Service},
		"no service": {Node: good.Node},
	} {
		if l, err := convert(Watch{}, []*api.ServiceEntry{good, entry}); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %+v, %v; want %v", name, l, err, errMalformed)
		}
	}
}

func TestListingEqual(t *testing.T) {
	sample := func() listing {
		return listing{
			instances: []discovery.Instance{{ID: "a", Tags: []string{"t"}, Meta: map[string]string{"k": "v"}}},
			rejected:  []discovery.Rejected{{ID: "b"}},
		}
	}
	for name, change := range map[string]func(*listing){
		"nothing":    func(*listing) {},
		"instances":  func(l *listing) { l.instances = nil },
		"rejected":   func(l *listing) { l.rejected[0].Reason = "x" },
		"ID":         func(l *listing) { l.instances[0].ID = "x" },
		"name":       func(l *listing) { l.instances[0].Name = "x" },
		"address":    func(l *listing) { l.instances[0].Address = "x" },
		"weight":     func(l *listing) { l.instances[0].Weight = 9 },
		"status":     func(l *listing) { l.instances[0].Status = discovery.Warning },
		"node":       func(l *listing) { l.instances[0].Node = "x" },
		"datacenter": func(l *listing) { l.instances[0].Datacenter = "x" },
		"a tag":      func(l *listing) { l.instances[0].Tags[0] = "x" },
		"meta":       func(l *listing) { l.instances[0].Meta["k"] = "x" },
	} {
		was := sample()
		now := was.clone()
		change(&now)
		if got := now.equal(was); got != (name == "nothing") {
			t.Errorf("after a change of %s: equal is %v", name, got)
		}
		if !was.equal(sample()) {
			t.Errorf("a change of %s in a copy is one in the original", name)
		}
	}
}

func FuzzConvert(f *testing.F) {
	for _, entry := range []*api.ServiceEntry{
		testkit.Entry("web", "web-1", "10.0.0.1", 80),
		testkit.Entry("web", "web-2", "2001:db8::1", 0),
		testkit.Entry("web", "", "a b", 70000),
	} {
		text, err := json.Marshal([]*api.ServiceEntry{entry, entry})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), "wan")
	}
	f.Add(`[{"Node":{"TaggedAddresses":{"wan":"::1"}},"Service":{"TaggedAddresses":{"wan":{"Address":"[::]"}},"Weights":{"Warning":-1}},"Checks":[null]}]`, "wan")
	f.Add("[null]", "")
	f.Fuzz(func(t *testing.T, text, tagged string) {
		var entries []*api.ServiceEntry
		if json.Unmarshal([]byte(text), &entries) != nil {
			t.Skip()
		}
		l, err := convert(Watch{TaggedAddress: tagged}, entries)
		if err != nil {
			return
		}
		if len(l.instances)+len(l.rejected) != len(entries) {
			t.Errorf("%d instances and %d rejected of %d", len(l.instances), len(l.rejected), len(entries))
		}
		for n, i := range l.instances {
			if n > 0 && l.instances[n-1].ID >= i.ID {
				t.Errorf("ID %q after %q", i.ID, l.instances[n-1].ID)
			}
			host, port, err := net.SplitHostPort(i.Address)
			if number, _ := strconv.Atoi(port); err != nil || host == "" || number < 1 || number > 65535 {
				t.Errorf("address %q (%v)", i.Address, err)
			}
			if i.Weight < 0 || i.Weight > maxWeight {
				t.Errorf("weight %d", i.Weight)
			}
		}
		for _, r := range l.rejected {
			if r.Reason == "" {
				t.Errorf("%q is rejected without reason", r.ID)
			}
		}
		if !l.equal(l.clone()) {
			t.Error("a copy differs")
		}
	})
}
