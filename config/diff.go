package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// A Change is one way in which two configurations differ.
type Change struct {
	// Block is how the block begins that differs, or the name of an argument that
	// stands in none.
	Block string
	// How is what became of it.
	How How
	// Arguments are those that differ in a block that changed, as in
	// "health_check.interval".
	Arguments []string
}

// How is what became of a block.
type How string

// What may become of a block.
const (
	Added   How = "added"
	Removed How = "removed"
	Changed How = "changed"
)

// String returns the change in words.
func (c Change) String() string {
	s := c.Block + " " + string(c.How)
	if len(c.Arguments) > 0 {
		s += ": " + strings.Join(c.Arguments, ", ")
	}
	return s
}

// Diff tells how after differs from before. A block with another name is another
// block; the order of blocks makes no difference.
func Diff(before, after *Config) []Change {
	var changes []Change
	a, b := reflect.ValueOf(*before), reflect.ValueOf(*after)
	for i := range a.NumField() {
		if a.Field(i).Kind() != reflect.Slice { // those follow
			changes = append(changes, diffBlock(snake(a.Type().Field(i).Name), a.Field(i), b.Field(i))...)
		}
	}
	changes = append(changes, diffBlocks(before.Listens, after.Listens)...)
	changes = append(changes, diffBlocks(before.Services, after.Services)...)
	return append(changes, diffBlocks(before.Routes, after.Routes)...)
}

func (l Listen) title() string  { return fmt.Sprintf("listen %q", l.Name) }
func (s Service) title() string { return fmt.Sprintf("service %q", s.Name) }
func (r Route) title() string   { return fmt.Sprintf("route %q", r.Host+r.PathPrefix) }

// diffBlocks compares blocks of which there may be many, by their titles.
func diffBlocks[T interface{ title() string }](before, after []T) []Change {
	var changes []Change
	place := func(in []T, b T) int {
		return slices.IndexFunc(in, func(o T) bool { return o.title() == b.title() })
	}
	for _, b := range before {
		if place(after, b) < 0 {
			changes = append(changes, Change{Block: b.title(), How: Removed})
		}
	}
	for _, b := range after {
		if i := place(before, b); i < 0 {
			changes = append(changes, Change{Block: b.title(), How: Added})
		} else {
			changes = append(changes, diffBlock(b.title(), reflect.ValueOf(before[i]), reflect.ValueOf(b))...)
		}
	}
	return changes
}

// diffBlock compares a block that there is once, which may be a pointer to it,
// or an argument that stands in no block.
func diffBlock(title string, before, after reflect.Value) []Change {
	switch {
	case reflect.DeepEqual(before.Interface(), after.Interface()):
		return nil
	case before.Kind() == reflect.Pointer && before.IsNil():
		return []Change{{Block: title, How: Added}}
	case after.Kind() == reflect.Pointer && after.IsNil():
		return []Change{{Block: title, How: Removed}}
	}
	return []Change{{Block: title, How: Changed, Arguments: differing("", before, after)}}
}

// differing returns the arguments that differ, those of blocks within with the
// name of the block in front. What is not a block has none.
func differing(block string, before, after reflect.Value) []string {
	if before.Kind() == reflect.Pointer && !before.IsNil() && !after.IsNil() {
		before, after = before.Elem(), after.Elem()
	}
	if before.Kind() != reflect.Struct {
		return nil
	}
	var names []string
	for i := range before.NumField() {
		b, a := before.Field(i), after.Field(i)
		if reflect.DeepEqual(b.Interface(), a.Interface()) {
			continue
		}
		name := block + snake(before.Type().Field(i).Name)
		if within := differing(name+".", b, a); within != nil {
			names = append(names, within...)
		} else {
			names = append(names, name)
		}
	}
	return names
}

// snake returns the name of a field as files have it: read_timeout for
// ReadTimeout, urls for URLs.
func snake(name string) string {
	var out []rune
	last := ' '
	for _, r := range name {
		if unicode.IsUpper(r) && unicode.IsLower(last) {
			out = append(out, '_')
		}
		out = append(out, unicode.ToLower(r))
		last = r
	}
	return string(out)
}
