package http1

import "math"

// ChunkDecoder reads a body in the chunked coding (RFC 9112 §7.1). The zero
// value is ready for one; Reset makes it ready for the next.
//
// A caller picks one of two methods for a body and calls it, with what is left
// unused in front, until Done. Decode gives the data; Relay gives what may be
// sent on as it is. Either way the last chunk and the trailers are left to the
// caller, for [AppendLastChunk]. Bytes that make no whole element yet are left
// unused, unless they are data; there are never more of them than a Limits.Head.
type ChunkDecoder struct {
	// Trailer has, once Done, the trailers that may go further: those whose
	// names have no meaning for framing, routing, authentication or the like
	// (RFC 9110 §6.5.1). The others were dropped.
	Trailer Header

	at     chunkPlace
	left   int64 // data to come in this chunk
	excess int   // by how much extensions have outgrown the data
	scan   cursor
}

// chunkPlace is what comes next.
type chunkPlace uint8

const (
	atSize    chunkPlace = iota // the line with the size of a chunk
	atSizeEnd                   // the CRLF of that line, behind an extension that Relay cut out
	atData
	atDataEnd // the CRLF behind the data
	atTrailers
	atEnd
)

// Done reports whether the body is over. What follows belongs to another
// message.
func (d *ChunkDecoder) Done() bool { return d.at == atEnd }

// Reset makes the decoder ready for another body. It keeps the memory for
// trailers.
func (d *ChunkDecoder) Reset() { *d = ChunkDecoder{Trailer: d.Trailer[:0]} }

// Decode uses up the first n bytes of b. Those that are data it returns, as far
// as they lie in one piece; data may be empty when n is not 0. When n is 0 and
// there is no error, more must arrive. An error is an [*Error].
func (d *ChunkDecoder) Decode(b []byte, l *Limits) (data []byte, n int, err error) {
	for err == nil {
		k := 0
		switch d.at {
		case atData:
			if data != nil {
				return data, n, nil
			}
			if k = d.take(len(b) - n); k > 0 {
				data = b[n : n+k]
			}
		case atSize:
			_, k, err = d.size(b[n:], l)
		default:
			k, err = d.rest(b[n:], l)
		}
		if k == 0 {
			break
		}
		n += k
	}
	return data, n, err
}

// Relay uses up the first n bytes of b and returns those in front that may be
// sent on as they are: whole chunks or parts of one, checked, and without
// extensions, which are for us alone (RFC 9112 §7.1.1). When n is 0 and there is
// no error, more must arrive. An error is an [*Error].
func (d *ChunkDecoder) Relay(b []byte, l *Limits) (wire []byte, n int, err error) {
	for {
		var k, digits int
		switch d.at {
		case atData:
			k = d.take(len(b) - n)
		case atSize:
			digits, k, err = d.size(b[n:], l)
			extended := k > digits+len(crlf)
			switch {
			case d.at == atTrailers: // the last chunk is the caller's to write
				wire, n = b[:n], n+k
				k, err = d.rest(b[n:], l)
				return wire, n + k, err
			case extended:
				d.at = atSizeEnd
				return b[:n+digits], n + k - len(crlf), nil
			}
		default:
			k, err = d.rest(b[n:], l)
			if d.at == atEnd {
				return b[:n], n + k, nil
			}
		}
		if k == 0 {
			return b[:n], n, err
		}
		n += k
	}
}

// take uses up to n bytes of data.
func (d *ChunkDecoder) take(n int) int {
	if int64(n) >= d.left {
		n = int(d.left)
		d.at = atDataEnd
	}
	d.left -= int64(n)
	return n
}

// size reads: chunk-size [ chunk-ext ] CRLF. It returns of how many digits and
// of how many bytes in all, 0 while they are not there.
func (d *ChunkDecoder) size(b []byte, l *Limits) (digits, n int, err error) {
	const maxDigits = 16
	var size uint64
	for digits < len(b) && hexValue[b[digits]] != notHex {
		if digits == maxDigits {
			return 0, 0, errChunkHuge
		}
		size = size<<4 | uint64(hexValue[b[digits]])
		digits++
	}
	switch behind := b[digits:]; {
	case len(behind) == 0:
		return 0, 0, nil
	case digits == 0:
		return 0, 0, errChunkSize
	case size > math.MaxInt64:
		return 0, 0, errChunkHuge
	case behind[0] == '\r' || behind[0] == '\n':
		n, err = lineEnd(behind, errLineEnd)
		if n == 0 {
			return 0, 0, err
		}
		n += digits
	case behind[0] == ';':
		if n, err = d.extended(b, digits, l); n == 0 {
			return 0, 0, err
		}
	default:
		// Whitespace, too: §7.1.1 would have it parsed before an extension, but
		// behind a size parsers have never agreed about it.
		return 0, 0, errChunkSize
	}
	d.excess = max(0, d.excess-int(min(size, math.MaxInt32)))
	if d.left, d.at = int64(size), atData; size == 0 {
		d.at = atTrailers
	}
	return digits, n, nil
}

// extended reads a line with chunk extensions, and returns its length.
func (d *ChunkDecoder) extended(b []byte, digits int, l *Limits) (n int, err error) {
	limit := digits + l.Extensions - d.excess + len(crlf)
	line, err := d.scan.next(b, limit, errExtensions)
	if line != nil && !validExtensions(line[digits:]) {
		err = errExtension
	}
	if n, err = d.scan.end(line != nil, err); n > 0 {
		d.excess += len(line) - digits
	}
	return n, err
}

// rest reads what is neither size nor data, and returns its length, 0 while it
// is not all there.
func (d *ChunkDecoder) rest(b []byte, l *Limits) (n int, err error) {
	switch d.at {
	case atSizeEnd:
		if n, err = lineEnd(b, errLineEnd); n > 0 {
			d.at = atData
		}
	case atDataEnd:
		if n, err = lineEnd(b, errChunkEnd); n > 0 {
			d.at = atSize
		}
	case atTrailers:
		if n, err = d.trailers(b, l); n > 0 {
			d.at = atEnd
		}
	}
	return n, err
}

// trailers reads the trailer section (RFC 9112 §7.1.2).
func (d *ChunkDecoder) trailers(b []byte, l *Limits) (n int, err error) {
	resumed := d.scan.resumed()
	if !resumed {
		d.Trailer = d.Trailer[:0]
	}
	var done bool
	d.Trailer, done, err = d.scan.section(d.Trailer, b, l)
	if done && resumed { // as in Request.Parse
		d.scan = cursor{}
		d.Trailer, done, err = d.scan.section(d.Trailer[:0], b, l)
	}
	if n, err = d.scan.end(done, err); n > 0 {
		d.Trailer = harmless(d.Trailer)
	}
	return n, err
}

// harmless drops the fields that can't be trailers, in place. Every known name
// is one that means something before the body (RFC 9110 §6.5.1), and so is its
// alias to a backend that makes variables of names.
func harmless(h Header) Header {
	kept := h[:0]
	for _, f := range h {
		if f.ID == Other {
			kept = append(kept, f)
		}
	}
	return kept
}

// lineEnd returns the length of the CRLF in front of b, 0 while it may still
// come. What is another byte is refused.
func lineEnd(b []byte, other *Error) (n int, err error) {
	switch {
	case len(b) > 0 && b[0] != '\r', len(b) > 1 && b[1] != '\n':
		return 0, other
	case len(b) < len(crlf):
		return 0, nil
	default:
		return len(crlf), nil
	}
}

// validExtensions takes *( BWS ";" BWS name [ BWS "=" BWS value ] ) (RFC 9112
// §7.1.1). Parsers that skip what they don't understand have been led to end the
// line in different places.
func validExtensions(b []byte) bool {
	for len(b) > 0 {
		if b = skipBlanks(b); len(b) == 0 || b[0] != ';' {
			return false
		}
		b = skipBlanks(b[1:])
		name := tokenLength(b)
		if name == 0 {
			return false
		}
		b = b[name:]
		behind := skipBlanks(b)
		if len(behind) == 0 || behind[0] != '=' {
			continue
		}
		b = skipBlanks(behind[1:])
		value := max(tokenLength(b), quotedLength(b))
		if value == 0 {
			return false
		}
		b = b[value:]
	}
	return true
}

func skipBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	return b
}

// tokenLength returns how many bytes in front of b are tchar.
func tokenLength(b []byte) int {
	n := 0
	for n < len(b) && fold[b[n]] != 0 {
		n++
	}
	return n
}

// quotedLength returns the length of the quoted-string in front of b (RFC 9110
// §5.6.4), 0 where there is none.
func quotedLength(b []byte) int {
	if len(b) == 0 || b[0] != '"' {
		return 0
	}
	for n := 1; n < len(b); n++ {
		switch {
		case b[n] == '"':
			return n + 1
		case b[n] == '\\':
			if n++; n == len(b) || !text[b[n]] {
				return 0
			}
		case !text[b[n]]:
			return 0
		}
	}
	return 0
}
