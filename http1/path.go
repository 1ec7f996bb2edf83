package http1

import "strings"

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
func NormalPath(path string) (string, error) {
	if path == "" || path[0] != '/' || isNormal(path) {
		return path, nil
	}
	b, err := respell(path)
	if err != nil {
		return "", err
	}
	return view(resolve(b)), nil
}

// isNormal reports whether a path is its own normal form.
func isNormal(p string) bool {
	for i := 0; i < len(p); i++ {
		switch pathClass[p[i]] {
		case pathPlain, pathSemicolon:
		case pathSlash:
			rest := p[i+1:]
			if rest != "" && rest[0] == '/' || dotSegment(rest) > 0 {
				return false
			}
		case pathPercent:
			if !isNormalEscape(p[i:]) {
				return false
			}
		default:
			return false
		}
	}
	return true
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
func resolve(b []byte) []byte {
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
		case "", ".":
		case "..":
			out = out[:max(0, strings.LastIndexByte(view(out), '/'))]
		default:
			out = append(append(out, '/'), segment...)
			continue
		}
		if last {
			out = append(out, '/') // what it names is a folder
		}
	}
	return out
}
