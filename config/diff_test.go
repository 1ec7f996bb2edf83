package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

const diffBase = `
service "web" {
  discover "static" { urls = ["http://10.0.0.1:80"] }
}
service "api" {}
route { service = "web" }
route {
  path_prefix = "/api"
  service     = "api"
}
`

func TestDiff(t *testing.T) {
	tests := []struct {
		name     string
		old, new string // what is replaced in the base, and by what
		want     []string
	}{
		{"nothing", "", "", nil},
		{"another order", diffBase, `
route {
  service     = "api"
  path_prefix = "/api"
}
service "api" {}
route { service = "web" }
service "web" {
  discover "static" { urls = ["http://10.0.0.1"] }
}
`, nil},
		{"what is the default", `service "api" {}`, "log {}\nadmin {}\nservice \"api\" { balance = \"round_robin\" }", nil},
		{"an argument in no block", `service "api" {}`, "shutdown_timeout = \"1s\"\nservice \"api\" {}", []string{"shutdown_timeout changed"}},
		{"blocks that there are once", `service "api" {}`, "log { level = \"warn\" }\nadmin { address = \"\" }\nconsul {\n  address = \"c:1\"\n  datacenter = \"x\"\n}\nservice \"api\" {}",
			[]string{"admin changed: address", "log changed: level", "consul changed: address, datacenter"}},
		{"a block that may be left out", `service "api" {}`, "access_log {}\nservice \"api\" {}", []string{"access_log added"}},
		{"a listener", `service "api" {}`, "listen \"x\" {}\nservice \"api\" {}", []string{`listen "http" removed`, `listen "x" added`}},
		{"arguments of a listener", `service "api" {}`, "listen \"http\" {\n  trusted_proxies = [\"10.0.0.1\"]\n  read_timeout = \"1s\"\n}\nservice \"api\" {}",
			[]string{`listen "http" changed: read_timeout, trusted_proxies`}},
		{"blocks within a service", `service "api" {}`, "service \"api\" {\n  balance = \"random\"\n  timeouts { stall = \"1s\" }\n  health_check {\n    path = \"/\"\n    expect_status = [\"204\"]\n  }\n}",
			[]string{`service "api" changed: balance, health_check.path, health_check.expect_status, timeouts.stall`}},
		{"discovery", `http://10.0.0.1:80`, `http://10.0.0.2:80`, []string{`service "web" changed: discover.urls`}},
		{"another kind of it", `discover "static" { urls = ["http://10.0.0.1:80"] }`, `discover "consul" { name = "w" }`,
			[]string{`service "web" changed: discover.kind, discover.name, discover.urls`}},
		{"another name", `service "web" {`, "route {\n  host = \"w.test\"\n  service = \"w\"\n}\nservice \"w\" {}\nservice \"web\" {",
			[]string{`service "w" added`, `route "w.test/" added`}},
		{"where a route leads", `route { service = "web" }`, "route { service = \"api\" }\nroute {\n  host = \"x\"\n  service = \"web\"\n}",
			[]string{`route "/" changed: service`, `route "x/" added`}},
	}
	for _, tt := range tests {
		before, err := Parse("a.hcl", []byte(diffBase))
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse("b.hcl", []byte(strings.Replace(diffBase, tt.old, tt.new, 1)))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var got []string
		for _, c := range Diff(before, after) {
			got = append(got, c.String())
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The other way round, what was added is removed.
func TestDiffBackwards(t *testing.T) {
	read := func(text string) *Config {
		c, err := Parse("c.hcl", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	before, after := read("access_log {}\nservice \"web\" {}"), read(`service "api" {}`)
	want := []string{`access_log removed`, `service "web" removed`, `service "api" added`, `route "/" changed: service`}
	var got []string
	for _, c := range Diff(before, after) {
		got = append(got, c.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Names of fields are those of the reference, so that what a difference names
// can be found there.
func TestDiffNamesWhatTheReferenceHas(t *testing.T) {
	before, err := Load("testdata/good/defaults.hcl")
	if err != nil {
		t.Fatal(err)
	}
	after, err := Load("testdata/good/everything.hcl")
	if err != nil {
		t.Fatal(err)
	}
	reference, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	after.Services[0].Name, after.Listens[0].Name = before.Services[0].Name, before.Listens[0].Name
	for _, c := range Diff(before, after) {
		for _, name := range c.Arguments {
			name = name[strings.LastIndexByte(name, '.')+1:]
			if name != "kind" && !strings.Contains(string(reference), "`"+name+"`") {
				t.Errorf("%v: the reference has no %s", c, name)
			}
		}
	}
}
