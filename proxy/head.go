package proxy

import (
	"cmp"
	"math"
	"net/http"
	"strconv"

	"github.com/rota-lb/rota/http1"
)

// Sets of fields with one rule for all of them.
const (
	// ofConnection are the fields that speak of one connection only (RFC 9110
	// §7.6.1), with those that did before there was a rule. Where a body ends is
	// written anew for the next connection.
	ofConnection http1.IDs = 1<<http1.Connection | 1<<http1.KeepAlive | 1<<http1.ProxyConnection |
		1<<http1.ProxyAuthenticate | 1<<http1.ProxyAuthenticationInfo | 1<<http1.ProxyAuthorization |
		1<<http1.TE | 1<<http1.Trailer | 1<<http1.Upgrade | 1<<http1.HTTP2Settings |
		1<<http1.TransferEncoding | 1<<http1.ContentLength

	// ofTrusted are the fields that a trusted peer sets and we have nothing to
	// add to.
	ofTrusted http1.IDs = 1<<http1.XForwardedHost | 1<<http1.XForwardedPort | 1<<http1.XForwardedProto |
		1<<http1.XForwardedOther | 1<<http1.XRealIP

	// ofRequest are the fields of a request that are not copied.
	ofRequest = ofConnection | ofTrusted | 1<<http1.XForwardedFor | 1<<http1.Forwarded |
		1<<http1.Host | 1<<http1.Via | 1<<http1.Expect | 1<<http1.MaxForwards

	// knownFields are those that Connection can't take away: each of them never
	// passes anyway, or is for all recipients, and then to name it is a mistake or
	// an attack (RFC 9110 §7.6.1).
	knownFields = ^http1.IDs(1 << http1.Other)
)

// appendRequest appends the whole head, with the empty line, as a backend gets
// it. address is the backend's, for a Host that HTTP/1.0 left out; path is the
// one to forward, the query is that of q.
func (r *rules) appendRequest(dst []byte, q *http1.Request, p *peer, path, address string) []byte {
	dst = http1.AppendRequestLine(dst, q.Method, path, q.Query)
	dst = http1.AppendField(dst, "Host", cmp.Or(q.Host, address)) // RFC 9112 §3.2: one, and best the first
	gone := ofRequest
	if p.trusted {
		gone &^= ofTrusted
	}
	if q.Framing == http1.Chunked && announcesHarmless(&q.Head) {
		gone &^= 1 << http1.Trailer
	}
	dst = appendFields(dst, &q.Head, gone)
	dst = appendMaxForwards(dst, q)
	// RFC 9110 §10.1.1: not without content to wait for
	if q.Expect == http1.ExpectContinue && q.Length != 0 {
		dst = append(dst, "Expect: 100-continue\r\n"...)
	}
	dst = appendOptions(dst, q)
	dst = p.appendForwarding(dst, q)
	dst = r.appendVia(dst, q)
	dst = appendFraming(dst, q.Framing, q.Length)
	return append(dst, "\r\n"...)
}

// appendOptions appends what is asked of the backend's connection, for a
// client that asked it of ours.
func appendOptions(dst []byte, q *http1.Request) []byte {
	// RFC 9110 §10.1.4. To HTTP/1.0 we could not pass trailers on.
	trailers := q.Minor > 0 && q.Present.Has(http1.TE) && q.Header.HasToken("TE", "trailers")
	upgrade := mayUpgrade(q)
	if trailers {
		dst = append(dst, "TE: trailers\r\n"...)
	}
	if upgrade {
		dst = http1.AppendField(dst, "Upgrade", q.Upgrade)
	}
	switch {
	case trailers && upgrade:
		dst = append(dst, "Connection: TE, Upgrade\r\n"...)
	case trailers:
		dst = append(dst, "Connection: TE\r\n"...)
	case upgrade:
		dst = append(dst, "Connection: Upgrade\r\n"...)
	}
	return dst
}

// mayUpgrade reports whether the client asks for another protocol, and gets it
// where the backend agrees. Behind a body there is no telling where that begins; a
// length of none is no body.
func mayUpgrade(q *http1.Request) bool { return q.Upgrade != "" && q.Length == 0 }

// appendMaxForwards counts down how many more proxies a request may go
// through, where its method makes that mean something (RFC 9110 §7.6.2).
func appendMaxForwards(dst []byte, q *http1.Request) []byte {
	if !q.Present.Has(http1.MaxForwards) {
		return dst
	}
	counts := q.Method == "OPTIONS" || q.Method == "TRACE"
	for i := range q.Header {
		f := &q.Header[i]
		if f.ID != http1.MaxForwards {
			continue
		}
		n, ok := forwards(f.Value)
		if !counts || !ok {
			dst = http1.AppendField(dst, f.Name, f.Value)
			continue
		}
		dst = append(dst, "Max-Forwards: "...)
		dst = strconv.AppendInt(dst, max(0, n-1), 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// final reports whether the request is for us to answer, in place of the
// backend: it may not be forwarded once more (RFC 9110 §7.6.2).
func final(q *http1.Request) bool {
	if q.Method != "OPTIONS" || !q.Present.Has(http1.MaxForwards) {
		return false
	}
	for i := range q.Header {
		if f := &q.Header[i]; f.ID == http1.MaxForwards {
			if n, ok := forwards(f.Value); ok && n == 0 {
				return true
			}
		}
	}
	return false
}

// forwards reads 1*DIGIT. What is too large is the largest that we count to,
// as RFC 9110 §7.6.2 lets us.
func forwards(s string) (n int64, ok bool) {
	for i := range len(s) {
		digit := int64(s[i]) - '0'
		if digit < 0 || digit > 9 {
			return 0, false
		}
		n = min(n*10+digit, math.MaxInt32)
	}
	return n, s != ""
}

// reply is what the head of a response to the client depends on beside the
// backend's.
type reply struct {
	method  string        // of the request
	minor   int           // of the client's HTTP/1.minor
	keep    bool          // the client's connection goes on
	framing http1.Framing // as the client gets the body; http1.UntilClose ends with the connection
	length  int64         // if Sized
	date    string        // now, for a response that does not say when it was made
}

// appendResponse appends the whole head, with the empty line, as the client
// gets it.
func appendResponse(dst []byte, in *http1.Response, to *reply) []byte {
	dst = http1.AppendStatusLine(dst, in.Status, in.Reason)
	gone := ofConnection
	switch {
	case in.Status == http.StatusSwitchingProtocols:
		gone &^= 1 << http1.Upgrade
	case in.Framing == http1.Chunked && to.framing == http1.Chunked && announcesHarmless(&in.Head):
		gone &^= 1 << http1.Trailer
	}
	dst = appendFields(dst, &in.Head, gone)
	if in.Interim() {
		return append(dst, "\r\n"...)
	}
	if to.date != "" && !in.Present.Has(http1.Date) {
		dst = http1.AppendField(dst, "Date", to.date) // RFC 9110 §6.6.1
	}
	switch {
	case in.Status == http.StatusSwitchingProtocols:
		return append(dst, "Connection: Upgrade\r\n\r\n"...) // RFC 9110 §7.8
	case in.Status == http.StatusNoContent: // RFC 9110 §8.6, RFC 9112 §6.1: no framing
	case to.method == "HEAD", in.Status == http.StatusNotModified:
		dst = appendLengthOf(dst, in)
	default:
		dst = appendFraming(dst, to.framing, to.length)
	}
	return append(to.appendConnection(dst), "\r\n"...)
}

// announcesHarmless reports whether Trailer names nothing that is dropped from
// trailers (RFC 9110 §6.5.1): to announce what does not come misleads.
func announcesHarmless(h *http1.Head) bool {
	if !h.Present.Has(http1.Trailer) {
		return false
	}
	for name := range h.Header.Tokens("Trailer") {
		if http1.Lookup(name) != http1.Other {
			return false
		}
	}
	return true
}

// appendLengthOf appends the length that a body would have, in place of which
// there is none (RFC 9110 §8.6).
func appendLengthOf(dst []byte, in *http1.Response) []byte {
	if !in.Present.Has(http1.ContentLength) {
		return dst
	}
	for i := range in.Header {
		if f := &in.Header[i]; f.ID == http1.ContentLength {
			return http1.AppendField(dst, "Content-Length", f.Value) // others are equal
		}
	}
	return dst
}

// appendOwn appends a response in rota's own name, with its body, which HEAD
// does not get. Nobody is to guess another type than the given one, if any. What
// else there is to say is in extra.
func appendOwn(dst []byte, status int, contentType string, extra http1.Header, body []byte, to *reply) []byte {
	dst = http1.AppendStatusLine(dst, status, http.StatusText(status))
	if to.date != "" {
		dst = http1.AppendField(dst, "Date", to.date)
	}
	if contentType != "" {
		dst = http1.AppendField(dst, "Content-Type", contentType)
		dst = append(dst, "X-Content-Type-Options: nosniff\r\n"...)
	}
	dst = http1.AppendContentLength(dst, int64(len(body)))
	dst = to.appendConnection(dst)
	dst = http1.AppendHeader(dst, extra)
	if to.method == "HEAD" {
		return dst
	}
	return append(dst, body...)
}

// appendConnection says whether the connection goes on, where the client's
// version does not (RFC 9112 §9.3).
func (to *reply) appendConnection(dst []byte) []byte {
	switch {
	case !to.keep:
		return append(dst, "Connection: close\r\n"...)
	case to.minor == 0:
		return append(dst, "Connection: keep-alive\r\n"...)
	default:
		return dst
	}
}

// appendFraming says where the body ends (RFC 9112 §6).
func appendFraming(dst []byte, framing http1.Framing, length int64) []byte {
	switch framing {
	case http1.Sized:
		return http1.AppendContentLength(dst, length)
	case http1.Chunked:
		return append(dst, "Transfer-Encoding: chunked\r\n"...)
	default:
		return dst
	}
}

// appendFields appends the fields of a head in their order, but for those that
// are gone, those that Connection names, and aliases of what we drop or write
// ourselves: a backend that takes one for the other would get past the rules.
func appendFields(dst []byte, h *http1.Head, gone http1.IDs) []byte {
	var nominated nominations
	if h.Nominates {
		nominated.read(h.Header)
	}
	for i := range h.Header {
		f := &h.Header[i]
		switch {
		case gone.Has(f.ID):
		case f.ID&http1.Alias != 0 && ofRequest.Has(f.ID&^http1.Alias):
		case h.Nominates && nominated.has(f):
		default:
			dst = http1.AppendField(dst, f.Name, f.Value)
		}
	}
	return dst
}

// nominations are the fields that Connection names, to be dropped with it (RFC
// 9110 §7.6.1). Nobody names many. Who names more than there is room for loses
// every field that can be named: to look each of thousands up for each field
// would be work that a request must not be able to make.
type nominations struct {
	names [16]string
	n     int // names there are; may be more than there is room for
}

// read takes the names from the Connection fields of a header.
func (n *nominations) read(h http1.Header) {
	for name := range h.Tokens("Connection") {
		if knownFields.Has(http1.Lookup(name)) {
			continue
		}
		if n.n++; n.n > len(n.names) {
			return
		}
		n.names[n.n-1] = name
	}
}

// has reports whether a field was named.
func (n *nominations) has(f *http1.Field) bool {
	switch {
	case knownFields.Has(f.ID):
		return false
	case n.n > len(n.names):
		return true
	}
	for _, name := range n.names[:n.n] {
		if f.Is(name) {
			return true
		}
	}
	return false
}
