package config

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// mark makes a diagnostic for the part of src between two "|", on the given
// line.
func mark(src string, line int) Diagnostic {
	before, rest, _ := strings.Cut(src, "|")
	marked, after, _ := strings.Cut(rest, "|")
	d := Diagnostic{Message: "wrong", Range: hcl.Range{
		Filename: "f",
		Start:    hcl.Pos{Line: line, Column: 1, Byte: len(before)},
		End:      hcl.Pos{Line: line, Column: 1, Byte: len(before) + len(marked)},
	}}
	d.locate([]byte(before + marked + after))
	return d
}

func TestDiagnosticSnippet(t *testing.T) {
	long := strings.Repeat("x", 200)
	tests := []struct {
		name, src    string
		line, marker string
	}{
		{"word", "a |bcd| e", "a bcd e", "  ^^^"},
		{"first word", "|a| b", "a b", "^"},
		{"nothing", "a ||b", "a b", "  ^"},
		{"end of line", "ab||\ncd", "ab", "  ^"},
		{"second line", "ab\ncd |ef|\ngh", "cd ef", "   ^^"},
		{"several lines", "ab\ncd |ef\ngh| i", "cd ef", "   ^^"},
		{"carriage return", "ab |cd|\r\nef", "ab cd", "   ^^"},
		{"mark past carriage return", "ab |cd\r\n|ef", "ab cd", "   ^^"},
		{"tabs", "\t\ta |b|", "\t\ta b", "\t\t  ^"},
		{"letters of several bytes", "grüße |ö|", "grüße ö", "      ^"},
		{"control characters", "a\x1b[2J |b|", "a\uFFFD[2J b", "      ^"},
		{"not UTF-8", "\xff |b|", "\uFFFD b", "  ^"},
		{"no file", "||", "", "^"},
		{"long line, early", "|ab|" + long, "ab" + long[:98] + "…", "^^"},
		{"long line, late", long + "|ab|", "…" + long[:50] + "ab", strings.Repeat(" ", 51) + "^^"},
		{"long mark", "ab |" + long + "|", "ab " + long[:97] + "…", "   " + strings.Repeat("^", 98)}, // the "…" too
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line, marker := mark(tt.src, 1).snippet()
			if line != tt.line || marker != tt.marker {
				t.Errorf("got:\n%q\n%q\nwant:\n%q\n%q", line, marker, tt.line, tt.marker)
			}
		})
	}
}

// Positions within JSON strings are only nearly right: a wrong one must not
// lead outside of the file.
func TestDiagnosticOutside(t *testing.T) {
	for _, offset := range []int{-5, 3, 100} {
		d := Diagnostic{Message: "wrong", Range: hcl.Range{
			Filename: "f",
			Start:    hcl.Pos{Line: 1, Column: 1, Byte: offset},
			End:      hcl.Pos{Line: 1, Column: 1, Byte: offset - 2},
		}}
		d.locate([]byte("abc"))
		if got := d.String(); !strings.HasPrefix(got, "f:1:1: wrong\n    1 | abc\n      | ") {
			t.Errorf("at %d: %q", offset, got)
		}
	}
}

func TestDiagnosticsError(t *testing.T) {
	whole := Diagnostic{Range: hcl.Range{Filename: "f"}, Message: "nothing in it", Hint: "write:\n  something"}
	late, early := mark("abc\nde |f|", 2), mark("|abc|\nde f", 1)
	ds := Diagnostics{late, early, whole}
	ds.sort()
	const want = `f:1:1: wrong
    1 | abc
      | ^^^
f: nothing in it
      write:
        something
f:2:1: wrong
    2 | de f
      |    ^`
	if got := ds.Error(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
