package main

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strings"
)

// The sizes beyond which a reader loses the thread, in lines. The wire codec
// gets more room: its state machines read best in one piece.
const (
	maxFile      = 400
	maxCodecFile = 500
	maxFunc      = 80
)

// goAllowed lists the functions that may hold a go statement, as
// "file function", each with the reason why no WaitGroup or errgroup fits.
var goAllowed = map[string]string{
	"examples/demo/process.go start":           "stopAll joins it, with a limit that a WaitGroup has not",
	"internal/testkit/process.go startProcess": "so does awaitExit",
}

// source is one parsed Go file.
type source struct {
	path string
	text []byte
	fset *token.FileSet
	file *ast.File
}

func parse(path string, text []byte) (*source, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return &source{path, text, fset, file}, err
}

func (s *source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// under tells whether the file lies in one of the folders.
func (s *source) under(folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool {
		return strings.HasPrefix(s.path, f+"/")
	})
}

// rule looks at one file and returns the places that breach it.
type rule struct {
	name    string
	advice  string
	applies func(*source) bool
	breach  func(*source) []token.Pos
}

func everywhere(*source) bool     { return true }
func outsideTests(s *source) bool { return !s.isTest() }

// inRealTime leaves out the tests that bring a clock of their own, in which
// to sleep is to move its hands.
func inRealTime(s *source) bool {
	return s.isTest() && !slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool {
		return i.Path.Value == `"testing/synctest"`
	})
}

// inLibraries leaves out what makes the first context: programs and tests.
func inLibraries(s *source) bool {
	return !s.isTest() && !s.under("bench", "cmd", "examples", "scripts", "internal/testkit")
}

var rules = []rule{
	{"time.After", "its timer can't be stopped: use time.NewTimer and Stop",
		everywhere, uses("time", "After")},
	{"time.Sleep", "slow or flaky: wait for the event itself, or use testing/synctest",
		inRealTime, uses("time", "Sleep")},
	{"context.Background", "take the context from the caller",
		inLibraries, uses("context", "Background", "TODO")},
	{"go statement", "who joins it? Use sync.WaitGroup.Go or errgroup, or list it in goAllowed with the reason",
		outsideTests, goStatements},
	{"file size", "a file is one concept: split it (400 lines at most, 500 in http1)",
		everywhere, longFile},
	{"function size", "a function fits a screen: split it (80 lines at most)",
		everywhere, longFuncs},
	{"undocumented", "say what the exported name promises: units, errors, concurrency",
		outsideTests, undocumented},
	{"gofmt", "run gofmt -w on the file",
		everywhere, unformatted},
}

func checkSource(s *source) (found []finding) {
	for _, r := range rules {
		if !r.applies(s) {
			continue
		}
		for _, pos := range r.breach(s) {
			found = append(found, finding{s.fset.Position(pos), r.name, r.advice})
		}
	}
	return found
}

// uses finds pkg.name wherever it is called or passed on as a value.
func uses(pkg string, names ...string) func(*source) []token.Pos {
	return func(s *source) (found []token.Pos) {
		for n := range ast.Preorder(s.file) {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok || !slices.Contains(names, sel.Sel.Name) {
				continue
			}
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == pkg {
				found = append(found, sel.Pos())
			}
		}
		return found
	}
}

func goStatements(s *source) (found []token.Pos) {
	for _, d := range s.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if ok && goAllowed[s.path+" "+fn.Name.Name] != "" {
			continue
		}
		for n := range ast.Preorder(d) {
			if g, ok := n.(*ast.GoStmt); ok {
				found = append(found, g.Pos())
			}
		}
	}
	return found
}

func longFile(s *source) []token.Pos {
	limit := maxFile
	if s.under("http1") {
		limit = maxCodecFile
	}
	if bytes.Count(s.text, []byte("\n")) <= limit {
		return nil
	}
	return []token.Pos{s.fset.File(s.file.FileStart).LineStart(limit + 1)}
}

func longFuncs(s *source) (found []token.Pos) {
	for _, d := range s.file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		lines := s.fset.Position(fn.End()).Line - s.fset.Position(fn.Pos()).Line + 1
		if lines > maxFunc {
			found = append(found, fn.Pos())
		}
	}
	return found
}

func unformatted(s *source) []token.Pos {
	want, err := format.Source(s.text)
	if err == nil && bytes.Equal(want, s.text) {
		return nil
	}
	return []token.Pos{s.file.FileStart}
}

// undocumented finds exported names without a comment. One comment does for a
// group of constants or variables, and an Error method needs none; fields and
// the methods of an interface are left to the reviewer's eye.
func undocumented(s *source) (found []token.Pos) {
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			isError := d.Recv != nil && d.Name.Name == "Error"
			if d.Doc == nil && d.Name.IsExported() && receiverExported(d) && !isError {
				found = append(found, d.Pos())
			}
		case *ast.GenDecl:
			if d.Doc != nil && (d.Tok != token.TYPE || !d.Lparen.IsValid()) {
				continue
			}
			for _, spec := range d.Specs {
				if bareExport(spec) {
					found = append(found, spec.Pos())
				}
			}
		}
	}
	return found
}

// bareExport tells whether a type, constant or variable of a declaration
// without a comment is exported and has none of its own.
func bareExport(spec ast.Spec) bool {
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		return spec.Name.IsExported() && spec.Doc == nil && spec.Comment == nil
	case *ast.ValueSpec:
		return slices.ContainsFunc(spec.Names, (*ast.Ident).IsExported) && spec.Doc == nil && spec.Comment == nil
	}
	return false
}

// receiverExported tells whether fn belongs to an exported type, or to none.
func receiverExported(fn *ast.FuncDecl) bool {
	if fn.Recv == nil {
		return true
	}
	for n := range ast.Preorder(fn.Recv.List[0].Type) {
		// The first name in T, *T or *T[P] is the type's own.
		if id, ok := n.(*ast.Ident); ok {
			return id.IsExported()
		}
	}
	return false
}
