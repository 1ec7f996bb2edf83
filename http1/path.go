package http1

import "strings"

// PathTraits tell what in a path servers read in different ways.
type PathTraits uint8

const (
	// DotSegments are "." and ".." between slashes. They have been resolved.
	DotSegments PathTraits = 1 << iota
	// EmptySegments are slashes behind slashes. They have been merged.
	EmptySegments
	// EncodedSlash is %2F, %5C or a backslash. It stays, encoded, in its
	// segment; others may see two segments there.
	EncodedSlash
	// Parameters begin with ";" or %3B. They stay as they are; others may take
	// them out before they look at the path.
	Parameters
	// HiddenDots are dot segments to those who see an encoded slash as a slash
	// or take out parameters, such as "..;" and "..%2F". What such a path is to
	// the next server nobody knows.
	HiddenDots
)

// Classes of bytes in a path.
const (
	pathOther     = iota // must be encoded
	pathPlain            // stands for itself, encoded or not
	pathSlash            // ends a segment
	pathSemicolon        // begins a parameter
	pathPercent          // begins an escape
)

// pathClass has what a segment may hold (pchar, RFC 3986 §3.3).
var pathClass = func() (t [256]byte) {
	for c := range t {
		if c := byte(c); isAlpha(c) || isDigit(c) {
			t[c] = pathPlain
		}
	}
	for _, c := range []byte("-._~!$&'()*+,=:@") {
		t[c] = pathPlain
	}
	t['/'], t[';'], t['%'] = pathSlash, pathSemicolon, pathPercent
	return t
}()

// NormalPath returns the one spelling that stands for all spellings of a path
// that servers take for the same (RFC 3986 §6.2.2): escapes are decoded where
// that changes nothing and in upper case where they stay, other bytes that no
// path may have are encoded, slashes are merged, and then dot segments are
// resolved. It is a path for the wire, so that what is routed on can be what is
// forwarded, and it is its own normal form.
//
// The path must begin with a slash; "*" and the like come back as they are. One
// that is normal is returned itself. NUL, encoded or not, and malformed escapes
// are an [*Error].
func NormalPath(path string) (normal string, traits PathTraits, err error) {
	if path == "" || path[0] != '/' {
		return path, 0, nil
	}
	ok, special := isNormal(path)
	if ok {
		if special {
			traits = examine(path)
		}
		return path, traits, nil
	}
	b, err := respell(path)
	if err != nil {
		return "", 0, err
	}
	// Before ".." takes segments away: others may not take away the same.
	traits = examine(view(b))
	b, resolved := resolve(b)
	return view(b), traits | resolved, nil
}

// isNormal reports whether a path is its own normal form, and whether there is
// anything special about it.
func isNormal(p string) (ok, special bool) {
	for i := 0; i < len(p); i++ {
		switch pathClass[p[i]] {
		case pathPlain:
		case pathSlash:
			rest := p[i+1:]
			if rest != "" && rest[0] == '/' || dotSegment(rest) > 0 {
				return false, false
			}
		case pathSemicolon:
			special = true
		case pathPercent:
			if !isNormalEscape(p[i:]) {
				return false, false
			}
			special = true
		default:
			return false, false
		}
	}
	return true, special
}

// dotSegment returns the length of the dot segment in front of s, 0 where there
// is none.
func dotSegment(s string) int {
	n := 0
	for n < len(s) && n < 3 && s[n] == '.' {
		n++
	}
	if n < 3 && (n == len(s) || s[n] == '/') {
		return n
	}
	return 0
}

// isNormalEscape reports whether s begins with an escape that may stay and is in
// upper case (RFC 3986 §6.2.2.1).
func isNormalEscape(s string) bool {
	if !isEscape(s) || s[1] >= 'a' || s[2] >= 'a' {
		return false
	}
	c := unescape(s)
	return c != 0 && pathClass[c] != pathPlain
}

// unescape returns the byte that the escape in front of s stands for.
func unescape(s string) byte { return hexValue[s[1]]<<4 | hexValue[s[2]] }

// respell decodes and encodes, so that each byte is spelled in one way (RFC 3986
// §6.2.2.2). Servers decode more than the unreserved characters when they look
// for what a path means, so all that can't be mistaken for a delimiter is
// decoded.
func respell(p string) ([]byte, error) {
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(p)+8)
	for i := 0; i < len(p); i++ {
		c, plain := p[i], pathClass[p[i]] != pathOther
		if c == '%' {
			if !isEscape(p[i:]) {
				return nil, errEscape
			}
			c = unescape(p[i:])
			plain = pathClass[c] == pathPlain
			i += 2
		}
		if c == 0 {
			return nil, errPathNUL // §7.3
		}
		if plain {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[c>>4], digits[c&0xf])
		}
	}
	return b, nil
}

// resolve merges slashes and then resolves dot segments, in place. RFC 3986
// §5.2.4 would let ".." take away an empty segment; servers merge first.
func resolve(b []byte) (_ []byte, traits PathTraits) {
	out := b[:0]
	for i := 0; i < len(b); {
		segment := view(b[i+1:])
		end := strings.IndexByte(segment, '/')
		last := end < 0
		if !last {
			segment = segment[:end]
		}
		i += 1 + len(segment)
		switch segment {
		case "":
			if !last {
				traits |= EmptySegments
			}
		case "..":
			out = out[:max(0, strings.LastIndexByte(view(out), '/'))]
			fallthrough
		case ".":
			traits |= DotSegments
		default:
			out = append(append(out, '/'), segment...)
			continue
		}
		if last {
			out = append(out, '/') // what it names is a folder
		}
	}
	return out, traits
}

// examine finds what may mislead in a path where each byte is spelled as in a
// normal one.
func examine(p string) (traits PathTraits) {
	begin := 1    // of what the most suspicious server takes for a segment
	slash := true // and whether it begins there for all
	for i := 1; i <= len(p); i++ {
		separator, width := byte('/'), 1 // the end is one
		if i < len(p) {
			if separator = p[i]; separator == '%' {
				separator, width = unescape(p[i:]), 3
			}
		}
		switch separator {
		case '/', '\\':
			if width == 3 {
				traits |= EncodedSlash
			}
		case ';':
			traits |= Parameters
		default:
			i += width - 1
			continue
		}
		segment, end := p[min(begin, i):i], separator == '/' && width == 1
		if (segment == "." || segment == "..") && !(slash && end) {
			traits |= HiddenDots
		}
		if begin, slash = i+width, end; separator == ';' {
			begin = len(p) // parameters are no segment
		}
		i += width - 1
	}
	return traits
}
