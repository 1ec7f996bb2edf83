package http1

import (
	"math"
	"strings"
)

// frameRequest finds the end of a request's body (RFC 9112 §6.3).
func (h *Head) frameRequest(n *notes) error {
	switch {
	case n.codings > 0:
		return h.frameCoded(n)
	case n.lengths > 1:
		// §6.3 allows to take equal ones for one. A client has no reason to
		// send two but to have them read differently.
		return errLengths
	case n.lengths == 1:
		return h.frameSized(n)
	default:
		return nil // §6.3, case 7: no body
	}
}

// frameResponse finds the end of the body of a response to a request with the
// given method (RFC 9112 §6.3).
func (h *Head) frameResponse(n *notes, method string, status int) error {
	if n.codings > 0 {
		if err := h.frameCoded(n); err != nil {
			return err
		}
	} else if n.lengths > 0 {
		// Equal ones are one: there are servers that send theirs beside that of
		// the program they run.
		if n.differ {
			return errLengths
		}
		if err := h.frameSized(n); err != nil {
			return err
		}
	}
	switch {
	case method == "CONNECT" && status/100 == 2:
		h.Framing, h.Length = UntilClose, -1 // §6.3, case 2: a tunnel
	case status == 204 || status < 200:
		// §6.3, case 1. Neither may announce a body (RFC 9110 §8.6, RFC 9112
		// §6.1): who does may also send it, and then the next response would
		// not begin where we look for it.
		if h.Framing == Chunked || h.Length > 0 {
			h.KeepAlive = false
		}
		h.Framing, h.Length = NoBody, 0
	case method == "HEAD" || status == 304:
		h.Framing, h.Length = NoBody, 0 // §6.3, case 1: as in the answer to GET
	case h.Framing == NoBody:
		h.Framing, h.Length = UntilClose, -1 // §6.3, case 8
	}
	if h.Framing == UntilClose || status == 101 {
		h.KeepAlive = false
	}
	return nil
}

// frameCoded judges a message with Transfer-Encoding. The only coding we know
// is chunked.
func (h *Head) frameCoded(n *notes) error {
	switch {
	case h.Minor == 0:
		return errCoding10 // §6.1: faulty framing, even with a Content-Length
	case n.lengths > 0:
		return errBoth // §6.1 allows to drop Content-Length; see §11.2
	case n.codings > 1 || !equalFold(n.coding, "chunked"):
		return codingError(n)
	}
	h.Framing, h.Length = Chunked, -1
	return h.announced()
}

// codingError says why codings are not just "chunked" (RFC 9112 §6.1, §6.3).
func codingError(n *notes) *Error {
	if n.codings > 1 {
		return errCodingFields
	}
	chunked, last := 0, false
	for rest, more := n.coding, true; more; {
		var coding string
		coding, rest, more = strings.Cut(rest, ",")
		if coding = trim(coding); !isToken(coding) {
			return errCodings // empty, or with parameters, which chunked has not (§7.1)
		}
		if last = equalFold(coding, "chunked"); last {
			chunked++
		}
	}
	if chunked > 1 || chunked == 1 && !last {
		return errChunkedLast
	}
	return errCoding
}

// announced refuses a Trailer field that names fields of framing, which can't
// be trailers (RFC 9110 §6.5.1).
func (h *Head) announced() error {
	if !h.Present.Has(Trailer) {
		return nil
	}
	for _, f := range h.Header {
		if f.ID != Trailer {
			continue
		}
		for name, rest := member(f.Value); name != ""; name, rest = member(rest) {
			switch Lookup(name) {
			case ContentLength, TransferEncoding, Trailer:
				return errTrailerNames
			}
		}
	}
	return nil
}

func (h *Head) frameSized(n *notes) error {
	length, ok := contentLength(n.length)
	if !ok {
		return errLength
	}
	h.Framing, h.Length = Sized, length
	return nil
}

// contentLength reads 1*DIGIT (RFC 9110 §8.6). It takes no leading zeros, which
// may mean octal to somebody, and nothing that an int64 does not hold.
func contentLength(s string) (n int64, ok bool) {
	if s == "" || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	for i := range len(s) {
		digit := int64(s[i]) - '0'
		if !isDigit(s[i]) || n > (math.MaxInt64-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
	}
	return n, true
}
