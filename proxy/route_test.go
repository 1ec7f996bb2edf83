package proxy

import "testing"

func TestMatch(t *testing.T) {
	names := func(routes ...[2]string) *Table {
		var list []Route
		for _, r := range routes {
			list = append(list, Route{Host: r[0], PathPrefix: r[1], Service: &Service{Name: r[0] + r[1]}})
		}
		return NewTable(list)
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
		if s := tt.table.Match(tt.host, tt.path); s != nil {
			got = s.Name
		}
		if got != tt.want {
			t.Errorf("%s%s goes to %q, want %q", tt.host, tt.path, got, tt.want)
		}
	}
}

func TestServicesAreListedOnce(t *testing.T) {
	web := &Service{Name: "web"}
	table := NewTable([]Route{{PathPrefix: "/a", Service: web}, {PathPrefix: "/b", Service: web}})
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
	table := NewTable([]Route{{PathPrefix: "/", Service: any}, {Host: "*.a", PathPrefix: "/x", Service: any}})
	f.Fuzz(func(t *testing.T, host, path string) {
		if table.Match(host, path) != any {
			t.Errorf("no route for %q %q", host, path)
		}
	})
}
