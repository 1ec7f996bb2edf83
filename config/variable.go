package config

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// There are no variables in a file, but other programs have some, and write
// those of the environment in many ways. Each is told how it is done here.

var (
	// variableName is how variables of the environment are named, and hardly
	// anything else is.
	variableName = regexp.MustCompile(`^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+$`)
	// shellVariable is one as a shell has it.
	shellVariable = regexp.MustCompile(`\$([A-Z_][A-Z0-9_]*)`)
)

// variable reports a word that HCL takes for a variable.
func (d *decoder) variable(expr *hclsyntax.ScopeTraversalExpr) {
	var path []string
	for _, step := range expr.Traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			path = append(path, step.Name)
		case hcl.TraverseAttr:
			path = append(path, step.Name)
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				path = append(path, step.Key.AsString())
			}
		}
	}
	word, last := strings.Join(path, "."), path[len(path)-1]
	at := expr.Range()
	named := len(path) == 2 && (path[0] == "env" || path[0] == "var" || path[0] == "local")
	switch {
	case named, variableName.MatchString(word), d.inTemplate(at):
		d.report(at, "write "+d.call(last), "%s: there are no variables but those of the environment", word)
	default:
		d.report(at, "write "+strconv.Quote(word), "%s: text goes in quotes", word)
	}
}

// inTemplate reports whether an expression stands within "${…}", where text
// would need no quotes.
func (d *decoder) inTemplate(at hcl.Range) bool {
	if d.isJSON {
		return true // there are no other expressions
	}
	start := min(at.Start.Byte, len(d.src))
	return strings.HasSuffix(strings.TrimRight(string(d.src[:start]), " ~"), "${")
}

// call is how the value of an environment variable is written.
func (d *decoder) call(name string) string {
	call := "env(" + strconv.Quote(name) + ")"
	if d.isJSON {
		return strconv.Quote("${" + call + "}")
	}
	return call
}

// startsAsVariable reports whether a string begins with a variable as a shell
// has it. Nothing does that is written into a configuration, but further on
// in a text "$" may be meant.
func startsAsVariable(v cty.Value) bool {
	if v.Type() != cty.String {
		return false
	}
	m := shellVariable.FindStringIndex(v.AsString())
	return m != nil && m[0] == 0
}

// shellVariable reports a string that the file has with a "$NAME" in it, and
// whether it is such a string. One that a function gave is none.
func (d *decoder) shellVariable(at hcl.Range, f field, s *section) bool {
	if !at.CanSliceBytes(d.src) {
		return false
	}
	source := string(at.SliceBytes(d.src))
	text, err := strconv.Unquote(source)
	m := shellVariable.FindStringSubmatchIndex(text)
	if err != nil || m == nil {
		return false
	}
	name := text[m[2]:m[3]]
	instead := d.call(name)
	if whole := m[0] == 0 && m[1] == len(text); !whole {
		// Within text, the function goes in a template.
		instead = text[:m[0]] + `${env("` + name + `")}` + text[m[1]:]
		if d.isJSON {
			instead = strconv.Quote(instead)
		} else {
			instead = `"` + instead + `"`
		}
	}
	s.bad[f.name] = true
	d.report(at, "write "+instead, "%s%s: $%s does not stand for a variable here", f.name, s.of(), name)
	return true
}
