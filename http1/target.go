package http1

import (
	"net/netip"
	"strings"
)

// TargetForm is the form of a request's target (RFC 9112 §3.2).
type TargetForm uint8

const (
	// OriginForm is a path with a query: "/where?q=now".
	OriginForm TargetForm = iota
	// AbsoluteForm is a whole URI: "http://www.example.org/where?q=now".
	AbsoluteForm
	// AuthorityForm is host and port, of CONNECT only: "www.example.com:80".
	AuthorityForm
	// AsteriskForm is "*", of OPTIONS only.
	AsteriskForm
)

// Classes of bytes in a target.
const (
	targetBad  = iota // not in any target
	targetOK          // as it is
	targetMark        // begins an escape or the query
)

// targetClass lets through the visible ASCII characters. RFC 3986 has fewer,
// but browsers send the rest unescaped. A fragment never belongs in a target
// (RFC 9112 §3.2).
var targetClass = func() (t [256]byte) {
	for c := '!'; c <= '~'; c++ {
		t[c] = targetOK
	}
	t['#'] = targetBad
	t['%'], t['?'] = targetMark, targetMark
	return t
}()

// target takes the target of the request line apart.
func (r *Request) target() error {
	query, err := checkTarget(r.Target)
	if err != nil {
		return err
	}
	r.Path, r.Query = r.Target[:query], r.Target[query:]
	switch {
	case r.Method == "CONNECT":
		r.Form, r.Path = AuthorityForm, ""
		// §3.2.3: host and port, both there
		if !validAuthority(r.Target) || !hasPort(r.Target) {
			return errAuthority
		}
	case r.Path != "" && r.Path[0] == '/':
		r.Form = OriginForm
	case r.Target == "*":
		if r.Form = AsteriskForm; r.Method != "OPTIONS" {
			return errAsterisk
		}
	default:
		r.Form = AbsoluteForm
		return r.absolute()
	}
	return nil
}

// absolute takes the scheme and the authority off the path (RFC 9112 §3.2.2).
func (r *Request) absolute() error {
	scheme, rest, ok := strings.Cut(r.Path, "://")
	if !ok || !equalFold(scheme, "http") && !equalFold(scheme, "https") {
		return errAbsolute
	}
	n := strings.IndexByte(rest, '/')
	if n < 0 {
		n = len(rest)
	}
	// RFC 9110 §4.2.1: without a host it is invalid. §4.2.4: with user
	// information it is an attempt to deceive.
	if r.authority = rest[:n]; !validAuthority(r.authority) {
		return errAbsolute
	}
	r.Path = rest[n:]
	switch {
	case r.Path != "":
	case r.Method == "OPTIONS" && r.Query == "":
		r.Path = "*" // §3.2.4: what the last proxy on the way makes of it
	default:
		r.Path = "/" // §3.2.1
	}
	return nil
}

// checkTarget looks at each byte and returns where the query begins.
func checkTarget(t string) (query int, err error) {
	query = len(t)
	for i := 0; i < len(t); i++ {
		switch targetClass[t[i]] {
		case targetOK:
		case targetBad:
			return 0, errTarget
		default:
			// Browsers send a lone % in a query as it was typed. In a path it
			// leaves open what the path is.
			if query < len(t) {
				continue
			}
			if t[i] == '?' {
				query = i
			} else if !isEscape(t[i:]) {
				return 0, errEscape
			}
		}
	}
	if t == "" {
		return 0, errTarget
	}
	return query, nil
}

// isEscape reports whether s begins with pct-encoded (RFC 3986 §2.1).
func isEscape(s string) bool {
	return len(s) >= 3 && hexValue[s[1]] != notHex && hexValue[s[2]] != notHex
}

// hostByte has the bytes of names as they are in DNS, in use. RFC 3986 §3.2.2
// would let a host have sub-delims and escapes; no real one has, but "a,b" has
// been read as two.
var hostByte = func() (t [256]bool) {
	for c := range t {
		c := byte(c)
		t[c] = isAlpha(c) || isDigit(c) || c == '-' || c == '.' || c == '_' || c == '~'
	}
	return t
}()

// validAuthority reports whether s is a host, which may have a port (RFC 9110
// §7.2, RFC 3986 §3.2.2).
func validAuthority(s string) bool {
	n := 0
	if s != "" && s[0] == '[' {
		if n = strings.IndexByte(s, ']') + 1; n == 0 {
			return false
		}
		// A zone is of no meaning to others (RFC 6874).
		address, err := netip.ParseAddr(s[1 : n-1])
		if err != nil || !address.Is6() || address.Zone() != "" {
			return false
		}
	} else {
		for n < len(s) && hostByte[s[n]] {
			n++
		}
	}
	return n > 0 && (n == len(s) || s[n] == ':' && validPort(s[n+1:]))
}

// validPort takes *DIGIT (RFC 3986 §3.2.3) that a port can be. An empty one is
// the default port.
func validPort(s string) bool {
	n := 0
	for i := range len(s) {
		if !isDigit(s[i]) {
			return false
		}
		if n = n*10 + int(s[i]-'0'); n > 65535 {
			return false
		}
	}
	return true
}

// hasPort reports whether a valid authority ends with a port that is not empty.
func hasPort(s string) bool {
	return isDigit(s[len(s)-1]) && strings.LastIndexByte(s, ':') > strings.LastIndexByte(s, ']')
}
