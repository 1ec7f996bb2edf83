// Package http1 holds the words of HTTP/1.1 that the carriers of requests
// share.
package http1

import (
	"iter"
	"strings"
)

// Field is one header field. Names compare without regard to case (RFC 9110
// §5.1).
type Field struct {
	Name, Value string
}

// Is reports whether the field has the given name.
func (f Field) Is(name string) bool { return strings.EqualFold(f.Name, name) }

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
			for token := range strings.SplitSeq(f.Value, ",") {
				if token = strings.Trim(token, " \t"); token != "" && !yield(token) {
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
		if strings.EqualFold(t, token) {
			return true
		}
	}
	return false
}
