// Package test holds the tests that look at the whole program.
package test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rota-lb/rota"

// arrows says which of our packages each room may import; "x/*" is any room
// under x. A package under no key at all is not of the design.
var arrows = map[string][]string{
	"admin":       {"pool"},
	"admin/*":     {"pool"},
	"config":      nil,
	"balancer":    nil,
	"discovery":   nil,
	"discovery/*": {"discovery"},
	"health":      nil,
	"http1":       nil,
	"pool":        {"discovery", "health", "balancer"},
	"socket":      nil,
	"proxy":       {"balancer", "upstream", "socket", "http1"},
	"upstream":    {"socket"},

	// The program joins the rooms; nothing joins the program.
	"cmd/rota": {"admin", "admin/*", "balancer", "config", "discovery", "discovery/*",
		"health", "http1", "pool", "proxy", "socket", "upstream"},

	// Beside the program: each stands alone. The kit serves tests only, which
	// this table does not look at.
	"bench":            nil,
	"bench/*":          nil,
	"examples/*":       nil,
	"internal/testkit": nil,
	"scripts/*":        nil,
	"test":             nil,
	"test/*":           nil,
}

// goPackage is what go list tells of a package. Imports leaves out the tests'.
type goPackage struct {
	ImportPath string
	Imports    []string
}

// wrongArrows names each import among pkgs that the table does not allow.
func wrongArrows(pkgs []goPackage) (wrong []string) {
	for _, p := range pkgs {
		from := strings.TrimPrefix(p.ImportPath, module+"/")
		key, known := room(from)
		if !known {
			wrong = append(wrong, fmt.Sprintf("%s: not a room of the design; give it a line in arrows", from))
			continue
		}
		for _, i := range p.Imports {
			to, ours := strings.CutPrefix(i, module+"/")
			if !ours {
				continue
			}
			target, _ := room(to)
			if !slices.Contains(arrows[key], to) && !slices.Contains(arrows[key], target) {
				wrong = append(wrong, fmt.Sprintf("%s -> %s: not an arrow of the design", from, to))
			}
		}
	}
	return wrong
}

// room finds the key of the table under which a package falls.
func room(pkg string) (string, bool) {
	if _, ok := arrows[pkg]; ok {
		return pkg, true
	}
	siblings := path.Dir(pkg) + "/*"
	_, ok := arrows[siblings]
	return siblings, ok
}

func TestArrows(t *testing.T) {
	list := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v", list, err)
	}
	var pkgs []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) < 5 {
		t.Fatalf("go list knows only %v", pkgs)
	}
	for _, w := range wrongArrows(pkgs) {
		t.Error(w)
	}
}

// Every kind of wrong arrow is found, and nothing else.
func TestWrongArrows(t *testing.T) {
	tests := []struct {
		from string
		to   []string
		want []string
	}{
		{"pool", []string{"discovery", "health", "balancer"}, nil},
		{"proxy", []string{"balancer", "upstream", "http1"}, nil},
		{"discovery/consul", []string{"discovery"}, nil},
		{"cmd/rota", []string{"config", "pool", "discovery/static", "admin/ui"}, nil},

		{"config", []string{"discovery"}, []string{"discovery"}},
		{"pool", []string{"config", "health", "discovery/consul"}, []string{"config", "discovery/consul"}},
		{"proxy", []string{"config"}, []string{"config"}},
		{"discovery", []string{"discovery/static"}, []string{"discovery/static"}},
		{"discovery/static", []string{"discovery/consul"}, []string{"discovery/consul"}},
		{"discovery/consul", []string{"pool"}, []string{"pool"}},
		{"health", []string{"balancer"}, []string{"balancer"}},
		{"balancer", []string{"discovery"}, []string{"discovery"}},
		{"http1", []string{"proxy"}, []string{"proxy"}},
		{"upstream", []string{"socket", "balancer"}, []string{"balancer"}},
		{"socket", []string{"http1"}, []string{"http1"}},
		{"admin", []string{"proxy"}, []string{"proxy"}},
		{"cmd/rota", []string{"internal/testkit"}, []string{"internal/testkit"}},
		{"cmd/rota", []string{"examples/backend"}, []string{"examples/backend"}},
		{"pool", []string{"internal/testkit"}, []string{"internal/testkit"}},
		{"examples/demo", []string{"config"}, []string{"config"}},
		{"internal/testkit", []string{"pool"}, []string{"pool"}},
	}
	for _, tt := range tests {
		p := goPackage{ImportPath: module + "/" + tt.from, Imports: []string{"net/http", "github.com/other/config"}}
		for _, to := range tt.to {
			p.Imports = append(p.Imports, module+"/"+to)
		}
		var want []string
		for _, to := range tt.want {
			want = append(want, fmt.Sprintf("%s -> %s: not an arrow of the design", tt.from, to))
		}
		if got := wrongArrows([]goPackage{p}); !slices.Equal(got, want) {
			t.Errorf("%s importing %v: got %q, want %q", tt.from, tt.to, got, want)
		}
	}
}

func TestUnknownRoom(t *testing.T) {
	for _, path := range []string{"util", "proxy/deep", "discovery/consul/deep", "internal/util", ""} {
		got := wrongArrows([]goPackage{{ImportPath: strings.TrimSuffix(module+"/"+path, "/")}})
		if len(got) != 1 || !strings.Contains(got[0], "not a room") {
			t.Errorf("%q: got %q", path, got)
		}
	}
}

// What the program imports must be in the context that the image is built from.
func TestTheImageGetsEachRoom(t *testing.T) {
	text, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, arrow := range arrows["cmd/rota"] {
		room, _, _ := strings.Cut(arrow, "/")
		if !slices.Contains(lines, "!"+room) {
			t.Errorf(".dockerignore leaves out %s: add !%s", room, room)
		}
	}
}
