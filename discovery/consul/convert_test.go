package consul

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestStatusOf(t *testing.T) {
	of := func(id, status string) *check { return &check{CheckID: id, Status: status} }
	for _, tt := range []struct {
		name   string
		checks []*check
		want   discovery.Status
	}{
		{"no checks", nil, discovery.Passing},
		{"all pass", []*check{of("a", "passing"), of("b", "passing")}, discovery.Passing},
		{"one warns", []*check{of("a", "warning"), of("b", "passing")}, discovery.Warning},
		{"critical before warning", []*check{of("a", "critical"), of("b", "warning")}, discovery.Critical},
		{"warning does not hide critical", []*check{of("a", "warning"), of("b", "critical")}, discovery.Critical},
		{"node in maintenance", []*check{of("a", "critical"), of("_node_maintenance", "critical")}, discovery.Maintenance},
		{"service in maintenance", []*check{of("_service_maintenance:web-1", "critical"), of("a", "passing")}, discovery.Maintenance},
		{"another service in maintenance", []*check{of("_service_maintenance:web-2", "critical")}, discovery.Critical},
		{"a state we don't know", []*check{of("a", "dozing")}, discovery.Critical},
		{"no check at all", []*check{nil, of("a", "passing")}, discovery.Passing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statusOf("web-1", tt.checks); got != tt.want {
				t.Errorf("status %s, want %s", got, tt.want)
			}
		})
	}
}

// What the instance says goes before what its node says.
func TestMetaOf(t *testing.T) {
	for _, tt := range []struct{ instance, node, want map[string]string }{
		{nil, nil, nil},
		{map[string]string{"zone": "a"}, nil, map[string]string{"zone": "a"}},
		{nil, map[string]string{"zone": "b"}, map[string]string{"zone": "b"}},
		{map[string]string{"zone": "a"}, map[string]string{"zone": "b", "rack": "r"}, map[string]string{"zone": "a", "rack": "r"}},
		{nil, map[string]string{"consul-version": "1.22.5"}, nil},
	} {
		e := &entry{Node: &node{Meta: tt.node}, Service: &service{Meta: tt.instance}}
		if got := metaOf(e); !maps.Equal(got, tt.want) || (got == nil) != (tt.want == nil) {
			t.Errorf("%v on a node with %v: %v, want %v", tt.instance, tt.node, got, tt.want)
		}
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

// list returns a listing of instances as it comes from Consul.
func list(t testing.TB, w Watch, entries ...*api.ServiceEntry) listing {
	t.Helper()
	items, err := newReader(w).read(strings.NewReader(text(t, entries...)), false)
	if err != nil {
		t.Fatal(err)
	}
	return newListing(items)
}

func text(t testing.TB, entries ...*api.ServiceEntry) string {
	t.Helper()
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
		u := list(t, Watch{Tags: tt.tags}, entries...).update()
		var names []string
		for _, i := range u.Instances {
			names = append(names, i.Name)
		}
		if got := strings.Join(names, " "); got != tt.want || len(tt.tags) > 0 && len(u.Rejected) > 0 {
			t.Errorf("tags %q select %q, rejecting %v; want %q", tt.tags, got, u.Rejected, tt.want)
		}
	}
}

func TestListingOrdersAndRejects(t *testing.T) {
	zero := testkit.Entry("web", "b-no-port", "10.0.0.1", 0)
	odd := testkit.Entry("web", "a-odd-weight", "10.0.0.1", 80)
	odd.Service.Weights.Passing = -4
	elsewhere := testkit.Entry("web", "same", "10.0.0.4", 80)
	elsewhere.Node.Node = "node-2"
	spaced := testkit.Entry("web", "same", "10.0.0.5", 80)
	spaced.Service.Namespace = "team"
	u := list(t, Watch{},
		spaced, elsewhere, zero, odd,
		testkit.Entry("web", "same", "10.0.0.1", 0),  // of no use, so it is in nobody's way
		testkit.Entry("web", "same", "10.0.0.3", 80), // the first of two
		testkit.Entry("web", "same", "10.0.0.2", 80),
		testkit.Entry("web", "another", "10.0.0.3", 80), // at the address of another: fine
	).update()
	var got []string
	for _, i := range u.Instances {
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
		{ID: "dc1/node/same", Name: "same", Reason: "its port 0 is not between 1 and 65535"},
		{ID: "dc1/node/same", Name: "same", Reason: "another instance has the same datacenter, node and service ID"},
	}
	if !slices.Equal(u.Rejected, wantRejected) {
		t.Errorf("rejected %q, want %q", u.Rejected, wantRejected)
	}
}

func TestListingEqual(t *testing.T) {
	sample := func() listing {
		return listing{
			{instance: discovery.Instance{ID: "a", Tags: []string{"t"}, Meta: map[string]string{"k": "v"}}},
			{instance: discovery.Instance{ID: "b"}, problem: errors.New("bad")},
		}
	}
	for name, change := range map[string]func(listing){
		"nothing":    func(listing) {},
		"problem":    func(l listing) { l[1].problem = errors.New("x") },
		"no problem": func(l listing) { l[1].problem = nil },
		"ID":         func(l listing) { l[0].instance.ID = "x" },
		"name":       func(l listing) { l[0].instance.Name = "x" },
		"address":    func(l listing) { l[0].instance.Address = "x" },
		"weight":     func(l listing) { l[0].instance.Weight = 9 },
		"status":     func(l listing) { l[0].instance.Status = discovery.Warning },
		"held":       func(l listing) { l[0].instance.Held = true },
		"node":       func(l listing) { l[0].instance.Node = "x" },
		"datacenter": func(l listing) { l[0].instance.Datacenter = "x" },
		"a tag":      func(l listing) { l[0].instance.Tags[0] = "x" },
		"meta":       func(l listing) { l[0].instance.Meta["k"] = "x" },
	} {
		now := sample()
		change(now)
		if got := now.equal(sample()); got != (name == "nothing") {
			t.Errorf("after a change of %s: equal is %v", name, got)
		}
	}
	if sample()[:1].equal(sample()) {
		t.Error("a listing equals a part of it")
	}
}

func TestLost(t *testing.T) {
	of := func(ids string) (l listing) {
		for _, id := range ids {
			l = append(l, &item{instance: discovery.Instance{ID: string(id)}})
		}
		return l
	}
	for _, tt := range []struct{ was, is, want string }{
		{"", "", ""}, {"", "ab", ""}, {"ab", "", "ab"}, {"ab", "ab", ""}, {"abc", "b", "ac"},
		{"bd", "ace", "bd"}, {"abcd", "bx", "acd"}, {"aab", "b", "aa"}, {"ab", "aab", ""},
	} {
		if got := of(tt.was).lost(of(tt.is)); !got.equal(of(tt.want)) {
			t.Errorf("of %q %d are not in %q, want %q", tt.was, len(got), tt.is, tt.want)
		}
	}
}
