package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// argument evaluates an argument and stores its value.
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
		d.wrongType(whole, f, s, "a list of strings", list, fmt.Sprintf("write %s = [%s]", f.name, d.quoted(whole, "")))
		return
	}
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
}

// store stores one value, if it has the right type and nothing else is wrong
// with it.
func (d *decoder) store(at hcl.Range, f field, s *section, value cty.Value) {
	switch {
	case f.typ == typeNumber:
		// env and file give text only.
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
		d.wrongType(at, f, s, what, value, "write "+d.quoted(at, unit))
		return
	}
	if err := f.set(value); err != nil {
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
	if !t.IsPrimitiveType() || got.IsNull() {
		hint = "" // there is no way to quote it
	}
	d.report(at, hint, "%s%s must be %s, not %s", f.name, s.of(), want, is)
}

// quoted is what stands at that place, with the unit, in quotes.
func (d *decoder) quoted(at hcl.Range, unit string) string {
	source := string(at.SliceBytes(d.src))
	if strings.HasPrefix(source, `"`) {
		return source
	}
	return strconv.Quote(source + unit)
}
