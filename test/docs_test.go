package test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rota-lb/rota/admin"
	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/pool"
	"github.com/rota-lb/rota/upstream"
)

const (
	readme       = "README.md"
	architecture = "ARCHITECTURE.md"
	faults       = "docs/faults.md"
)

var (
	metric     = regexp.MustCompile(`\brota_[a-z_]*[a-z]\b`)
	makeTarget = regexp.MustCompile(`(?m)^([a-z][a-z-]*):`)
	testName   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	adminPath  = regexp.MustCompile(`^[A-Z]+ /`)
	beside     = regexp.MustCompile(`^(bench|examples|internal|scripts|test)(/|$)`)
)

// folders returns the folders of the program, without what stands beside it.
func folders(t *testing.T) (rooms []string) {
	t.Helper()
	for _, p := range filesNamed(t, ".go") {
		room := path.Dir(p)
		if !beside.MatchString(room) && !slices.Contains(rooms, room) {
			rooms = append(rooms, room)
		}
	}
	return rooms
}

func TestDocumentedMetrics(t *testing.T) {
	var real []string
	for _, room := range folders(t) {
		for _, f := range parseFolder(t, room) {
			for _, s := range literals(f) {
				if metric.MatchString(s) && metric.FindString(s) == s {
					real = append(real, s)
				}
			}
		}
	}
	for _, wrong := range differences(readDocument(t, readme).firsts("## Metrics"), real) {
		t.Errorf("%s, Metrics: %s", readme, wrong)
	}
	for _, p := range filesNamed(t, ".md") {
		for _, name := range metric.FindAllString(string(readDocument(t, p)), -1) {
			if !slices.Contains(real, name) {
				t.Errorf("%s: there is no metric %s", p, name)
			}
		}
	}
}

func TestDocumentedTargets(t *testing.T) {
	var real []string
	for _, m := range makeTarget.FindAllStringSubmatch(string(readDocument(t, "Makefile")), -1) {
		real = append(real, m[1])
	}
	if wrong := differences(readDocument(t, "CONTRIBUTING.md").targets(), real); wrong != nil {
		t.Errorf("CONTRIBUTING.md, targets of make: %q", wrong)
	}
	for _, p := range filesNamed(t, ".md") {
		for _, name := range readDocument(t, p).targets() {
			if !slices.Contains(real, name) {
				t.Errorf("%s: there is no make %s", p, name)
			}
		}
	}
}

func TestDocumentedLinksAndSnippets(t *testing.T) {
	t.Setenv("CONSUL_HTTP_ADDR", "")
	for _, p := range filesNamed(t, ".md") {
		d := readDocument(t, p)
		for _, broken := range d.brokenLinks(repository, p) {
			t.Errorf("%s: the link %s leads nowhere", p, broken)
		}
		for _, wrong := range d.brokenSnippets() {
			t.Errorf("%s: %s", p, wrong)
		}
	}
	if len(readDocument(t, readme).blocks("hcl")) == 0 {
		t.Errorf("%s shows no configuration", readme)
	}
}

func TestDocumentedStates(t *testing.T) {
	doc := readDocument(t, architecture)
	for heading, name := range map[string]string{"### States": "State", "### Reasons": "Reason"} {
		real := constants(t, "pool", func(spec *ast.ValueSpec) bool {
			id, ok := spec.Type.(*ast.Ident)
			return ok && id.Name == name
		})
		for _, wrong := range differences(doc.firsts(heading), real) {
			t.Errorf("%s, %s: %s", architecture, heading, wrong)
		}
	}
	for _, row := range doc.table("### Reasons") {
		if !slices.Contains(pool.States, pool.State(row[2])) {
			t.Errorf("%s: the reason %s leads to %q, which is no state", architecture, row[0], row[2])
		}
	}
	var names []string
	for f := upstream.None + 1; f <= upstream.OwnLimit; f++ {
		names = append(names, f.String())
	}
	for _, wrong := range differences(doc.firsts("## Faults"), names) {
		t.Errorf("%s, Faults: %s", architecture, wrong)
	}
}

// The table of rooms has every room, and exactly what it imports of ours.
func TestDocumentedRooms(t *testing.T) {
	doc := readDocument(t, architecture)
	for _, wrong := range differences(doc.firsts("## Rooms"), folders(t)) {
		t.Errorf("%s, Rooms: %s", architecture, wrong)
	}
	for _, row := range doc.table("## Rooms") {
		var real []string
		for _, f := range parseFolder(t, row[0]) {
			for _, i := range f.Imports {
				if room, ours := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), module+"/"); ours {
					real = append(real, room)
				}
			}
		}
		documented := strings.Split(row[2], ", ")
		if row[2] == "–" {
			documented = nil
		}
		for _, wrong := range differences(documented, real) {
			t.Errorf("%s, imports of %s: %s", architecture, row[0], wrong)
		}
	}
}

// What is said to be held by tests is: each row names some, and they are there.
func TestDocumentedFaults(t *testing.T) {
	var real []string
	for _, p := range filesNamed(t, "_test.go") {
		for _, m := range testName.FindAllStringSubmatch(string(readDocument(t, p)), -1) {
			real = append(real, m[1])
		}
	}
	doc := readDocument(t, faults)
	for _, heading := range []string{"## Clients", "## Backends", "## Consul", "## Operations"} {
		rows := doc.table(heading)
		if len(rows) == 0 {
			t.Errorf("%s, %s: no rows", faults, heading)
		}
		for _, row := range rows {
			if len(row) != 4 {
				t.Errorf("%s: row %s has %d cells", faults, row[0], len(row))
				continue
			}
			for name := range strings.FieldsSeq(row[3]) {
				if !slices.Contains(real, name) {
					t.Errorf("%s: row %s names %s, which is no test", faults, row[0], name)
				}
			}
		}
	}
}

func TestDocumentedUsage(t *testing.T) {
	usage := constants(t, "cmd/rota", func(spec *ast.ValueSpec) bool { return spec.Names[0].Name == "usage" })
	if len(usage) != 1 || !slices.Contains(readDocument(t, readme).blocks(""), usage[0]) {
		t.Errorf("%s does not show what rota help prints", readme)
	}
}

// documented is a service as the sample of /health shows it.
type documented struct{ now time.Time }

func (d documented) View() pool.View {
	busy := balancer.NewEndpoint("web-1", "10.0.0.1:8081", nil)
	turns := balancer.NewPool(balancer.RoundRobin, balancer.NewMembers(balancer.Member{Endpoint: busy, Weight: 1}), new(balancer.Turn))
	for range 3 {
		turns.Pick(nil)
	}
	return pool.View{
		Service: "web", Source: "consul", News: pool.News{Heard: d.now.Add(-1200 * time.Millisecond)},
		Endpoints: balancer.NewList(
			&pool.Endpoint{ID: "dc1/node-1/web-1", Name: "web-1", Address: busy.Address(), Weight: 1, State: pool.Serving, Reasons: []pool.Reason{}, Live: busy},
			&pool.Endpoint{ID: "dc1/node-2/web-2", Name: "web-2", Address: "10.0.0.2:8081", Weight: 1, State: pool.Ejected,
				Reasons: []pool.Reason{pool.CheckFailed}, LastError: "connection refused",
				Live: balancer.NewEndpoint("web-2", "10.0.0.2:8081", nil)},
		),
	}
}

func TestDocumentedHealth(t *testing.T) {
	samples := readDocument(t, readme).blocks("json")
	if len(samples) != 1 {
		t.Fatalf("%s has %d samples of JSON, want that of /health", readme, len(samples))
	}
	now := time.Now()
	status, answer := admin.Health([]admin.Viewer{documented{now}}, now)
	var got, want any
	if err := errors.Join(json.Unmarshal([]byte(samples[0]), &got), json.Unmarshal(answer, &want)); err != nil {
		t.Fatal(err)
	}
	if status != 200 || !reflect.DeepEqual(got, want) {
		t.Errorf("%s shows\n%v\nand rota answers %d with\n%v", readme, got, status, want)
	}
}

func TestDocumentedAdmin(t *testing.T) {
	var real []string
	for _, f := range parseFolder(t, "admin") {
		for _, s := range literals(f) {
			if adminPath.MatchString(s) {
				real = append(real, strings.TrimPrefix(s, "GET "))
			}
		}
	}
	for _, wrong := range differences(readDocument(t, readme).firsts("## Health"), real) {
		t.Errorf("%s, what admin answers: %s", readme, wrong)
	}
}

// Every way in which a document can be wrong is found.
func TestADocumentCanBeWrong(t *testing.T) {
	const doc document = "# A b: c\n[one](#a-b-c) [two](x.md#no) [three](gone.md)\n`make here` and `make gone`, make sure\n" +
		"```sh\nmake block\n[no](link)\n```\n```hcl\nservice \"web\" {}\n```\n```hcl\nservise \"web\" {}\n```\n" +
		"## T\n\n| name | meaning |\n|---|---|\n| `rota_a` | x |\n| `rota_b` | y |\n\n| `rota_c` | z |\n"
	files := fstest.MapFS{"d/doc.md": {Data: []byte(doc)}, "d/x.md": {Data: []byte("# yes\n")}}
	tests := []struct {
		what      string
		got, want []string
	}{
		{"links", doc.brokenLinks(files, "d/doc.md"), []string{"x.md#no", "gone.md"}},
		{"targets", doc.targets(), []string{"block", "here", "gone"}},
		{"table", doc.firsts("## T"), []string{"rota_a", "rota_b"}},
		{"no such table", doc.firsts("## U"), nil},
		{"metrics", metric.FindAllString("rota_a and rota_… and `rota_b_total`", -1), []string{"rota_a", "rota_b_total"}},
		{"differences", differences([]string{"a", "b"}, []string{"b", "c"}), []string{`"a" is not in the code`, `"c" is missing`}},
		{"no difference", differences([]string{"a", "b"}, []string{"b", "a"}), nil},
	}
	for _, tt := range tests {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.what, tt.got, tt.want)
		}
	}
	if wrong := doc.brokenSnippets(); len(wrong) != 1 || !strings.Contains(wrong[0], `"servise"`) {
		t.Errorf("snippets: got %q", wrong)
	}
}
