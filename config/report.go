package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// report adds a diagnostic. hint may be "".
func (d *decoder) report(at hcl.Range, hint, format string, args ...any) {
	at.Filename = d.filename
	diag := Diagnostic{Range: at, Message: fmt.Sprintf(format, args...), Hint: hint}
	diag.locate(d.src)
	d.diags = append(d.diags, diag)
}

// unknown reports a name that the body to has not: as "argument" or "block",
// by the look of it. Why it was written decides about the message, so the
// guesses go from the surest to none.
func (d *decoder) unknown(what, name string, at hcl.Range, to *body, s *section) {
	if s.title == "" {
		d.incomplete = true
	}
	if d.isJSON {
		what = "name" // which of the two was meant can't be told
	}
	isField := slices.ContainsFunc(to.fields, func(f field) bool { return f.name == name })
	names := to.names()
	near := didYouMean(name, names)
	s.bad[nearest(name, names)] = true
	switch {
	case slices.Contains(to.later, name):
		d.report(at, "leave it out", "%s%s is not available in this version", name, s.of())
	case to.elsewhere[name] != "":
		d.report(at, "", "%q belongs in %s, not%s", name, to.elsewhere[name], cmp.Or(strings.TrimPrefix(s.of(), " in"), " at the top level"))
	case to.instead[name] != "":
		d.report(at, to.instead[name], "unknown %s %q%s", what, name, s.of())
	case s.elsewhere[name] != "":
		d.report(at, "", "%q goes with %s, not%s", name, s.elsewhere[name], strings.TrimPrefix(s.of(), " in"))
	case isField:
		d.report(at, "write "+name+" = …", "%q%s is an argument, not a block", name, s.of())
	case len(to.kinds(name)) > 0:
		d.report(at, "write "+to.kinds(name)[0].example(false), "%q%s is a block, not an argument", name, s.of())
	case near != "":
		d.report(at, "", "unknown %s %q%s%s", what, name, s.of(), near)
	default:
		d.report(at, "known here: "+strings.Join(names, ", "), "unknown %s %q%s", what, name, s.of())
	}
}

// labels checks a block's labels, and reports whether they are right. In JSON
// they can't be too few or too many: one too few is content of a wrong form.
func (d *decoder) labels(b *hcl.Block, kinds []block) bool {
	form := kinds[0].form
	switch {
	case len(b.Labels) < form.labels():
		what := "name"
		if form == ofKind {
			what = "kind"
		}
		d.report(b.TypeRange, "write "+examples(kinds, false), "%s lacks its %s", b.Type, what)
	case len(b.Labels) > form.labels():
		d.report(b.LabelRanges[form.labels()], "write "+examples(kinds, false), "%s has a label too many: %q", b.Type, b.Labels[form.labels()])
	case form == named && !validName(b.Labels[0]):
		d.report(b.LabelRanges[0], `a name is made of letters, digits, ".", "_" and "-"`, "%q can't be the name of a %s", b.Labels[0], b.Type)
	case form == ofKind && !slices.ContainsFunc(kinds, func(k block) bool { return k.kind == b.Labels[0] }):
		var known []string
		for _, k := range kinds {
			known = append(known, k.kind)
		}
		d.report(b.LabelRanges[0], "write "+examples(kinds, d.isJSON), "%s has no kind %q%s", b.Type, b.Labels[0], didYouMean(b.Labels[0], known))
	default:
		return true
	}
	return false
}

// examples is how a block of some kinds is written.
func examples(kinds []block, inJSON bool) string {
	var texts []string
	for _, k := range kinds {
		texts = append(texts, k.example(inJSON))
	}
	return strings.Join(texts, " or ")
}

// validName reports whether s can name something in logs, metrics and URLs
// without being quoted there. What Consul calls a service may be anything.
func validName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	})
}

// foreign adds what the HCL library found, in our words where its own assume
// that one knows HCL well.
func (d *decoder) foreign(diags hcl.Diagnostics) {
	for _, diag := range diags {
		var at hcl.Range
		if diag.Subject != nil {
			at = *diag.Subject
		}
		call, isCall := hcl.DiagnosticExtra[hclsyntax.FunctionCallDiagExtra](diag)
		ours := new(fault)
		switch expr := diag.Expression.(type) {
		case *hclsyntax.ScopeTraversalExpr: // there are no variables
			d.variable(expr)
			continue
		case *hclsyntax.FunctionCallExpr:
			if isCall && errors.As(call.FunctionCallError(), &ours) {
				d.report(expr.Range(), ours.hint, "%s", ours.text)
				continue
			}
			if known := slices.Sorted(maps.Keys(d.context.Functions)); !slices.Contains(known, expr.Name) {
				d.report(at, "the functions are "+strings.Join(known, " and "), "unknown function %q%s", expr.Name, didYouMean(expr.Name, known))
				continue
			}
		}
		d.report(at, foreignPlace.ReplaceAllString(diag.Detail, " on line $1"), "%s", lowerFirst(diag.Summary))
		d.diags[len(d.diags)-1].explain(diag.Summary)
	}
}

var (
	// foreignPlace is how the HCL library tells another place in the file.
	foreignPlace = regexp.MustCompile(` at \S.*:(\d+),\d+-(?:\d+,)?\d+`)
	// bareDuration is a duration that lacks its quotes.
	bareDuration = regexp.MustCompile(`=\s*(\d+(?:ms|s|m|h))\b`)
	// noEquals is an argument that lacks its "=", or has a ":" for it.
	noEquals = regexp.MustCompile(`^\s*(\w+)\s*[: ]\s*("[^"]*"|\d+)\s*$`)
)

// explain finds better words for the syntax errors that are easiest to make.
// The library can only say what its grammar expected next; the line shows what
// somebody coming from another format meant. summary is what the library calls
// the error; one that it calls otherwise some day keeps its own words.
func (d *Diagnostic) explain(summary string) {
	if m := bareDuration.FindStringSubmatch(d.line); m != nil {
		d.Message, d.Hint = m[1]+": a duration goes in quotes", "write "+strconv.Quote(m[1])
		return
	}
	if m := noEquals.FindStringSubmatch(d.line); m != nil {
		d.Message, d.Hint = m[1]+` lacks the "=" in front of its value`, "write "+m[1]+" = "+m[2]
		return
	}
	switch summary {
	case "Invalid multi-line string":
		d.Message, d.Hint = "the closing quote is missing", `write a " where the text ends`
	case "Unclosed configuration block":
		d.Message, d.Hint = "this block is not closed", "write the } that it lacks; if it seems to have one, a block within it took that"
	case "Invalid expression":
		d.Message, d.Hint = "a value is missing or can't be understood", `write one such as "text", 10 or ["one", "two"]`
	}
}

// lowerFirst makes the start of a sentence go on after a colon.
func lowerFirst(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[size:]
}
