package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// A body describes what may stand between the braces of a block, or at the top
// level of a file. It is bound to the value that it fills, as a flag.FlagSet
// is to its variables: making one sets the defaults, decoding one overwrites
// them.
type body struct {
	fields []field
	blocks []block
	later  []string // blocks that are known to come
	// elsewhere are names that are looked for here, with the block that has them.
	elsewhere map[string]string
	// instead are names from other programs, with what is written here instead.
	instead map[string]string
	check   func(*decoder, *section) // judges the filled body as a whole; may be nil
}

// A block describes one block in a body. A block of several kinds is described
// once for each kind.
type block struct {
	name string
	form form
	kind string // its label; only with ofKind
	doc  string
	// open begins one occurrence of the block, and tells where its content
	// goes. The section is still without content.
	open func(*section) *body
}

// A form says what stands between a block's name and its brace, and how often
// the block may occur.
type form int

const (
	once   form = iota // no label, one block at most
	named              // a label of the user's choice, unique
	ofKind             // a label out of a few, which decides about the content; one block at most
	many               // no label, any number
)

// labels is the number of labels that a block has.
func (f form) labels() int {
	if f == named || f == ofKind {
		return 1
	}
	return 0
}

// A field describes one argument in a body.
type field struct {
	name     string
	typ      fieldType
	required bool
	notEmpty bool   // for a list
	fallback string // the default as it is written in a file
	doc      string // ends up in the reference, and in some hints
	// clear forgets the default, before the first of a list's elements is set.
	clear func()
	// set stores a value of the right type: for a list, one element.
	set func(cty.Value) error
}

// fieldType is the type of a field, in words.
type fieldType string

const (
	typeString   fieldType = "string"
	typeDuration fieldType = "duration"
	typeNumber   fieldType = "number"
	typeList     fieldType = "list of strings"
)

// A fault is what is wrong with a value, and what to do about it.
type fault struct {
	text, hint string
}

// Error gives what is wrong, without the hint.
func (f *fault) Error() string { return f.text }

// faultf makes a fault; hint may be "".
func faultf(hint, format string, args ...any) error {
	return &fault{text: fmt.Sprintf(format, args...), hint: hint}
}

// A parser checks one string, and gives it back in the form to be stored.
type parser func(string) (string, error)

// The functions below each describe a field of one type, bound to a variable,
// and set its default: name, variable, default, meaning.

// text describes a string that goes to *to, through parse unless that is nil.
func text(name string, to *string, fallback string, parse parser, doc string) field {
	*to = fallback
	return field{name: name, typ: typeString, fallback: strconv.Quote(fallback), doc: doc,
		set: func(v cty.Value) (err error) {
			s := v.AsString()
			if parse != nil {
				s, err = parse(s)
			}
			*to = s
			return err
		}}
}

// list describes a list of strings that goes to *to, each as parse reads it. A
// parser sees what is stored of the elements before.
func list[T any](name string, to *[]T, parse func(string) (T, error), doc string) field {
	return field{name: name, typ: typeList, fallback: "[]", doc: doc,
		clear: func() { *to = nil },
		set: func(v cty.Value) error {
			element, err := parse(v.AsString())
			if err == nil {
				*to = append(*to, element)
			}
			return err
		}}
}

// choice describes a string that is one of a few words.
func choice(name string, to *string, fallback string, words []string, doc string) field {
	return text(name, to, fallback, oneOf(words), doc+": "+alternatives(words))
}

// alternatives writes words as text: "a", "b" or "c".
func alternatives(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = strconv.Quote(w)
	}
	last := len(quoted) - 1
	if last < 1 {
		return strings.Join(quoted, "")
	}
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// duration describes a duration greater than 0.
func duration(name string, to *time.Duration, fallback time.Duration, doc string) field {
	f := durationOrZero(name, to, fallback, doc)
	set := f.set
	f.set = func(v cty.Value) error {
		err := set(v)
		if err == nil && *to == 0 {
			return faultf("", "must be more than 0")
		}
		return err
	}
	return f
}

// durationOrZero describes a duration of 0 or more.
func durationOrZero(name string, to *time.Duration, fallback time.Duration, doc string) field {
	*to = fallback
	return field{name: name, typ: typeDuration, fallback: strconv.Quote(shortDuration(fallback)), doc: doc,
		set: func(v cty.Value) (err error) {
			*to, err = parseDuration(v.AsString())
			return err
		}}
}

// count describes a whole number of at least 1.
func count(name string, to *int, fallback int, doc string) field {
	// Nobody counts further than this, and no int overflows.
	return number(name, to, fallback, 1, 1_000_000, doc)
}

// number describes a whole number between two, both included.
func number(name string, to *int, fallback int, least, most int64, doc string) field {
	*to = fallback
	return field{name: name, typ: typeNumber, fallback: strconv.Itoa(fallback), doc: doc,
		set: func(v cty.Value) error {
			n, exact := v.AsBigFloat().Int64()
			if exact != 0 || n < least || n > most {
				return faultf("", "must be a whole number from %d to %d", least, most)
			}
			*to = int(n)
			return nil
		}}
}

// decimal describes a number from 0 to most.
func decimal(name string, to *float64, fallback, most float64, doc string) field {
	*to = fallback
	return field{name: name, typ: typeNumber, fallback: strconv.FormatFloat(fallback, 'g', -1, 64), doc: doc,
		set: func(v cty.Value) error {
			n, _ := v.AsBigFloat().Float64()
			if n < 0 || n > most {
				return faultf("", "must be a number from 0 to %g", most)
			}
			*to = n
			return nil
		}}
}

// mandatory is f without a default.
func mandatory(f field) field {
	f.required, f.fallback = true, ""
	return f
}

// notEmpty is the list f with at least one element.
func notEmpty(f field) field {
	f.notEmpty = true
	return f
}

// defaultsTo is f with another word for its default than its value.
func (f field) defaultsTo(words string) field {
	f.fallback = words
	return f
}

// kinds lists the blocks of that name: one, or all of its kinds.
func (b *body) kinds(name string) []block {
	var kinds []block
	for _, k := range b.blocks {
		if k.name == name {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// names lists what may stand in the body.
func (b *body) names() []string {
	var names []string
	for _, f := range b.fields {
		names = append(names, f.name)
	}
	for _, k := range b.blocks {
		if !slices.Contains(names, k.name) {
			names = append(names, k.name)
		}
	}
	return names
}

// title is how the block begins.
func (b block) title() string {
	switch b.form {
	case named:
		return b.name + ` "NAME"`
	case ofKind:
		return b.name + " " + strconv.Quote(b.kind)
	default:
		return b.name
	}
}

// shape is what the block is in JSON.
func (b block) shape() string {
	switch b.form {
	case named:
		return "an object of objects by name"
	case ofKind:
		return "an object with the kind in it"
	case many:
		return "an object, or a list of them"
	default:
		return "an object"
	}
}

// example is how the block is written, in HCL or in JSON.
func (b block) example(inJSON bool) string {
	title, label, labelled := strings.Cut(b.title(), " ")
	switch {
	case !inJSON:
		return b.title() + " { … }"
	case labelled:
		return fmt.Sprintf("%q: { %s: { … } }", title, label)
	default:
		return fmt.Sprintf("%q: { … }", title)
	}
}
