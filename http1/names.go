package http1

// ID stands for a field name that HTTP, forwarding or its rules care about, so
// that such rules can be tables. The bit [Alias] may be set in it.
type ID uint8

// The known names. Other is any name that is not among them.
const (
	Other ID = iota
	Host
	Connection
	ContentLength
	TransferEncoding
	TE
	Trailer
	Upgrade
	KeepAlive
	ProxyConnection
	ProxyAuthenticate
	ProxyAuthenticationInfo
	ProxyAuthorization
	HTTP2Settings
	Expect
	MaxForwards
	Via
	Forwarded
	XForwardedFor
	XForwardedHost
	XForwardedPort
	XForwardedProto
	XForwardedOther // any other name that begins with X-Forwarded-
	XRealIP
	Date
	Age
	CacheControl
	Expires
	Pragma
	Vary
	Warning
	Location
	RetryAfter
	Authorization
	WWWAuthenticate
	Cookie
	SetCookie
	ContentType
	ContentEncoding
	ContentLanguage
	ContentLocation
	ContentRange
	Range
	IfMatch
	IfNoneMatch
	IfModifiedSince
	IfUnmodifiedSince
	IfRange
	knownNames
)

// Alias marks the ID of a name that has underscores where the known one has
// hyphens, such as X_Forwarded_For. It is another name (RFC 9110 §5.1), but
// backends that make variables of names (RFC 3875 §4.1.18) take it for the
// known one.
const Alias ID = 0x80

var names = [knownNames]string{
	Host:                    "Host",
	Connection:              "Connection",
	ContentLength:           "Content-Length",
	TransferEncoding:        "Transfer-Encoding",
	TE:                      "TE",
	Trailer:                 "Trailer",
	Upgrade:                 "Upgrade",
	KeepAlive:               "Keep-Alive",
	ProxyConnection:         "Proxy-Connection",
	ProxyAuthenticate:       "Proxy-Authenticate",
	ProxyAuthenticationInfo: "Proxy-Authentication-Info",
	ProxyAuthorization:      "Proxy-Authorization",
	HTTP2Settings:           "HTTP2-Settings",
	Expect:                  "Expect",
	MaxForwards:             "Max-Forwards",
	Via:                     "Via",
	Forwarded:               "Forwarded",
	XForwardedFor:           "X-Forwarded-For",
	XForwardedHost:          "X-Forwarded-Host",
	XForwardedPort:          "X-Forwarded-Port",
	XForwardedProto:         "X-Forwarded-Proto",
	XForwardedOther:         "X-Forwarded-",
	XRealIP:                 "X-Real-IP",
	Date:                    "Date",
	Age:                     "Age",
	CacheControl:            "Cache-Control",
	Expires:                 "Expires",
	Pragma:                  "Pragma",
	Vary:                    "Vary",
	Warning:                 "Warning",
	Location:                "Location",
	RetryAfter:              "Retry-After",
	Authorization:           "Authorization",
	WWWAuthenticate:         "WWW-Authenticate",
	Cookie:                  "Cookie",
	SetCookie:               "Set-Cookie",
	ContentType:             "Content-Type",
	ContentEncoding:         "Content-Encoding",
	ContentLanguage:         "Content-Language",
	ContentLocation:         "Content-Location",
	ContentRange:            "Content-Range",
	Range:                   "Range",
	IfMatch:                 "If-Match",
	IfNoneMatch:             "If-None-Match",
	IfModifiedSince:         "If-Modified-Since",
	IfUnmodifiedSince:       "If-Unmodified-Since",
	IfRange:                 "If-Range",
}

// String returns the name as RFCs spell it, that of the known name for an
// alias and "" for Other.
func (id ID) String() string {
	if id &^= Alias; id < knownNames {
		return names[id]
	}
	return ""
}

// IDs is a set of known names. Aliases are not in it.
type IDs uint64

// Has reports whether the set has the name.
func (s IDs) Has(id ID) bool { return s&(1<<id) != 0 }

// add leaves out aliases: their bit lies beyond the set.
func (s *IDs) add(id ID) { *s |= 1 << id }

// Lookup returns the ID of a name in any case.
func Lookup(name string) ID {
	if len(name) < 2 {
		return Other
	}
	id := slots[slot(name)]
	if !sameName(name, folded[id]) {
		const prefix = len("X-Forwarded-")
		if id = XForwardedOther; len(name) <= prefix || !sameName(name[:prefix], folded[id]) {
			return Other
		}
	}
	for i := range len(name) {
		if name[i] == '_' {
			return id | Alias
		}
	}
	return id
}

// sameName reports whether name folds to known.
func sameName(name, known string) bool {
	if len(name) != len(known) || known == "" {
		return false
	}
	for i := range len(name) {
		if fold[name[i]] != known[i] {
			return false
		}
	}
	return true
}

// folded has the known names in the form in which they are compared.
var folded = func() (t [knownNames]string) {
	for id, name := range names {
		b := []byte(name)
		for i, c := range b {
			b[i] = fold[c]
		}
		t[id] = string(b)
	}
	return t
}()

// slots finds the only known name that a name can be. No two known names share
// a slot; a test sees to that when one is added.
var slots = func() (t [256]ID) {
	for id := Host; id < knownNames; id++ {
		t[slot(folded[id])] = id
	}
	return t
}()

// slot hashes a name of two bytes or more by its length and by those bytes that
// tell known names apart. The factors were found by trying.
func slot(name string) uint8 {
	n := len(name)
	return uint8(n)*221 + fold[name[0]]*156 + fold[name[n-1]]*83 + fold[name[n-2]]*234
}
