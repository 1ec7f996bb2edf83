package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// checkFolders applies the rules that need all files of a package.
func checkFolders(sources []*source) (found []finding) {
	folders := map[string][]*source{}
	for _, s := range sources {
		dir := path.Dir(s.path)
		folders[dir] = append(folders[dir], s)
	}
	for _, dir := range slices.Sorted(maps.Keys(folders)) {
		var code, tests []*source
		for _, s := range folders[dir] {
			if s.isTest() {
				tests = append(tests, s)
			} else {
				code = append(code, s)
			}
		}
		if len(code) > 0 && !slices.ContainsFunc(code, hasPackageComment) {
			found = append(found, atPackage(code[0], "package comment",
				"say in a paragraph what the package is for"))
		}
		if slices.ContainsFunc(tests, hasTest) && !slices.ContainsFunc(tests, checksLeaks) {
			found = append(found, atPackage(tests[0], "goroutine leaks",
				"give the package a TestMain that calls goleak.VerifyTestMain"))
		}
	}
	return found
}

func hasPackageComment(s *source) bool { return s.file.Doc != nil }

func hasTest(s *source) bool {
	return slices.ContainsFunc(s.file.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && strings.HasPrefix(fn.Name.Name, "Test")
	})
}

func checksLeaks(s *source) bool { return len(uses("goleak", "VerifyTestMain", "Find")(s)) > 0 }

func atPackage(s *source, rule, advice string) finding {
	return finding{s.fset.Position(s.file.Package), rule, advice}
}

// words are what must not stand in any text file.
var words = []struct {
	re     *regexp.Regexp
	advice string
}{
	{regexp.MustCompile(`(//|#|<!--)\s*(TODO|FIXME|XXX|HACK)\b`), "do it now, or open an issue"},
	{regexp.MustCompile(`(^|[\s"'=:(])/(work|home|Users)/`), "a path of one machine means nothing on another"},
	{regexp.MustCompile(`^(<{7}|>{7}) `), "finish the merge"},
}

func checkText(path string, text []byte) (found []finding) {
	if bytes.IndexByte(text, 0) >= 0 {
		return nil
	}
	line := 0
	for l := range bytes.Lines(text) {
		line++
		for _, w := range words {
			if w.re.Match(l) {
				found = append(found, finding{token.Position{Filename: path, Line: line}, "words", w.advice})
			}
		}
	}
	return found
}
