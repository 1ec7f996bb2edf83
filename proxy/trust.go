package proxy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"

	"github.com/rota-lb/rota/http1"
)

// rules say what of a message goes further. They are of one listener,
// immutable, and safe for concurrent use.
type rules struct {
	trusted []netip.Prefix // masked, none of them of mapped addresses
	via     string         // our own element of Via, without the version
}

// newRules returns rules that believe what those in the given networks say of
// forwarding. Their element of Via has a comment of its own, so that two
// rotas in a row are no loop.
func newRules(trusted []netip.Prefix) *rules {
	return &rules{trusted: trusted, via: fmt.Sprintf("rota (%08x)", rand.Uint32())}
}

// peer is who the requests of a connection come from; made once a connection.
type peer struct {
	ip        string // as X-Forwarded-For has it
	trusted   bool   // to say who it speaks for
	forwarded string // as an element of Forwarded
}

// peer returns what the rules make of the other end of a connection.
func (r *rules) peer(address net.Addr) peer {
	ip := addressOf(address)
	if !ip.IsValid() {
		return peer{ip: "unknown", forwarded: "for=unknown"} // RFC 7239 §6.2
	}
	p := peer{ip: ip.String()}
	for _, network := range r.trusted {
		p.trusted = p.trusted || network.Contains(ip)
	}
	if p.forwarded = "for=" + p.ip; ip.Is6() {
		p.forwarded = `for="[` + p.ip + `]"` // RFC 7239 §6: no token has a colon
	}
	return p
}

// addressOf returns the address of a peer in the form in which networks are
// given: an IPv4 one as such, though it came to a socket for both, and without
// a zone, which means nothing to others (RFC 4007 §6).
func addressOf(a net.Addr) netip.Addr {
	var ap netip.AddrPort
	if tcp, ok := a.(*net.TCPAddr); ok {
		ap = tcp.AddrPort()
	} else if a != nil {
		ap, _ = netip.ParseAddrPort(a.String()) // not valid where it is no IP
	}
	return ap.Addr().Unmap().WithZone("")
}

// appendForwarding appends what a backend is told of the client. Who is not
// trusted is only told about; a trusted peer's word stays, with ours added
// where the fields are lists or where it said nothing.
func (p *peer) appendForwarding(dst []byte, q *http1.Request) []byte {
	said := q.Present
	if !p.trusted {
		said = 0
	}
	dst = append(dst, "X-Forwarded-For: "...)
	if said.Has(http1.XForwardedFor) {
		dst = appendMembers(dst, q.Header, http1.XForwardedFor)
	}
	dst = append(append(dst, p.ip...), "\r\n"...)
	if q.Host != "" && !said.Has(http1.XForwardedHost) {
		dst = http1.AppendField(dst, "X-Forwarded-Host", q.Host)
	}
	if !said.Has(http1.XForwardedProto) {
		dst = append(dst, "X-Forwarded-Proto: http\r\n"...)
	}
	if said.Has(http1.Forwarded) {
		dst = append(dst, "Forwarded: "...)
		dst = appendMembers(dst, q.Header, http1.Forwarded)
		dst = append(append(dst, p.forwarded...), "\r\n"...)
	}
	return dst
}

// appendVia appends the Via field with what came and ourselves, in order (RFC
// 9110 §7.6.3).
func (r *rules) appendVia(dst []byte, q *http1.Request) []byte {
	dst = append(dst, "Via: "...)
	if q.Present.Has(http1.Via) {
		dst = appendMembers(dst, q.Header, http1.Via)
	}
	dst = append(dst, '1', '.', byte('0'+q.Minor), ' ')
	return append(append(dst, r.via...), "\r\n"...)
}

// looped reports whether the request has been through this rota before (RFC
// 9110 §7.6.3).
func (r *rules) looped(q *http1.Request) bool {
	if !q.Present.Has(http1.Via) {
		return false
	}
	for i := range q.Header {
		if f := &q.Header[i]; f.ID == http1.Via && strings.Contains(f.Value, r.via) {
			return true
		}
	}
	return false
}

// appendMembers appends the list that all fields of a name make up (RFC 9110
// §5.3), each with a comma behind it: another member has to follow.
func appendMembers(dst []byte, h http1.Header, id http1.ID) []byte {
	for i := range h {
		f := &h[i]
		if f.ID != id || f.Value == "" || id == http1.Forwarded && !closesQuotes(f.Value) {
			continue
		}
		dst = append(append(dst, f.Value...), ", "...)
	}
	return dst
}

// closesQuotes reports whether every quoted-string in a value ends there (RFC
// 9110 §5.6.4). Behind one that does not, what we say would be part of it.
func closesQuotes(value string) bool {
	quoted := false
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '"':
			quoted = !quoted
		case value[i] == '\\' && quoted:
			i++
		}
	}
	return !quoted
}
