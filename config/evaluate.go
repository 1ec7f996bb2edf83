package config

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// argument evaluates an argument and stores its value.
//
// Types are taken strictly, though HCL could turn most into each other: 30 for
// "30s" and 8080 for ":8080" are mistakes with another meaning, not spellings.
func (d *decoder) argument(a *hcl.Attribute, f field, s *section) {
	value, diags := a.Expr.Value(d.context)
	if value.IsNull() && !diags.HasErrors() {
		return // null is HCL's way to leave an argument out
	}
	s.at[f.name] = a.Expr.Range()
	if diags.HasErrors() {
		d.foreign(diags)
		s.bad[f.name] = true
		return
	}
	if f.typ == typeList {
		d.list(a, f, s, value)
		return
	}
	d.store(a.Expr.Range(), f, s, value)
}

// list stores the elements of a list, each judged where it stands.
func (d *decoder) list(a *hcl.Attribute, f field, s *section, list cty.Value) {
	whole := a.Expr.Range()
	if t := list.Type(); !t.IsTupleType() && !t.IsListType() {
		d.wrongType(whole, f, s, "a list of strings", list, d.listOf(whole, f, list))
		return
	}
	if f.notEmpty && list.LengthInt() == 0 {
		s.bad[f.name] = true
		d.report(whole, "it takes "+f.doc, "%s%s: the list is empty", f.name, s.of())
		return
	}
	// One bad URL in fifty is found faster where it stands.
	places := make([]hcl.Range, list.LengthInt())
	elements, diags := hcl.ExprList(a.Expr)
	for i := range places {
		places[i] = whole // of a list that is not written out
		if !diags.HasErrors() && len(elements) == len(places) {
			places[i] = elements[i].Range()
		}
	}
	f.clear()
	for i, element := range list.AsValueSlice() {
		d.store(places[i], f, s, element)
	}
	if !s.bad[f.name] {
		s.each[f.name] = places
	}
}

// store stores one value, if it has the right type and nothing else is wrong
// with it.
func (d *decoder) store(at hcl.Range, f field, s *section, value cty.Value) {
	switch {
	case f.typ == typeNumber:
		// The exception: env and file give text only.
		number, err := convert.Convert(value, cty.Number)
		if err != nil || number.IsNull() {
			d.wrongType(at, f, s, "a number", value, "")
			return
		}
		value = number
	case value.Type() != cty.String || value.IsNull():
		what, unit := "a string", ""
		if f.typ == typeDuration {
			what, unit = "a duration", "s"
		}
		d.wrongType(at, f, s, what, value, d.quoted(at, unit, f, value))
		return
	}
	err := f.set(value)
	if err != nil || startsAsVariable(value) {
		if d.shellVariable(at, f, s) {
			return
		}
	}
	if err != nil {
		s.bad[f.name] = true
		hint := ""
		if wrong := new(fault); errors.As(err, &wrong) {
			hint = wrong.hint
		}
		d.report(at, hint, "%s%s: %v", f.name, s.of(), err)
	}
}

// wrongType reports a value that is not what is wanted of the field.
func (d *decoder) wrongType(at hcl.Range, f field, s *section, want string, got cty.Value, hint string) {
	s.bad[f.name] = true
	t := got.Type()
	is := "a " + t.FriendlyName()
	switch {
	case got.IsNull():
		is = "null"
	case t.IsTupleType():
		is = "a list"
	case t.IsObjectType():
		is = "an object"
	}
	d.report(at, hint, "%s%s must be %s, not %s", f.name, s.of(), want, is)
}

// quoted is the hint for a number where text belongs: to put it in quotes, with
// its unit, or what else the field asks for. It may spoil what the field is
// bound to, which nobody will see.
func (d *decoder) quoted(at hcl.Range, unit string, f field, got cty.Value) string {
	if got.Type() != cty.Number || !at.CanSliceBytes(d.src) {
		return ""
	}
	text := string(at.SliceBytes(d.src)) + unit
	if wrong := new(fault); errors.As(f.set(cty.StringVal(text)), &wrong) {
		return wrong.hint
	}
	return "write " + strconv.Quote(text)
}

// listOf is the hint to make a list of one string.
func (d *decoder) listOf(at hcl.Range, f field, got cty.Value) string {
	if got.Type() != cty.String || !at.CanSliceBytes(d.src) {
		return ""
	}
	source := at.SliceBytes(d.src)
	if d.isJSON {
		return fmt.Sprintf("write %q: [%s]", f.name, source)
	}
	return fmt.Sprintf("write %s = [%s]", f.name, source)
}
