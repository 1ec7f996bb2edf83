package proxy

import (
	"maps"
	"testing"

	"github.com/rota-lb/rota/http1"
)

func TestMatch(t *testing.T) {
	names := func(routes ...[2]string) *Table {
		var list []Route
		for _, r := range routes {
			list = append(list, Route{Host: r[0], PathPrefix: r[1], Service: &Service{Name: r[0] + r[1]}})
		}
		return NewTable(list, nil)
	}
	all := names([2]string{"", "/"}, [2]string{"", "/api"}, [2]string{"", "/api/v2/"}, [2]string{"example.com", "/"},
		[2]string{"example.com", "/api"}, [2]string{"*.example.com", "/"}, [2]string{"*.eu.example.com", "/"})
	some := names([2]string{"example.com", "/api"}, [2]string{"", "/static"})
	tests := []struct {
		table      *Table
		host, path string
		want       string // "" is no route
	}{
		{all, "other.org", "/", "/"},
		{all, "other.org", "/api", "/api"},
		{all, "other.org", "/api/x", "/api"},
		{all, "other.org", "/apix", "/"}, // whole segments
		{all, "other.org", "/api/v2", "/api/v2/"},
		{all, "other.org", "/api/v2/x", "/api/v2/"},
		{all, "other.org", "/static/../api/x", "/api"}, // routed as a backend would read it
		{all, "other.org", "//api", "/api"},
		{all, "other.org", "/api/..", "/"},
		{all, "other.org", "*", "/"}, // OPTIONS *
		{all, "other.org", "", "/"},
		{all, "example.com", "/x", "example.com/"},
		{all, "EXAMPLE.com.:8080", "/api", "example.com/api"},
		{all, "a.example.com", "/api", "*.example.com/"}, // the host decides before the path
		{all, "b.a.example.com", "/", "*.example.com/"},
		{all, "a.eu.example.com", "/", "*.eu.example.com/"},
		{all, ".example.com", "/", "/"},
		{all, "badexample.com", "/", "/"},
		{all, "[::1]:8080", "/", "/"},
		{some, "example.com", "/static/x", "/static"}, // no path of the host fits: any host
		{some, "example.com", "/other", ""},
		{some, "other.org", "/api", ""},
	}
	for _, tt := range tests {
		got := ""
		path, err := http1.NormalPath(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if s := tt.table.Match(tt.host, path); s != nil {
			got = s.Name
		}
		if got != tt.want {
			t.Errorf("%s%s goes to %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestServicesAreListedOnce(t *testing.T) {
	web := &Service{Name: "web"}
	table := NewTable([]Route{{PathPrefix: "/a", Service: web}, {PathPrefix: "/b", Service: web}}, nil)
	if got := table.Services(); len(got) != 1 || got[0] != web {
		t.Errorf("the services are %v", got)
	}
}

// Whatever the host and path, matching ends without a panic, and a table with
// a route for all finds one.
func FuzzMatch(f *testing.F) {
	f.Add("example.com", "/a/../b")
	f.Add("[::1", "%2f")
	f.Add("*.", "")
	any := &Service{Name: "any"}
	table := NewTable([]Route{{PathPrefix: "/", Service: any}, {Host: "*.a", PathPrefix: "/x", Service: any}}, nil)
	f.Fuzz(func(t *testing.T, host, path string) {
		if table.Match(host, path) != any {
			t.Errorf("no route for %q %q", host, path)
		}
	})
}

// What is counted goes on in the next table: for a service of the same name, and
// for requests that no service gets.
func TestTheNextTableGoesOnCounting(t *testing.T) {
	table := func(before *Table, names ...string) *Table {
		var routes []Route
		for _, name := range names {
			routes = append(routes, Route{PathPrefix: "/" + name, Service: &Service{Name: name}})
		}
		return NewTable(routes, before)
	}
	first := table(nil, "web", "api")
	for _, s := range first.accounts() {
		s.stats.retries.Add(1)
	}
	tests := []struct {
		name string
		next *Table
		want map[string]uint64 // retries by service
	}{
		{"the same services", table(first, "api", "web"), map[string]uint64{"web": 1, "api": 1, "": 1}},
		{"one comes and one goes", table(first, "web", "new"), map[string]uint64{"web": 1, "new": 0, "": 1}},
		{"none before", table(nil, "web"), map[string]uint64{"web": 0, "": 0}},
	}
	for _, tt := range tests {
		got := map[string]uint64{}
		for _, s := range tt.next.accounts() {
			got[s.Name] = s.stats.retries.Load()
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
