// Command house checks the rules of this code base that no ready linter
// knows: what a file may call, how long it may grow, what must be documented.
// Each breach is one line, "file:line: rule: what to do", and makes it exit 1.
//
// Usage: go run ./scripts/house [DIR]
package main

import (
	"fmt"
	"go/token"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// finding is one breach of a rule. pos.Filename is relative to the root.
type finding struct {
	pos    token.Position
	rule   string
	advice string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.pos.Filename, f.pos.Line, f.rule, f.advice)
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	os.Exit(run(os.DirFS(root), os.Stdout, os.Stderr))
}

func run(root fs.FS, stdout, stderr io.Writer) int {
	findings, err := check(root)
	if err != nil {
		fmt.Fprintln(stderr, "house:", err)
		return 2
	}
	for _, f := range findings {
		fmt.Fprintln(stdout, f)
	}
	if len(findings) > 0 {
		return 1
	}
	return 0
}

// check applies every rule to every file under root, in the order of their
// names.
func check(root fs.FS) ([]finding, error) {
	var all []finding
	var sources []*source
	err := fs.WalkDir(root, ".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == ".git" || path == "bin"):
			return fs.SkipDir
		case !d.Type().IsRegular(), path == ".git": // a file in a linked work tree
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil {
			return err
		}
		all = append(all, checkText(path, text)...)
		// What lies in testdata is input for a test, often wrong on purpose.
		if filepath.Ext(path) != ".go" || slices.Contains(strings.Split(path, "/"), "testdata") {
			return nil
		}
		src, err := parse(path, text)
		if err != nil {
			return err
		}
		sources = append(sources, src)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, src := range sources {
		all = append(all, checkSource(src)...)
	}
	all = append(all, checkFolders(sources)...)
	slices.SortStableFunc(all, func(a, b finding) int {
		if c := strings.Compare(a.pos.Filename, b.pos.Filename); c != 0 {
			return c
		}
		return a.pos.Line - b.pos.Line
	})
	return all, nil
}
