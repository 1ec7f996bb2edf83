package http1

// Error says why a message was refused. The values are the package's own and
// must not be changed.
type Error struct {
	// Status answers a request: 400, 414, 431, 501 or 505. A response with an
	// error is a 502, whatever Status says. The connection can't be used for
	// another message, since nobody knows where that would begin.
	Status int
	// Reason says in a few words what is wrong.
	Reason string
	// Section is where the rule stands, such as "RFC 9112 §5.1".
	Section string
}

// Error returns the reason with its section.
func (e *Error) Error() string { return e.Reason + " (" + e.Section + ")" }

// What any line may have wrong.
var (
	errLineEnd = &Error{400, "a line does not end in CRLF", "RFC 9112 §2.2"}
	errBlank   = &Error{400, "more than one empty line before the request", "RFC 9112 §2.2"}
)

// What a request line may have wrong.
var (
	errMethod      = &Error{400, "malformed method", "RFC 9112 §3.1"}
	errMethodLong  = &Error{400, "method too long", "RFC 9112 §3"}
	errRequestLine = &Error{400, "malformed request line", "RFC 9112 §3"}
	errRequestLong = &Error{414, "request line too long", "RFC 9112 §3"}
	errVersion     = &Error{400, "malformed version", "RFC 9112 §2.3"}
	errUnsupported = &Error{505, "version not supported", "RFC 9110 §15.6.6"}
	errTarget      = &Error{400, "malformed target", "RFC 9112 §3.2"}
	errEscape      = &Error{400, "malformed percent-encoding", "RFC 3986 §2.1"}
	errAbsolute    = &Error{400, "malformed target in absolute-form", "RFC 9112 §3.2.2"}
	errAuthority   = &Error{400, "malformed target in authority-form", "RFC 9112 §3.2.3"}
	errAsterisk    = &Error{400, "asterisk-form without OPTIONS", "RFC 9112 §3.2.4"}
)

// What fields may have wrong.
var (
	errFold       = &Error{400, "line folding", "RFC 9112 §5.2"}
	errNameSpace  = &Error{400, "space before the colon of a field", "RFC 9112 §5.1"}
	errName       = &Error{400, "malformed field name", "RFC 9112 §5"}
	errValue      = &Error{400, "malformed field value", "RFC 9110 §5.5"}
	errFieldBytes = &Error{431, "header too long", "RFC 6585 §5"}
	errFieldCount = &Error{431, "too many fields", "RFC 6585 §5"}
	errNoHost     = &Error{400, "no Host", "RFC 9112 §3.2"}
	errHosts      = &Error{400, "more than one Host", "RFC 9112 §3.2"}
	errHost       = &Error{400, "malformed Host", "RFC 9112 §3.2"}
)

// What framing may have wrong.
var (
	errLength       = &Error{400, "malformed Content-Length", "RFC 9112 §6.3"}
	errLengths      = &Error{400, "more than one Content-Length", "RFC 9112 §6.3"}
	errBoth         = &Error{400, "Transfer-Encoding and Content-Length", "RFC 9112 §6.1"}
	errCoding10     = &Error{400, "Transfer-Encoding in HTTP/1.0", "RFC 9112 §6.1"}
	errCodings      = &Error{400, "malformed Transfer-Encoding", "RFC 9112 §6.1"}
	errCodingFields = &Error{400, "more than one Transfer-Encoding", "RFC 9112 §6.1"}
	errChunkedLast  = &Error{400, "chunked is not the last transfer coding, once", "RFC 9112 §6.3"}
	errCoding       = &Error{501, "transfer coding not supported", "RFC 9112 §6.1"}
	errTrailerNames = &Error{400, "Trailer announces framing", "RFC 9110 §6.5.1"}
)

// What a status line may have wrong.
var (
	errStatusLine = &Error{400, "malformed status line", "RFC 9112 §4"}
	errStatusLong = &Error{400, "status line too long", "RFC 9112 §4"}
)

// What the chunked coding may have wrong.
var (
	errChunkSize  = &Error{400, "malformed chunk size", "RFC 9112 §7.1"}
	errChunkHuge  = &Error{400, "chunk size too large", "RFC 9112 §7.1"}
	errChunkEnd   = &Error{400, "no CRLF after the data of a chunk", "RFC 9112 §7.1"}
	errExtension  = &Error{400, "malformed chunk extension", "RFC 9112 §7.1.1"}
	errExtensions = &Error{400, "chunk extensions too long", "RFC 9112 §7.1.1"}
)

var errPathNUL = &Error{400, "NUL in the path", "RFC 3986 §7.3"}
