package config

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
)

// Diagnostic is one thing wrong with a file.
type Diagnostic struct {
	Range   hcl.Range // where; a Start.Line of 0 stands for the whole file
	Message string    // what is wrong, in one line
	Hint    string    // what to do about it, if that is not in Message

	line   string // the source line that Range starts in
	marked [2]int // which bytes of line are in Range: from, to
}

// Diagnostics is all that is wrong with a file, in the order of the file. It
// is the error of [Load] and [Parse].
type Diagnostics []Diagnostic

// Error gives every diagnostic in full, one below the other.
func (ds Diagnostics) Error() string {
	texts := make([]string, len(ds))
	for i, d := range ds {
		texts[i] = d.String()
	}
	return strings.Join(texts, "\n")
}

func (ds Diagnostics) sort() {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte)
	})
}

// String gives the position and the message, then the source line with the
// place marked, then what to do.
func (d Diagnostic) String() string {
	var b strings.Builder
	b.WriteString(d.Range.Filename)
	if d.Range.Start.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", d.Range.Start.Line, d.Range.Start.Column)
	}
	fmt.Fprintf(&b, ": %s", d.Message)
	if d.Range.Start.Line > 0 {
		line, marker := d.snippet()
		fmt.Fprintf(&b, "\n%5d | %s\n      | %s", d.Range.Start.Line, line, marker)
	}
	if d.Hint != "" {
		// A hint of several lines stays in its column.
		fmt.Fprintf(&b, "\n      %s", strings.ReplaceAll(d.Hint, "\n", "\n      "))
	}
	return b.String()
}

// maxSnippet is how much of a source line is shown, in runes. JSON made by a
// machine is often one line as long as the file.
const maxSnippet = 100

// snippet gives the source line and the line of "^" below it. Both are counted
// in runes: counted in bytes, the mark would drift behind a letter like "ü".
func (d Diagnostic) snippet() (line, marker string) {
	before := printable(d.line[:d.marked[0]])
	marked := printable(d.line[d.marked[0]:d.marked[1]])
	after := printable(d.line[d.marked[1]:])

	const lead = maxSnippet / 2
	if len(before) > lead && len(before)+len(marked)+len(after) > maxSnippet {
		before = append([]rune("…"), before[len(before)-lead:]...)
	}
	shown := slices.Concat(before, marked, after)
	if len(shown) > maxSnippet {
		shown = append(shown[:maxSnippet], '…')
	}
	marks := max(1, min(len(marked), len(shown)-len(before)))
	for i, r := range before {
		if r != '\t' { // a tab below a tab is as wide
			before[i] = ' '
		}
	}
	return string(shown), string(before) + strings.Repeat("^", marks)
}

// locate fills in the source line, given the whole file. It trusts no offset:
// those inside a JSON string are only nearly right.
func (d *Diagnostic) locate(src []byte) {
	start := min(max(d.Range.Start.Byte, 0), len(src))
	end := min(max(d.Range.End.Byte, start), len(src))
	lineStart := bytes.LastIndexByte(src[:start], '\n') + 1
	line, _, _ := bytes.Cut(src[lineStart:], []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	d.line = redacted(string(line))
	// Only the first line of a longer range is shown.
	d.marked = [2]int{min(start-lineStart, len(d.line)), min(end-lineStart, len(d.line))}
}

// tokenValue is a token and its value, of which the submatch is the secret.
var tokenValue = regexp.MustCompile(`(?i)token"?(?:\s*[=:]\s*|\s+)(?:"((?:[^"\\]|\\.)*)"?|([^\s"{}]+))`)

// redacted is a line without the tokens in it. They have no place in the file,
// so a message may well be about one, and messages end up in logs. What comes
// after one stays where it is.
func redacted(line string) string {
	b := []byte(line)
	for _, m := range tokenValue.FindAllStringSubmatchIndex(line, -1) {
		for i := max(m[2], m[4]); i < max(m[3], m[5]); i++ {
			b[i] = '*'
		}
	}
	return string(b)
}

// printable gives the runes of s with those replaced that could move a
// terminal's cursor.
func printable(s string) []rune {
	runes := []rune(s)
	for i, r := range runes {
		if r != '\t' && !unicode.IsPrint(r) {
			runes[i] = unicode.ReplacementChar
		}
	}
	return runes
}
