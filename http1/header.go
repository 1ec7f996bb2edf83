package http1

import (
	"iter"
	"strings"
)

// Field is one header field. Names compare without regard to case (RFC 9110
// §5.1).
type Field struct {
	Name, Value string
	// ID is what Name is known as. Parsing sets it; a field made by hand may
	// leave it out.
	ID ID
}

// Is reports whether the field has the given name.
func (f Field) Is(name string) bool { return equalFold(f.Name, name) }

// Header is a list of fields in the order of the message.
type Header []Field

// Get returns the value of the first field of that name, "" where there is
// none.
func (h Header) Get(name string) string {
	for _, f := range h {
		if f.Is(name) {
			return f.Value
		}
	}
	return ""
}

// Tokens yields the members of the comma-separated list that all fields of
// that name make up (RFC 9110 §5.6.1), without empty ones.
func (h Header) Tokens(name string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, f := range h {
			if !f.Is(name) {
				continue
			}
			for token, rest := member(f.Value); token != ""; token, rest = member(rest) {
				if !yield(token) {
					return
				}
			}
		}
	}
}

// HasToken reports whether the list that fields of that name make up has the
// given member, without regard to case.
func (h Header) HasToken(name, token string) bool {
	for t := range h.Tokens(name) {
		if equalFold(t, token) {
			return true
		}
	}
	return false
}

// member returns the first member of a comma-separated list that is not empty,
// and the rest of the list. "" is the end (RFC 9110 §5.6.1.2).
func member(list string) (first, rest string) {
	for list != "" {
		first, list, _ = strings.Cut(list, ",")
		if first = trim(first); first != "" {
			return first, list
		}
	}
	return "", ""
}
