package config

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// parseListenAddress checks an address to listen on, where port 0 is any free
// one.
func parseListenAddress(s string) (string, error) {
	return s, checkAddress(s, 0, `write host:port, or ":8080" for that port on every interface`)
}

// parseAdminAddress is the same for what anybody may use who reaches it.
func parseAdminAddress(s string) (string, error) {
	if _, err := strconv.Atoi(s); err == nil {
		return s, faultf("write "+strconv.Quote("127.0.0.1:"+s), "%q has no host", s)
	}
	return parseListenAddress(s)
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

// validHost reports whether s is an IP address or could be a host's name. It
// takes "_", which DNS does not forbid and container networks use.
func validHost(s string) bool {
	if validIP(s) {
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

// validIP reports whether s is an IP address.
func validIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// parseConsulAddress checks an address as consul/api takes it, which includes
// whatever CONSUL_HTTP_ADDR may hold.
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

// parseBackend checks a backend's URL and gives its host:port. What else a URL
// may hold is refused rather than ignored.
func parseBackend(s string) (string, error) {
	const hint = `write "http://host:port"`
	scheme, _, ok := strings.Cut(s, "://")
	switch {
	case !ok:
		return "", faultf("write "+strconv.Quote("http://"+s), "%q does not start with http://", s)
	case scheme == "https":
		// To write http:// in its place would be another port and another page.
		return "", faultf("use a backend that speaks plain HTTP", "%q: TLS to backends is not available in this version", s)
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

// parseNetwork reads an IP network, or an address as the network of itself
// alone. IPv4 ones that are mapped to IPv6 become what they stand for (RFC 4291
// §2.5.5.2).
func parseNetwork(s string) (netip.Prefix, error) {
	if host, _, err := net.SplitHostPort(s); err == nil && validIP(host) {
		return netip.Prefix{}, faultf("write "+strconv.Quote(host), "%q has a port; a proxy may use any", s)
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")
	address, length, isNetwork := strings.Cut(bare, "/")
	ip, err := netip.ParseAddr(address)
	switch {
	case err != nil:
		return netip.Prefix{}, faultf(`write an address such as "10.0.0.1", or a network such as "10.0.0.0/8"`, "%q is not an IP address or network", s)
	case bare != s:
		return netip.Prefix{}, faultf("write "+strconv.Quote(bare), "%q: brackets are for addresses with a port", s)
	case ip.Zone() != "":
		return netip.Prefix{}, faultf("write "+strconv.Quote(ip.WithZone("").String()+s[len(address):]), "%q has a zone, which is not looked at", s)
	}
	bits := ip.BitLen()
	if isNetwork {
		network, err := netip.ParsePrefix(s)
		if err != nil {
			return netip.Prefix{}, faultf(`write the length of its prefix, as in "10.0.0.0/8"`, "%q: %q is not a number from 0 to %d", s, length, bits)
		}
		bits = network.Bits()
	}
	if ip.Is4In6() && bits >= 96 {
		ip, bits = ip.Unmap(), bits-96
	}
	return netip.PrefixFrom(ip, bits).Masked(), nil
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
