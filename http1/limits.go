package http1

// Limits bound what a message may make us hold. All must be positive; start
// from [DefaultLimits].
type Limits struct {
	// Line bounds a request line or status line, in bytes without its CRLF.
	// RFC 9112 §3 wants 8000 at least.
	Line int
	// Header bounds a field section, in bytes with all line ends, that of the
	// empty line too. It bounds trailers as well.
	Header int
	// Fields bounds how many fields there may be in one section.
	Fields int
	// Extensions bounds by how many bytes the chunk extensions of a body may
	// exceed the data they come with.
	Extensions int
}

// DefaultLimits returns limits that let real traffic through: as generous as
// the common servers behind, so that what they would take arrives.
func DefaultLimits() Limits {
	return Limits{Line: 8 << 10, Header: 32 << 10, Fields: 128, Extensions: 4 << 10}
}

// Head returns how many bytes a head within the limits has at most. A buffer of
// that size never is full without a verdict.
func (l *Limits) Head() int { return len(crlf) + l.Line + len(crlf) + l.Header }

const crlf = "\r\n"
