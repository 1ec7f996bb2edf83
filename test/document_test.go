package test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rota-lb/rota/config"
)

// repository is the top folder of the sources, seen from here.
var repository = os.DirFS("..")

// filesNamed returns the paths of the sources with the given ending.
func filesNamed(t *testing.T, ending string) (paths []string) {
	t.Helper()
	err := fs.WalkDir(repository, ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "testdata"}, d.Name()):
			return fs.SkipDir
		case strings.HasSuffix(p, ending):
			paths = append(paths, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

// document is a text in Markdown.
type document string

func readDocument(t *testing.T, p string) document {
	t.Helper()
	text, err := fs.ReadFile(repository, p)
	if err != nil {
		t.Fatal(err)
	}
	return document(text)
}

var (
	fence  = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")
	inline = regexp.MustCompile("`[^`\n]+`")
)

// blocks returns the contents of the code blocks in one language.
func (d document) blocks(language string) (contents []string) {
	for _, m := range fence.FindAllStringSubmatch(string(d), -1) {
		if m[1] == language {
			contents = append(contents, m[2])
		}
	}
	return contents
}

// prose is the document without its code, code what it shows as such.
func (d document) prose() string {
	return inline.ReplaceAllString(fence.ReplaceAllString(string(d), ""), "")
}

func (d document) code() string {
	outside := fence.ReplaceAllString(string(d), "")
	return strings.Join(slices.Concat(fence.FindAllString(string(d), -1), inline.FindAllString(outside, -1)), "\n")
}

// table returns the rows of the first table after a heading, each as its cells
// without the marks of code.
func (d document) table(heading string) (rows [][]string) {
	_, rest, _ := strings.Cut(string(d), "\n"+heading+"\n")
	_, rest, _ = strings.Cut(rest, "\n|---")
	lines := strings.Split(rest, "\n")
	for _, line := range lines[1:] { // the first is what is left of the rule
		if !strings.HasPrefix(line, "| ") {
			break
		}
		cells := strings.Split(strings.Trim(strings.ReplaceAll(line, "`", ""), "| "), " | ")
		rows = append(rows, cells)
	}
	return rows
}

// firsts returns the first column of such a table.
func (d document) firsts(heading string) (names []string) {
	for _, row := range d.table(heading) {
		names = append(names, row[0])
	}
	return names
}

var makeCommand = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)

// targets returns the targets of make that the document tells to run.
func (d document) targets() (names []string) {
	for _, m := range makeCommand.FindAllStringSubmatch(d.code(), -1) {
		names = append(names, m[1])
	}
	return names
}

// brokenSnippets returns what is wrong with the configurations that it shows.
func (d document) brokenSnippets() (wrong []string) {
	for _, snippet := range d.blocks("hcl") {
		if _, err := config.Parse("snippet.hcl", []byte(snippet)); err != nil {
			wrong = append(wrong, err.Error())
		}
	}
	return wrong
}

var (
	link    = regexp.MustCompile(`\]\(([^)]*)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noSlug  = regexp.MustCompile(`[^\w\- ]`)
)

// brokenLinks returns the links from the document at p that lead nowhere among
// the files.
func (d document) brokenLinks(files fs.FS, p string) (broken []string) {
	for _, m := range link.FindAllStringSubmatch(d.prose(), -1) {
		if strings.Contains(m[1], "://") {
			continue
		}
		to, anchor, _ := strings.Cut(m[1], "#")
		target := p
		if to != "" {
			target = path.Join(path.Dir(p), to)
		}
		text, err := fs.ReadFile(files, target)
		if err != nil && !isFolder(files, target) || anchor != "" && !document(text).has(anchor) {
			broken = append(broken, m[1])
		}
	}
	return broken
}

func isFolder(files fs.FS, p string) bool {
	info, err := fs.Stat(files, p)
	return err == nil && info.IsDir()
}

// has reports whether a heading has the anchor that code hosts derive from it.
func (d document) has(anchor string) bool {
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(string(d), ""), -1) {
		slug := noSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		if strings.ReplaceAll(slug, " ", "-") == anchor {
			return true
		}
	}
	return false
}

// differences says which names a document has that the code has not, and the
// other way round.
func differences(documented, real []string) (wrong []string) {
	for _, name := range documented {
		if !slices.Contains(real, name) {
			wrong = append(wrong, fmt.Sprintf("%q is not in the code", name))
		}
	}
	for _, name := range real {
		if !slices.Contains(documented, name) {
			wrong = append(wrong, fmt.Sprintf("%q is missing", name))
		}
	}
	return wrong
}

// parseFolder returns the Go files of a folder without its tests.
func parseFolder(t *testing.T, folder string) (sources []*ast.File) {
	t.Helper()
	for _, p := range filesNamed(t, ".go") {
		if path.Dir(p) != folder || strings.HasSuffix(p, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, string(readDocument(t, p)), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		sources = append(sources, f)
	}
	if len(sources) == 0 {
		t.Fatalf("no code in %s", folder)
	}
	return sources
}

// literals returns the strings that are written below a node.
func literals(n ast.Node) (found []string) {
	for n := range ast.Preorder(n) {
		if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
			if s, err := strconv.Unquote(l.Value); err == nil {
				found = append(found, s)
			}
		}
	}
	return found
}

// constants returns the strings of the declarations in a folder that fit.
func constants(t *testing.T, folder string, fits func(*ast.ValueSpec) bool) (found []string) {
	t.Helper()
	for _, f := range parseFolder(t, folder) {
		for n := range ast.Preorder(f) {
			if spec, ok := n.(*ast.ValueSpec); ok && fits(spec) {
				found = append(found, literals(spec)...)
			}
		}
	}
	return found
}
