package http1

import "encoding/binary"

// fold maps the bytes that a token may have (tchar, RFC 9110 §5.6.2) to the
// form in which names are compared, and all others to 0. An underscore becomes
// a hyphen, since backends that make variables of names can't tell them apart.
var fold = func() (t [256]byte) {
	for c := range t {
		switch c := byte(c); {
		case isAlpha(c):
			t[c] = c | 0x20
		case isDigit(c):
			t[c] = c
		}
	}
	for _, c := range []byte("!#$%&'*+-.^`|~") {
		t[c] = c
	}
	t['_'] = '-'
	return t
}()

// text has the bytes of field values and reason phrases: HTAB, SP, VCHAR and
// obs-text (RFC 9110 §5.5).
var text = func() (t [256]bool) {
	for c := range t {
		t[c] = c == '\t' || c >= ' ' && c != 0x7f
	}
	return t
}()

// hexValue maps hexadecimal digits to their value, and all others to notHex.
var hexValue = func() (t [256]byte) {
	for c := range t {
		switch c := byte(c); {
		case isDigit(c):
			t[c] = c - '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			t[c] = c | 0x20 - 'a' + 10
		default:
			t[c] = notHex
		}
	}
	return t
}()

const notHex = 0xff

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		if fold[s[i]] == 0 {
			return false
		}
	}
	return s != ""
}

// isText reports whether b has bytes of text only. Most of a head is field
// values, so it looks at eight bytes at a time while they hold no control byte.
func isText(b []byte) bool {
	if len(b) < 8 {
		return allText(b)
	}
	last := len(b) - 8
	for i := 0; i < last; i += 8 {
		if !plain(binary.LittleEndian.Uint64(b[i:])) {
			return allText(b[i:])
		}
	}
	return plain(binary.LittleEndian.Uint64(b[last:])) || allText(b[last:])
}

// plain reports whether none of the eight bytes is below SP or is DEL. Taking
// SP away from each byte at once borrows into the highest bit of those below.
func plain(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	del := x ^ ones*0x7f
	return ((x-ones*' ')&^x|(del-ones)&^del)&highs == 0
}

func allText(b []byte) bool {
	for _, c := range b {
		if !text[c] {
			return false
		}
	}
	return true
}

// equalFold compares without regard to the case of ASCII letters. The one in
// strings takes the Kelvin sign for a k, and "chunKed" with it for a coding.
func equalFold(s, t string) bool {
	if len(s) != len(t) {
		return false
	}
	for i := range len(s) {
		if a, b := s[i], t[i]; a != b && (a|0x20 != b|0x20 || !isAlpha(a)) {
			return false
		}
	}
	return true
}

// trim cuts off optional whitespace on both sides (OWS, RFC 9110 §5.6.3).
func trim[T string | []byte](s T) T {
	for len(s) > 0 && isBlank(s[0]) {
		s = s[1:]
	}
	for len(s) > 0 && isBlank(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}
