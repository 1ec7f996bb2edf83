package proxy

import (
	"net"
	"net/http"
	"strings"

	"github.com/rota-lb/rota/http1"
)

// hopByHop are the fields that speak of one connection only (RFC 9110 §7.6.1),
// with the two that predate the rule.
var hopByHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "proxy-authenticate": true,
	"proxy-authorization": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
}

// endToEnd are fields that "Connection" must not take away: routing, framing,
// authority, and what we and other proxies say of the client.
var endToEnd = map[string]bool{
	"authorization": true, "cache-control": true, "content-encoding": true, "content-length": true,
	"content-range": true, "content-type": true, "cookie": true, "date": true, "forwarded": true,
	"host": true, "range": true, "set-cookie": true, "via": true, "x-forwarded-for": true,
	"x-forwarded-host": true, "x-forwarded-proto": true, "x-real-ip": true,
}

// client is who sent a request, and how.
type client struct {
	address string // host:port of the connection
	scheme  string // http or https
	host    string // that the request asked for; "" where HTTP/1.0 did not say
	proto   string // version of the protocol, "1.1"
	body    bool   // the request has one
}

// requestFields returns the fields that go to a backend. What a client says
// of forwarding is replaced by what we know: nobody in front of us is trusted
// to say it.
func requestFields(in http1.Header, c client) http1.Header {
	out := make(http1.Header, 0, len(in)+6)
	var via, options []string
	for _, f := range endToEndFields(in) {
		switch {
		case isForwarding(f.Name):
		case f.Is("Via"):
			via = append(via, f.Value)
		default:
			out = append(out, f)
		}
	}
	add := func(name, value string) { out = append(out, http1.Field{Name: name, Value: value}) }
	if in.HasToken("TE", "trailers") {
		add("Te", "trailers")
		options = append(options, "TE") // RFC 9110 §10.1.4
	}
	// Behind a body there is no telling where the other protocol begins.
	if protocol := upgrade(in); protocol != "" && !c.body {
		add("Upgrade", protocol)
		options = append(options, "Upgrade")
	}
	if len(options) > 0 {
		add("Connection", strings.Join(options, ", "))
	}
	ip, _, err := net.SplitHostPort(c.address)
	if err != nil {
		ip = c.address
	}
	add("X-Forwarded-For", ip)
	if c.host != "" {
		add("X-Forwarded-Host", c.host)
	}
	add("X-Forwarded-Proto", c.scheme)
	add("Via", strings.Join(append(via, c.proto+" rota"), ", ")) // RFC 9110 §7.6.3: in order
	return out
}

// isForwarding reports whether a field speaks of the client for a proxy. Many
// backends read "_" as "-", so that an alias would get past us.
func isForwarding(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}

// dropTrailers removes what must not come after a body: fields that route,
// frame, authenticate or speak for a proxy would be taken as said before it
// (RFC 9110 §6.5.1).
func dropTrailers(t http.Header) {
	for name := range t {
		if n := strings.ToLower(name); hopByHop[n] || endToEnd[n] || isForwarding(n) {
			delete(t, name)
		}
	}
}

// endToEndFields returns the fields that are not hop-by-hop, by their nature
// or because "Connection" names them (RFC 9110 §7.6.1).
func endToEndFields(in http1.Header) http1.Header {
	out := make(http1.Header, 0, len(in))
	for _, f := range in {
		name := strings.ToLower(f.Name)
		if hopByHop[name] || !endToEnd[name] && in.HasToken("Connection", name) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// upgrade returns the protocol that the message asks to change to, "" for
// none. h2c is not passed on: the tunnel would hide requests from us.
func upgrade(h http1.Header) string {
	if !h.HasToken("Connection", "upgrade") || h.HasToken("Upgrade", "h2c") {
		return ""
	}
	return h.Get("Upgrade")
}
