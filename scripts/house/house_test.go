package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const doc = "// Package p is a specimen.\npackage p\n\n"

func lines(n int) string { return strings.Repeat("//\n", n) }
func body(n int) string  { return strings.Repeat("\t//\n", n) }

// Each rule must be able to fail, and must let its nearest neighbour pass.
var ruleTests = []struct {
	name, path, text string
	want             []string // "line: rule"
}{
	{"time.After", "p/p.go", doc + "var c = time.After(1)\n", []string{"4: time.After"}},
	{"time.After in a test", "p/p_test.go", "package p\n\nvar c = time.After(1)\n", []string{"3: time.After"}},
	{"time.AfterFunc", "p/p.go", doc + "var c = time.AfterFunc(1, f)\n", nil},

	{"time.Sleep in a test", "p/p_test.go", "package p\n\nfunc f() { time.Sleep(1) }\n", []string{"3: time.Sleep"}},
	{"time.Sleep in fake time", "p/p_test.go", "package p\n\nimport \"testing/synctest\"\n\nfunc f() { time.Sleep(1) }\n", nil},
	{"time.Sleep in code", "p/p.go", doc + "func f() { time.Sleep(1) }\n", nil},
	{"Sleep of our own", "p/p_test.go", "package p\n\nfunc f() { clock.Sleep(1) }\n", nil},

	{"context.Background", "p/p.go", doc + "var c = context.Background()\n", []string{"4: context.Background"}},
	{"context.TODO", "p/p.go", doc + "var c = context.TODO()\n", []string{"4: context.Background"}},
	{"context.Background in a program", "cmd/p/p.go", doc + "var c = context.Background()\n", nil},
	{"context.Background in an example", "examples/p/p.go", doc + "var c = context.Background()\n", nil},
	{"context.Background in a test", "p/p_test.go", "package p\n\nvar c = context.Background()\n", nil},
	{"context.Background near a program", "cmdline/p.go", doc + "var c = context.Background()\n", []string{"4: context.Background"}},

	{"go statement", "p/p.go", doc + "func f() {\n\tgo f()\n}\n", []string{"5: go statement"}},
	{"go statement in a method's closure", "p/p.go", doc + "func (t T) f() {\n\tg(func() { go f() })\n}\n", []string{"5: go statement"}},
	{"go statement in a test", "p/p_test.go", "package p\n\nfunc f() { go f() }\n", nil},
	{"WaitGroup.Go", "p/p.go", doc + "func f() { wg.Go(f) }\n", nil},

	{"file of 401 lines", "p/p.go", doc + lines(398), []string{"401: file size"}},
	{"file of 400 lines", "p/p.go", doc + lines(397), nil},
	{"test of 401 lines", "p/p_test.go", "package p\n\n" + lines(399), []string{"401: file size"}},
	{"codec file of 501 lines", "http1/p.go", doc + lines(498), []string{"501: file size"}},
	{"codec file of 500 lines", "http1/p.go", doc + lines(497), nil},

	{"function of 81 lines", "p/p.go", doc + "func f() {\n" + body(79) + "}\n", []string{"4: function size"}},
	{"function of 80 lines", "p/p.go", doc + "func f() {\n" + body(78) + "}\n", nil},

	{"bare func", "p/p.go", doc + "func F() {}\n", []string{"4: undocumented"}},
	{"bare method", "p/p.go", doc + "func (t *T) F() {}\n", []string{"4: undocumented"}},
	{"bare method of a generic type", "p/p.go", doc + "func (t *T[p]) F() {}\n", []string{"4: undocumented"}},
	{"method of an unexported type", "p/p.go", doc + "func (t *t) F() {}\n", nil},
	{"bare Error method", "p/p.go", doc + "func (t *T) Error() string { return \"\" }\n", nil},
	{"bare Error func", "p/p.go", doc + "func Error() {}\n", []string{"4: undocumented"}},
	{"bare type", "p/p.go", doc + "type T int\n", []string{"4: undocumented"}},
	{"bare type in a commented group", "p/p.go", doc + "// Some types.\ntype (\n\tT int\n)\n", []string{"6: undocumented"}},
	{"bare const", "p/p.go", doc + "const C = 1\n", []string{"4: undocumented"}},
	{"bare second name", "p/p.go", doc + "var a, B = 1, 2\n", []string{"4: undocumented"}},
	{"group with a comment", "p/p.go", doc + "// Some numbers.\nconst (\n\tC = 1\n\tD = 2\n)\n", nil},
	{"const with a comment beside it", "p/p.go", doc + "const (\n\tC = 1 // one\n)\n", nil},
	{"bare func in a test", "p/p_test.go", "package p\n\nfunc F() {}\n", nil},

	{"gofmt", "p/p.go", doc + "var  a = 1\n", []string{"1: gofmt"}},

	{"no package comment", "p/p.go", "package p\n", []string{"1: package comment"}},
	{"no leak check", "p/p_test.go", "package p\n\nfunc TestF(t *testing.T) {}\n", []string{"1: goroutine leaks"}},
	{"no tests, no leak check", "p/p_test.go", "package p\n\nfunc f() {}\n", nil},
	{"leak check", "p/p_test.go", "package p\n\nfunc TestMain(m *testing.M) { goleak.VerifyTestMain(m) }\n", nil},

	{"left to do", "p/p.md", "one\n# " + "TODO: two\n", []string{"2: words"}},
	{"machine path", ".ci/run", "cd /ho" + "me/joe\n", []string{"1: words"}},
	{"unfinished merge", "p.txt", strings.Repeat("<", 7) + " HEAD\n", []string{"1: words"}},
	{"binary file", "p.bin", "\x00# " + "TODO", nil},
}

func TestRules(t *testing.T) {
	for _, tt := range ruleTests {
		t.Run(tt.name, func(t *testing.T) {
			found, err := check(fstest.MapFS{tt.path: {Data: []byte(tt.text)}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range found {
				if f.pos.Filename != tt.path {
					t.Errorf("found in %s, want %s", f.pos.Filename, tt.path)
				}
				if f.advice == "" {
					t.Errorf("%v: no advice", f)
				}
				got = append(got, fmt.Sprintf("%d: %s", f.pos.Line, f.rule))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// One file may carry the package comment or the leak check for all.
func TestFolderRulesLookAtAllFiles(t *testing.T) {
	found, err := check(fstest.MapFS{
		"p/a.go":      {Data: []byte("package p\n")},
		"p/b.go":      {Data: []byte("// Package p is a specimen.\npackage p\n")},
		"p/a_test.go": {Data: []byte("package p\n\nfunc TestF(t *testing.T) {}\n")},
		"p/b_test.go": {Data: []byte("package p\n\nfunc TestMain(m *testing.M) { goleak.VerifyTestMain(m) }\n")},
	})
	if err != nil || len(found) > 0 {
		t.Errorf("got %v, %v; want nothing", found, err)
	}
}

func TestGoAllowed(t *testing.T) {
	goAllowed["p/p.go f"] = "a specimen"
	defer delete(goAllowed, "p/p.go f")
	text := "// Package p is a specimen.\npackage p\n\nfunc f() { go f() }\n\nfunc g() { go f() }\n"
	found, err := check(fstest.MapFS{"p/p.go": {Data: []byte(text)}})
	if err != nil || len(found) != 1 || found[0].pos.Line != 6 {
		t.Errorf("got %v, %v; want line 6 alone", found, err)
	}
}

func TestRun(t *testing.T) {
	breach := "package p\n"
	tests := []struct {
		name, path, text, stdout string
		code                     int
	}{
		{"breach", "p/p.go", breach, "p/p.go:1: package comment: say in a paragraph what the package is for\n", 1},
		{"clean", "p/p.md", "Hello\n", "", 0},
		{"what is built", "bin/p.go", breach, "", 0},
		{"what tests read", "p/testdata/p.go", breach, "", 0},
		{"not Go", "p/p.go", "pack age\n", "", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := run(fstest.MapFS{tt.path: {Data: []byte(tt.text)}}, &stdout, &stderr)
			if code != tt.code || stdout.String() != tt.stdout {
				t.Errorf("got %d, %q; want %d, %q", code, stdout.String(), tt.code, tt.stdout)
			}
			if (stderr.Len() > 0) != (tt.code == 2) {
				t.Errorf("stderr: %q", stderr.String())
			}
		})
	}
}
