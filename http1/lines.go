package http1

import "bytes"

// cursor remembers how far the lines of a head have been read, so that bytes
// that arrive one by one are looked at once. Positions count from the first
// byte of the head. The zero cursor stands at the beginning.
type cursor struct {
	line    int // where the first line begins that has not been read
	scanned int // there is no line end between line and here
	fields  int // where the fields begin; 0 before that is known
}

// resumed reports whether an earlier call has looked at some of the bytes.
func (c *cursor) resumed() bool { return c.scanned > 0 }

// next returns the next line without its CRLF, nil while it is not all there.
// A line that does not end before the limit, a position, is refused with over.
func (c *cursor) next(b []byte, limit int, over *Error) ([]byte, error) {
	in := b[:min(len(b), limit)]
	i := bytes.IndexByte(in[c.scanned:], '\n')
	if i < 0 {
		if len(in) == limit {
			return nil, over
		}
		c.scanned = len(in)
		return nil, nil
	}
	end := c.scanned + i
	// RFC 9112 §2.2 allows to take LF alone for a line end. Where one parser
	// does and another does not, a field's value can hold another field.
	if end == c.line || in[end-1] != '\r' {
		return nil, errLineEnd
	}
	line := in[c.line : end-1]
	c.line, c.scanned = end+1, end+1
	return line, nil
}

// end returns what a parser answers, and goes back to the beginning when it has
// a verdict.
func (c *cursor) end(done bool, verdict error) (n int, err error) {
	if !done && verdict == nil {
		return 0, nil
	}
	n = c.line
	*c = cursor{}
	if verdict != nil {
		return 0, verdict
	}
	return n, nil
}

// section reads fields behind those in h, up to the empty line that ends them
// (RFC 9112 §5).
func (c *cursor) section(h Header, b []byte, l *Limits) (_ Header, done bool, err error) {
	for {
		line, err := c.next(b, c.fields+l.Header, errFieldBytes)
		if line == nil {
			return h, false, err
		}
		if len(line) == 0 {
			return h, true, nil
		}
		if len(h) == l.Fields {
			return h, false, errFieldCount
		}
		h = h.grow()
		if err := h[len(h)-1].read(line); err != nil {
			return h[:len(h)-1], false, err
		}
	}
}

// grow adds a field whose content is whatever was there before.
func (h Header) grow() Header {
	if len(h) < cap(h) {
		return h[:len(h)+1]
	}
	return append(h, Field{})
}

// read sets f from a line that is not empty: field-name ":" OWS field-value OWS
// (RFC 9112 §5).
func (f *Field) read(line []byte) error {
	n := 0
	for n < len(line) && fold[line[n]] != 0 {
		n++
	}
	if n == 0 || n == len(line) || line[n] != ':' {
		return nameError(line, n)
	}
	value := trim(line[n+1:])
	if !isText(value) {
		return errValue
	}
	f.Name, f.Value = view(line[:n]), view(value)
	f.ID = Lookup(f.Name)
	// Not every parser takes a tab for whitespace, and one that does not would
	// frame the message in another way.
	if (f.ID == TransferEncoding || f.ID == ContentLength) && bytes.IndexByte(line, '\t') >= 0 {
		return errValue
	}
	return nil
}

// nameError says why the first n bytes of a line are no name with a colon.
func nameError(line []byte, n int) *Error {
	switch {
	case n == 0 && isBlank(line[0]):
		return errFold
	case n < len(line) && isBlank(line[n]):
		return errNameSpace
	default:
		return errName
	}
}
