package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// parseDuration reads a Go duration that is not negative.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		if d < 0 {
			return 0, faultf("", "%q is negative", s)
		}
		return d, nil
	}
	if _, err := strconv.ParseUint(s, 10, 32); err == nil {
		return 0, faultf(`write "`+s+`s" for seconds`, "%q has no unit", s)
	}
	return 0, faultf(`write a number with its unit, such as "500ms", "10s" or "1m30s"`, "%q is not a duration", s)
}

// shortDuration writes d as people do: "1m" and not "1m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// orEmpty is parse for an argument that may also be "".
func orEmpty(parse parser) parser {
	return func(s string) (string, error) {
		if s == "" {
			return s, nil
		}
		return parse(s)
	}
}

// parseNotEmpty refuses "".
func parseNotEmpty(s string) (string, error) {
	if s == "" {
		return "", faultf("leave it out, or write what it is", "must not be empty")
	}
	return s, nil
}

// oneOf gives the parser of a string that is one of a few words.
func oneOf(words []string) parser {
	return func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		near := didYouMean(s, words)
		if near != "" {
			return "", faultf("", "%q is none of its values%s", s, near)
		}
		return "", faultf("write "+alternatives(words), "%q is none of its values", s)
	}
}

// balances are the ways to pick a backend, and laterBalances those to come.
var (
	balances      = []string{"round_robin", "least_request", "random"}
	laterBalances = []string{"ewma", "hash"}
)

// parseBalance checks the name of a way to pick a backend.
func parseBalance(s string) (string, error) {
	if slices.Contains(laterBalances, s) {
		return "", faultf("write "+alternatives(balances), "%q is not available in this version", s)
	}
	return oneOf(balances)(s)
}

// parseListenAddress checks an address to listen on, where port 0 is any free
// one.
func parseListenAddress(s string) (string, error) {
	return s, checkAddress(s, 0, `write host:port, or ":8080" for that port on every interface`)
}

// checkAddress checks host:port with a port of at least least. hint says how
// such an address is written.
func checkAddress(s string, least uint64, hint string) error {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		return faultf("write it without the scheme: "+strconv.Quote(rest), "%q is a URL, not an address", s)
	}
	if _, err := strconv.Atoi(s); err == nil {
		return faultf("write "+strconv.Quote(":"+s), "%q lacks the colon in front of the port", s)
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		if strings.Count(s, ":") > 1 {
			return faultf(`an IPv6 address goes in brackets: "[::1]:8080"`, "%q is not host:port", s)
		}
		return faultf(hint, "%q has no port", s)
	}
	if host != "" && !validHost(host) {
		return faultf(hint, "%q has a bad host", s)
	}
	return checkPort(port, least)
}

// checkPort checks a port number of at least least.
func checkPort(s string, least uint64) error {
	if n, err := strconv.ParseUint(s, 10, 64); err != nil || n < least || n > 65535 {
		return faultf("", "port %q is not a number from %d to 65535", s, least)
	}
	return nil
}

// validHost reports whether s is an IP address or could be a host's name.
func validHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || len(part) > 63 { // RFC 1035 §2.3.4
			return false
		}
		for _, r := range part {
			if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' {
				return false
			}
		}
	}
	return len(s) <= 253
}

// parseConsulAddress checks an address as consul/api takes it.
func parseConsulAddress(s string) (string, error) {
	const hint = `write host:port, or a URL with http, https or unix`
	scheme, _, isURL := strings.Cut(s, "://")
	if !isURL {
		return s, checkAddress(s, 1, hint)
	}
	if schemes := []string{"http", "https", "unix"}; !slices.Contains(schemes, scheme) {
		return "", faultf(hint, "%q has an unknown scheme%s", s, didYouMean(scheme, schemes))
	}
	if scheme == "unix" {
		return s, nil
	}
	u, err := url.Parse(s)
	if err != nil || !validHost(u.Hostname()) {
		return "", faultf(hint, "%q has a bad host or port", s)
	}
	if u.Port() != "" {
		err = checkPort(u.Port(), 1)
	}
	return s, err
}

// parseBackend checks a backend's URL and gives its host:port.
func parseBackend(s string) (string, error) {
	const hint = `write "http://host:port"`
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return "", faultf("write "+strconv.Quote("http://"+s), "%q does not start with http://", s)
	case scheme == "https":
		return "", faultf("write "+strconv.Quote("http://"+rest), "%q: TLS to backends is not available in this version", s)
	case scheme != "http":
		return "", faultf(hint, "%q does not start with http://", s)
	}
	u, err := url.Parse(s)
	if err != nil || !validHost(u.Hostname()) {
		return "", faultf(hint, "%q is not a URL of a backend", s)
	}
	bare := "write " + strconv.Quote("http://"+u.Host)
	switch {
	case u.User != nil:
		return "", faultf(bare, "%q holds a user or password, which is not passed on", u.Redacted())
	case u.Path != "" && u.Path != "/":
		return "", faultf(bare, "%q has a path; requests keep their own", s)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", faultf(bare, "%q has a query or fragment; requests keep their own", s)
	}
	port := u.Port()
	if port == "" {
		port = "80" // RFC 9110 §4.2.1
	}
	if err := checkPort(port, 1); err != nil {
		return "", err
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port), nil
}

// parsePath checks a URL path that may have a query.
func parsePath(s string) (string, error) {
	if _, rest, ok := strings.Cut(s, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		return "", faultf("write "+strconv.Quote("/"+path), "%q is a URL, not a path", s)
	}
	if !strings.HasPrefix(s, "/") {
		return "", faultf("write "+strconv.Quote("/"+s), `%q does not start with "/"`, s)
	}
	if strings.ContainsFunc(s, notInURL) || strings.Contains(s, "#") {
		return "", faultf(`write a space as %20, and leave out what follows a "#"`, "%q is not the path of a URL", s)
	}
	return s, nil
}

// parsePlainPath is parsePath for what is compared with the path of requests,
// which is told apart from the query.
func parsePlainPath(s string) (string, error) {
	if path, _, ok := strings.Cut(s, "?"); ok {
		return "", faultf("write "+strconv.Quote(path), "%q has a query; only the path is compared", s)
	}
	return parsePath(s)
}

// notInURL reports whether r must be written in another way in a URL (RFC 3986
// §2).
func notInURL(r rune) bool {
	return r <= ' ' || r > '~'
}

// parseHost checks the host of a route, and puts it in lower case, since that
// is how hosts are compared (RFC 9110 §4.2.3).
func parseHost(s string) (string, error) {
	const hint = `write a name such as "www.example.com" or "*.example.com"; leave host out for every host`
	if _, _, ok := strings.Cut(s, "://"); ok {
		return "", faultf(hint, "%q is a URL, not a host", s)
	}
	if host, _, err := net.SplitHostPort(s); err == nil {
		return "", faultf("write "+strconv.Quote(host), "%q has a port; requests are routed by name alone", s)
	}
	host := strings.ToLower(s)
	name := strings.TrimPrefix(host, "*.")
	if strings.Contains(name, "*") {
		return "", faultf(hint, `%q: a "*" can only be the first of several parts`, s)
	}
	if !validHost(name) {
		return "", faultf(hint, "%q is not the name of a host", s)
	}
	return host, nil
}

// parseHeader checks the value of a Host header.
func parseHeader(s string) (string, error) {
	if strings.ContainsFunc(s, notInURL) || strings.Contains(s, "/") {
		return "", faultf(`write a name such as "www.example.com"`, "%q is not the name of a host", s)
	}
	return s, nil
}

// parseStatus reads one status code, or two with a dash between them.
func parseStatus(s string) (StatusRange, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	least, errLow := strconv.Atoi(strings.TrimSpace(low))
	most, errHigh := strconv.Atoi(strings.TrimSpace(high))
	if errLow != nil || errHigh != nil {
		return StatusRange{}, faultf(`write a code such as "204" or a range such as "200-299"`, "%q is not a status", s)
	}
	// RFC 9110 §15; 1xx are never the end of an answer.
	if least < 200 || most > 599 {
		return StatusRange{}, faultf("", "%q is outside of 200 to 599", s)
	}
	if least > most {
		return StatusRange{}, faultf("write the lower code first", "%q is an empty range", s)
	}
	return StatusRange{least, most}, nil
}
