package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var defaults = DefaultLimits()

// parser is a Request or a Response that reads.
type parser func(b []byte, l *Limits) (int, error)

// arrive gives a parser the bytes of a connection, up to each of the ends in
// turn, until it has a verdict. Each time they are at another place, and the
// last place is written over.
func arrive(parse parser, l *Limits, in string, ends ...int) (n int, err error) {
	var last []byte
	for _, end := range ends {
		b := []byte(in[:end])
		for i := range last {
			last[i] = 'X'
		}
		if n, err = parse(b, l); n != 0 || err != nil {
			return n, err
		}
		last = b
	}
	return 0, nil
}

// inAnyPieces runs check for all ways in which bytes may arrive: at once, one
// by one, and cut in two anywhere. That must make no difference to anybody.
func inAnyPieces(in string, check func(how string, ends ...int)) {
	check("at once", len(in))
	one := make([]int, len(in))
	for i := range len(in) {
		one[i] = i + 1
		check(fmt.Sprintf("cut at %d", i), i, len(in))
	}
	check("byte by byte", one...)
}

// describe tells what was understood of a request, without what goes without
// saying.
func describe(r *Request) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s", r.Method, r.Path)
	put := func(when bool, format string, args ...any) {
		if when {
			fmt.Fprintf(&s, format, args...)
		}
	}
	put(r.Query != "", " %s", r.Query)
	put(r.Host != "", " at %s", r.Host)
	put(r.Form != OriginForm, " by %s", [...]string{"", "absolute", "authority", "asterisk"}[r.Form])
	put(r.Expect != ExpectNothing, ", expects %s", [...]string{"", "100", "what?"}[r.Expect])
	describeHead(&s, &r.Head)
	return s.String()
}

func describeHead(s *strings.Builder, h *Head) {
	put := func(when bool, format string, args ...any) {
		if when {
			fmt.Fprintf(s, format, args...)
		}
	}
	put(h.Minor == 0, ", 1.0")
	put(h.Framing == Sized, ", %d bytes", h.Length)
	put(h.Framing == Chunked, ", chunked")
	put(h.Framing == UntilClose, ", until close")
	put(h.Upgrade != "", ", upgrade %s", h.Upgrade)
	put(h.Nominates, ", nominates")
	put(!h.KeepAlive, ", close")
	if (h.Framing == Chunked || h.Framing == UntilClose) != (h.Length == -1) || h.Framing == NoBody && h.Length != 0 {
		fmt.Fprintf(s, ", WRONG LENGTH %d", h.Length)
	}
}

// host makes a request of a target and lines behind "Host: a".
func host(target string, lines ...string) string {
	return request("GET "+target+" HTTP/1.1", append([]string{"Host: a"}, lines...)...)
}

func request(line string, lines ...string) string {
	return strings.Join(append([]string{line}, lines...), "\r\n") + "\r\n\r\n"
}

func post(lines ...string) string {
	return request("POST / HTTP/1.1", append([]string{"Host: a"}, lines...)...)
}

var acceptedRequests = []struct{ name, in, want string }{
	{"RFC 9112 §2.2: one empty line before", "\r\n" + host("/"), "GET / at a"},
	{"RFC 9112 §2.3: HTTP/1.0", request("GET / HTTP/1.0", "Host: a"), "GET / at a, 1.0, close"},
	{"RFC 9112 §3.1: any token is a method", request("m!#$%&'*+-.^_`|~9 / HTTP/1.1", "Host: a"), "m!#$%&'*+-.^_`|~9 / at a"},
	{"RFC 9110 §9.1: methods have a case", request("get / HTTP/1.1", "Host: a"), "get / at a"},

	{"RFC 9112 §3.2: no Host in HTTP/1.0", request("GET / HTTP/1.0"), "GET /, 1.0, close"},
	{"RFC 9112 §3.2: Host with a port", request("GET / HTTP/1.1", "Host: a.example:8080"), "GET / at a.example:8080"},
	{"RFC 3986 §3.2.3: the greatest port", request("GET / HTTP/1.1", "Host: a:65535"), "GET / at a:65535"},
	{"RFC 3986 §3.2.3: an empty port", request("GET / HTTP/1.1", "Host: a:"), "GET / at a:"},
	{"RFC 3986 §3.2.2: IPv6", request("GET / HTTP/1.1", "Host: [2001:db8::1]:80"), "GET / at [2001:db8::1]:80"},
	{"RFC 3986 §3.2.2: IPv4", request("GET / HTTP/1.1", "Host: 192.0.2.1"), "GET / at 192.0.2.1"},
	{"RFC 3986 §3.2.2: an underscore", request("GET / HTTP/1.1", "Host: my_host-1.~x"), "GET / at my_host-1.~x"},

	{"RFC 9112 §3.2.1: origin-form", host("/where?q=now"), "GET /where ?q=now at a"},
	{"RFC 9112 §3.2.1: an empty query", host("/?"), "GET / ? at a"},
	{"RFC 9112 §3.2.1: two question marks", host("/??"), "GET / ?? at a"},
	{"RFC 9112 §3.2.1: what browsers don't escape", host("/a\"<>[\\]^`{|}?100%&%zz"), "GET /a\"<>[\\]^`{|} ?100%&%zz at a"},
	{"RFC 3986 §2.1: escapes", host("/%2f%C3%a4"), "GET /%2f%C3%a4 at a"},
	{"RFC 9112 §3.2.1: two slashes are a path", host("//b/c"), "GET //b/c at a"},
	{"RFC 9112 §3.2.2: absolute-form", host("http://b/c?d"), "GET /c ?d at b by absolute"},
	{"RFC 9112 §3.2.2: the target goes before Host", host("http://b:81/c"), "GET /c at b:81 by absolute"},
	{"RFC 9110 §4.2.3: schemes have no case", host("HTTPS://b/"), "GET / at b by absolute"},
	{"RFC 9112 §3.2.1: no path is /", host("http://b"), "GET / at b by absolute"},
	{"RFC 9112 §3.2.1: no path before a query is /", host("http://b?c://d"), "GET / ?c://d at b by absolute"},
	{"RFC 9112 §3.2.4: OPTIONS without a path is for *", request("OPTIONS http://b:80 HTTP/1.1", "Host: a"), "OPTIONS * at b:80 by absolute"},
	{"RFC 9112 §3.2.4: OPTIONS with a query is not", request("OPTIONS http://b?c HTTP/1.1", "Host: a"), "OPTIONS / ?c at b by absolute"},
	{"RFC 9112 §3.2.3: authority-form", request("CONNECT b:443 HTTP/1.1", "Host: a"), "CONNECT  at b:443 by authority"},
	{"RFC 9112 §3.2.3: authority-form with IPv6", request("CONNECT [::1]:443 HTTP/1.1", "Host: a"), "CONNECT  at [::1]:443 by authority"},
	{"RFC 9112 §3.2.4: asterisk-form", request("OPTIONS * HTTP/1.1", "Host: a"), "OPTIONS * at a by asterisk"},

	{"RFC 9112 §5: blanks round a value", request("GET / HTTP/1.1", "Host:\t a \t"), "GET / at a"},
	{"RFC 9112 §5: no blanks and no value", host("/", "A:", "B: "), "GET / at a"},
	{"RFC 9110 §5.5: obs-text and tabs", host("/", "A: b\tc\xff\x80 d"), "GET / at a"},
	{"RFC 9110 §5.1: names have no case", request("POST / HTTP/1.1", "hOST: a", "CONTENT-length: 5"), "POST / at a, 5 bytes"},

	{"RFC 9112 §6.3: no body", post(), "POST / at a"},
	{"RFC 9112 §6.3: Content-Length", post("Content-Length: 5"), "POST / at a, 5 bytes"},
	{"RFC 9112 §6.3: Content-Length, with spaces", post("Content-Length:   5  "), "POST / at a, 5 bytes"},
	{"RFC 9112 §6.3: Content-Length of 0", post("Content-Length: 0"), "POST / at a, 0 bytes"},
	{"RFC 9110 §8.6: the greatest length", post("Content-Length: 9223372036854775807"), "POST / at a, 9223372036854775807 bytes"},
	{"RFC 9110 §9.3.1: GET with a body", host("/", "Content-Length: 5"), "GET / at a, 5 bytes"},
	{"RFC 9112 §7.1: chunked", post("Transfer-Encoding: chunked"), "POST / at a, chunked"},
	{"RFC 9112 §7: codings have no case", post("Transfer-Encoding: CHUNKED "), "POST / at a, chunked"},
	{"RFC 9110 §5.1: an alias frames nothing", post("Content_Length: 5", "Transfer_Encoding: chunked"), "POST / at a"},
	{"RFC 9110 §6.6.2: Trailer", post("Transfer-Encoding: chunked", "Trailer: A, B"), "POST / at a, chunked"},
	{"RFC 9110 §6.6.2: Trailer without trailers", post("Trailer: Content-Length"), "POST / at a"},

	{"RFC 9112 §9.3: close", host("/", "Connection: close"), "GET / at a, close"},
	{"RFC 9112 §9.3: close in a list", host("/", "Connection: ,te , CLOSE"), "GET / at a, close"},
	{"RFC 9112 §9.3: close in the second field", host("/", "Connection: keep-alive", "Connection: close"), "GET / at a, close"},
	{"RFC 9112 §9.3: keep-alive in HTTP/1.0", request("GET / HTTP/1.0", "Connection: Keep-Alive"), "GET /, 1.0"},
	{"RFC 9112 §9.3: close goes before keep-alive", request("GET / HTTP/1.0", "Connection: keep-alive, close"), "GET /, 1.0, close"},
	{"RFC 9112 §9.3: Proxy-Connection says nothing", host("/", "Proxy-Connection: close"), "GET / at a"},
	{"RFC 9110 §7.6.1: nomination", host("/", "Connection: close, A"), "GET / at a, nominates, close"},
	{"RFC 9110 §7.6.1: options of our own", host("/", "Connection: TE, keep-alive, Upgrade"), "GET / at a"},

	{"RFC 9110 §7.8: upgrade", host("/", "Connection: Upgrade", "Upgrade: websocket"), "GET / at a, upgrade websocket"},
	{"RFC 9110 §7.8: the first of several", host("/", "Connection: upgrade", "Upgrade: , a/1, b", "Upgrade: c"), "GET / at a, upgrade a/1"},
	{"RFC 9110 §7.8: h2c is passed over", host("/", "Connection: upgrade", "Upgrade: H2C, b"), "GET / at a, upgrade b"},
	{"RFC 9110 §7.8: h2c alone", host("/", "Connection: upgrade, HTTP2-Settings", "Upgrade: h2c"), "GET / at a, nominates"},
	{"RFC 9110 §7.8: without the option", host("/", "Upgrade: websocket"), "GET / at a"},
	{"RFC 9110 §7.8: without the field", host("/", "Connection: upgrade"), "GET / at a"},
	{"RFC 9110 §7.8: not in HTTP/1.0", request("GET / HTTP/1.0", "Connection: upgrade, keep-alive", "Upgrade: websocket"), "GET /, 1.0"},

	{"RFC 9110 §10.1.1: 100-continue", post("Expect: 100-Continue", "Content-Length: 5"), "POST / at a, expects 100, 5 bytes"},
	{"RFC 9110 §10.1.1: another expectation", post("Expect: 100-continue, 200-ok"), "POST / at a, expects what?"},
	{"RFC 9110 §10.1.1: one with a parameter", post("Expect: 100-continue;now"), "POST / at a, expects what?"},
	{"RFC 9110 §10.1.1: another field", post("Expect: 100-continue", "Expect: b"), "POST / at a, expects what?"},
	{"RFC 9110 §10.1.1: none", post("Expect: ,"), "POST / at a"},
	{"RFC 9110 §10.1.1: HTTP/1.0 has no 100", request("POST / HTTP/1.0", "Expect: 100-continue"), "POST /, 1.0, close"},
}

func TestAcceptedRequests(t *testing.T) {
	for _, tt := range acceptedRequests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			// What comes behind a head is not looked at.
			inAnyPieces(tt.in+"\x00\n", func(how string, ends ...int) {
				n, err := arrive(r.Parse, &defaults, tt.in+"\x00\n", ends...)
				if got := describe(&r); err != nil || got != tt.want {
					t.Fatalf("%s: got %q, %v, want %q", how, got, err, tt.want)
				}
				if n != len(tt.in) {
					t.Fatalf("%s: %d bytes of %d", how, n, len(tt.in))
				}
			})
			if n, err := arrive(r.Parse, &defaults, tt.in, len(tt.in)-1); n != 0 || err != nil {
				t.Errorf("without the last byte: %d, %v", n, err)
			}
		})
	}
}

var refusedRequests = []struct {
	name, in string
	want     *Error
}{
	{"RFC 9112 §2.2: LF alone ends the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone ends a field", "GET / HTTP/1.1\r\nHost: a\nA: b\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone before the request", "\n" + host("/"), errLineEnd},
	{"RFC 9112 §2.2: two empty lines before", "\r\n\r\n" + host("/"), errBlank},
	{"RFC 9112 §3.1: a blank line before the request", " \r\n" + host("/"), errMethod},
	{"RFC 9112 §2.3: CR alone ends the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n", errVersion},
	{"RFC 9112 §3.2: CR in the target", host("/\r"), errTarget},
	{"RFC 9112 §5.2: whitespace before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", errFold},
	{"RFC 9112 §5.2: a blank line before the fields", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", errFold},

	{"RFC 9112 §3.1: no method", request(" / HTTP/1.1", "Host: a"), errMethod},
	{"RFC 9112 §3.1: a method that is no token", request("G@T / HTTP/1.1", "Host: a"), errMethod},
	{"RFC 9112 §3.1: a method that is not ASCII", request("G\xc3\x84T / HTTP/1.1", "Host: a"), errMethod},
	{"RFC 9112 §3.1: only a method", request("GET", "Host: a"), errMethod},
	{"RFC 9112 §3.1: a tab for a space", request("GET\t/ HTTP/1.1", "Host: a"), errMethod},
	{"RFC 9112 §3.2: two spaces before the target", request("GET  / HTTP/1.1", "Host: a"), errTarget},
	{"RFC 9112 §3.2: two spaces behind the target", request("GET /  HTTP/1.1", "Host: a"), errTarget},
	{"RFC 9112 §2.3: a space at the end", request("GET / HTTP/1.1 ", "Host: a"), errVersion},
	{"RFC 9112 §3.2: a space in the target", request("GET /a b HTTP/1.1", "Host: a"), errTarget},
	{"RFC 9112 §3: no target", request("GET HTTP/1.1", "Host: a"), errRequestLine},
	{"RFC 9112 §3: an empty target", request("GET  HTTP/1.1", "Host: a"), errRequestLine},
	{"RFC 9112 §3: HTTP/0.9", "GET /\r\n", errRequestLine},
	{"RFC 9112 §3.1: TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n", errMethod},

	{"RFC 9110 §15.6.6: HTTP/1.2", request("GET / HTTP/1.2", "Host: a"), errUnsupported},
	{"RFC 9110 §15.6.6: HTTP/2.0", request("GET / HTTP/2.0", "Host: a"), errUnsupported},
	{"RFC 9110 §15.6.6: the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", errUnsupported},
	{"RFC 9112 §2.3: no minor", request("GET / HTTP/1", "Host: a"), errVersion},
	{"RFC 9112 §2.3: leading zeros", request("GET / HTTP/01.01", "Host: a"), errVersion},
	{"RFC 9112 §2.3: two digits", request("GET / HTTP/1.10", "Host: a"), errVersion},
	{"RFC 9112 §2.3: a space within", request("GET / HTTP/ 1.1", "Host: a"), errVersion},
	{"RFC 9112 §2.3: lower case", request("GET / http/1.1", "Host: a"), errVersion},
	{"RFC 9112 §2.3: not digits", request("GET / HTTP/a.b", "Host: a"), errVersion},
	{"RFC 9112 §2.3: no dot", request("GET / HTTP/1,1", "Host: a"), errVersion},
	{"RFC 9112 §2.3: another protocol", request("GET / RTSP/1.0", "Host: a"), errVersion},

	{"RFC 9112 §3.2: a fragment", host("/a#b"), errTarget},
	{"RFC 9112 §3.2: a fragment in the query", host("/a?b#c"), errTarget},
	{"RFC 9112 §3.2: NUL in the target", host("/a\x00"), errTarget},
	{"RFC 9112 §3.2: a control byte in the query", host("/a?b\x1f"), errTarget},
	{"RFC 9112 §3.2: DEL in the target", host("/a\x7f"), errTarget},
	{"RFC 9112 §3.2: a target that is not ASCII", host("/caf\xc3\xa9"), errTarget},
	{"RFC 9112 §3.2: an overlong slash", host("/\xc0\xaf"), errTarget},
	{"RFC 3986 §2.1: an escape cut off", host("/%2"), errEscape},
	{"RFC 3986 §2.1: an escape cut off by the query", host("/%2?a"), errEscape},
	{"RFC 3986 §2.1: an escape that is not hexadecimal", host("/%2g"), errEscape},
	{"RFC 9112 §3.2.2: a relative path", host("a/b"), errAbsolute},
	{"RFC 9112 §3.2.2: only a query", host("?a"), errAbsolute},
	{"RFC 9112 §3.2.2: another scheme", host("ftp://b/"), errAbsolute},
	{"RFC 9112 §3.2.2: no authority", host("http:/b"), errAbsolute},
	{"RFC 9112 §3.2.2: no scheme", host("://b/"), errAbsolute},
	{"RFC 9112 §3.2.2: an empty host", host("http:///b"), errAbsolute},
	{"RFC 9112 §3.2.2: only a port", host("http://:80/b"), errAbsolute},
	{"RFC 9112 §3.2.2: user information", host("http://u:p@b/"), errAbsolute},
	{"RFC 9112 §3.2.2: a backslash behind the host", host("http://b\\@c/"), errAbsolute},
	{"RFC 9112 §3.2.2: authority-form without CONNECT", host("b:443"), errAbsolute},
	{"RFC 9112 §3.2.3: CONNECT to a path", request("CONNECT / HTTP/1.1", "Host: a"), errAuthority},
	{"RFC 9112 §3.2.3: CONNECT to a URI", request("CONNECT http://b:80/ HTTP/1.1", "Host: a"), errAuthority},
	{"RFC 9112 §3.2.3: CONNECT without a port", request("CONNECT b HTTP/1.1", "Host: a"), errAuthority},
	{"RFC 9112 §3.2.3: CONNECT with an empty port", request("CONNECT b: HTTP/1.1", "Host: a"), errAuthority},
	{"RFC 9112 §3.2.3: CONNECT to IPv6 without a port", request("CONNECT [::1] HTTP/1.1", "Host: a"), errAuthority},
	{"RFC 9112 §3.2.4: asterisk-form without OPTIONS", host("*"), errAsterisk},

	{"RFC 9112 §3.2: no Host", request("GET / HTTP/1.1", "A: b"), errNoHost},
	{"RFC 9112 §3.2: no fields at all", request("GET / HTTP/1.1"), errNoHost},
	{"RFC 9112 §3.2: no Host beside absolute-form", request("GET http://a/ HTTP/1.1"), errNoHost},
	{"RFC 9112 §3.2: an alias is no Host", request("GET / HTTP/1.1", "Ho_st: a"), errNoHost},
	{"RFC 9112 §3.2: two Hosts", host("/", "Host: b"), errHosts},
	{"RFC 9112 §3.2: two equal Hosts", host("/", "host: a"), errHosts},
	{"RFC 9112 §3.2: two Hosts in HTTP/1.0", request("GET / HTTP/1.0", "Host: a", "Host: b"), errHosts},
	{"RFC 9112 §3.2: an empty Host", request("GET / HTTP/1.1", "Host: "), errHost},
	{"RFC 9112 §3.2: a bad Host beside absolute-form", request("GET http://a/ HTTP/1.1", "Host: b/"), errHost},
	{"RFC 9112 §3.2: two in one Host", request("GET / HTTP/1.1", "Host: a, b"), errHost},
	{"RFC 9112 §3.2: Host with user information", request("GET / HTTP/1.1", "Host: u@a"), errHost},
	{"RFC 9112 §3.2: Host with a path", request("GET / HTTP/1.1", "Host: a/b"), errHost},
	{"RFC 9112 §3.2: Host with a scheme", request("GET / HTTP/1.1", "Host: http://a"), errHost},
	{"RFC 9112 §3.2: Host with an escape", request("GET / HTTP/1.1", "Host: a%2e"), errHost},
	{"RFC 9112 §3.2: Host that is not ASCII", request("GET / HTTP/1.1", "Host: \xc3\xa4"), errHost},
	{"RFC 9112 §3.2: Host with a space", request("GET / HTTP/1.1", "Host: a b"), errHost},
	{"RFC 9112 §3.2: Host with only a port", request("GET / HTTP/1.1", "Host: :80"), errHost},
	{"RFC 9112 §3.2: Host with a port of letters", request("GET / HTTP/1.1", "Host: a:b"), errHost},
	{"RFC 9112 §3.2: Host with two ports", request("GET / HTTP/1.1", "Host: a:1:2"), errHost},
	{"RFC 9112 §3.2: Host with a great port", request("GET / HTTP/1.1", "Host: a:65536"), errHost},
	{"RFC 9112 §3.2: Host with a port that overflows", request("GET / HTTP/1.1", "Host: a:18446744073709551617"), errHost},
	{"RFC 9112 §3.2: bare IPv6", request("GET / HTTP/1.1", "Host: ::1"), errHost},
	{"RFC 9112 §3.2: brackets open", request("GET / HTTP/1.1", "Host: [::1"), errHost},
	{"RFC 9112 §3.2: brackets round no address", request("GET / HTTP/1.1", "Host: [::g]"), errHost},
	{"RFC 9112 §3.2: brackets round IPv4", request("GET / HTTP/1.1", "Host: [192.0.2.1]"), errHost},
	{"RFC 9112 §3.2: brackets round a name", request("GET / HTTP/1.1", "Host: [a]"), errHost},
	{"RFC 9112 §3.2: something behind brackets", request("GET / HTTP/1.1", "Host: [::1]a"), errHost},
	{"RFC 9112 §3.2: IPv6 with a zone", request("GET / HTTP/1.1", "Host: [fe80::1%25eth0]"), errHost},

	{"RFC 9112 §5.2: obs-fold", host("/", "A: b", " c"), errFold},
	{"RFC 9112 §5.2: obs-fold by a tab", host("/", "A: b", "\tc"), errFold},
	{"RFC 9112 §5.2: obs-fold without a value before", host("/", "Transfer-Encoding:", " chunked"), errFold},
	{"RFC 9112 §5.1: a space before the colon", host("/", "A : b"), errNameSpace},
	{"RFC 9112 §5.1: a tab before the colon", host("/", "A\t: b"), errNameSpace},
	{"RFC 9112 §5: no colon", host("/", "A"), errName},
	{"RFC 9112 §5: no name", host("/", ": b"), errName},
	{"RFC 9112 §5: a name that is no token", host("/", "A[: b"), errName},
	{"RFC 9112 §5: a name that is not ASCII", host("/", "A\xc3\xab: b"), errName},
	{"RFC 9112 §5: a name with NUL", host("/", "A\x00: b"), errName},
	{"RFC 9112 §5: a name in quotes", host("/", "\"A\": b"), errName},
	{"RFC 9110 §5.5: NUL in a value", host("/", "A: b\x00c"), errValue},
	{"RFC 9110 §5.5: CR in a value", host("/", "A: b\rc"), errValue},
	{"RFC 9110 §5.5: CR CR LF", host("/", "A: b\r"), errValue},
	{"RFC 9110 §5.5: a control byte in a long value", host("/", "A: 0123456789\x07abcdef"), errValue},
	{"RFC 9110 §5.5: DEL at the end of a long value", host("/", "A: 0123456789\x7f"), errValue},

	{"RFC 9112 §6.3: an empty Content-Length", post("Content-Length: "), errLength},
	{"RFC 9112 §6.3: Content-Length with +", post("Content-Length: +5"), errLength},
	{"RFC 9112 §6.3: Content-Length below 0", post("Content-Length: -1"), errLength},
	{"RFC 9112 §6.3: Content-Length of -0", post("Content-Length: -0"), errLength},
	{"RFC 9112 §6.3: Content-Length in hexadecimal", post("Content-Length: 0x5"), errLength},
	{"RFC 9112 §6.3: Content-Length in octal", post("Content-Length: 0o5"), errLength},
	{"RFC 9112 §6.3: Content-Length with leading zeros", post("Content-Length: 0200"), errLength},
	{"RFC 9112 §6.3: Content-Length of 00", post("Content-Length: 00"), errLength},
	{"RFC 9112 §6.3: Content-Length with an underscore", post("Content-Length: 1_0"), errLength},
	{"RFC 9112 §6.3: Content-Length with a space", post("Content-Length: 1 0"), errLength},
	{"RFC 9112 §6.3: Content-Length of letters", post("Content-Length: abc"), errLength},
	{"RFC 9112 §6.3: Content-Length with a fraction", post("Content-Length: 5.0"), errLength},
	{"RFC 9112 §6.3: a list for Content-Length", post("Content-Length: 5, 10"), errLength},
	{"RFC 9112 §6.3: a list of equal ones", post("Content-Length: 5,5"), errLength},
	{"RFC 9112 §6.3: Content-Length overflows", post("Content-Length: 9223372036854775808"), errLength},
	{"RFC 9112 §6.3: Content-Length overflows by far", post("Content-Length: 99999999999999999999"), errLength},
	{"RFC 9112 §6.3: two Content-Lengths", post("Content-Length: 5", "Content-Length: 6"), errLengths},
	{"RFC 9112 §6.3: two equal Content-Lengths", post("Content-Length: 5", "Content-Length: 5"), errLengths},
	{"RFC 9110 §5.5: a tab before Content-Length", post("Content-Length:\t5"), errValue},
	{"RFC 9112 §6.1: both", post("Content-Length: 5", "Transfer-Encoding: chunked"), errBoth},
	{"RFC 9112 §6.1: both, the other way round", post("Transfer-Encoding: chunked", "Content-Length: 0"), errBoth},
	{"RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0", request("POST / HTTP/1.0", "Transfer-Encoding: chunked"), errCoding10},
	{"RFC 9112 §6.1: an empty Transfer-Encoding", post("Transfer-Encoding:"), errCodings},
	{"RFC 9112 §6.1: a comma before chunked", post("Transfer-Encoding: , chunked"), errCodings},
	{"RFC 9112 §6.1: a comma behind chunked", post("Transfer-Encoding: chunked,"), errCodings},
	{"RFC 9112 §6.1: chunked with a parameter", post("Transfer-Encoding: chunked;a=b"), errCodings},
	{"RFC 9112 §6.1: chunked in quotes", post("Transfer-Encoding: \"chunked\""), errCodings},
	{"RFC 9112 §6.1: two words", post("Transfer-Encoding: chunked identity"), errCodings},
	{"RFC 9112 §6.1: two Transfer-Encodings", post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), errCodingFields},
	{"RFC 9112 §6.1: the second is not chunked", post("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), errCodingFields},
	{"RFC 9112 §6.3: chunked twice", post("Transfer-Encoding: chunked, chunked"), errChunkedLast},
	{"RFC 9112 §6.3: chunked is not the last", post("Transfer-Encoding: chunked, gzip"), errChunkedLast},
	{"RFC 9112 §6.1: xchunked", post("Transfer-Encoding: xchunked"), errCoding},
	{"RFC 9112 §6.1: identity", post("Transfer-Encoding: identity"), errCoding},
	{"RFC 9112 §6.1: gzip under chunked", post("Transfer-Encoding: gzip, chunked"), errCoding},
	{"RFC 9112 §6.1: Kelvin is no k", post("Transfer-Encoding: chun\xe2\x84\xaaed"), errCodings},
	{"RFC 9110 §5.5: a tab before chunked", post("Transfer-Encoding:\tchunked"), errValue},
	{"RFC 9110 §5.5: a tab behind chunked", post("Transfer-Encoding: chunked\t"), errValue},
	{"RFC 9110 §5.5: a vertical tab before chunked", post("Transfer-Encoding: \vchunked"), errValue},
	{"RFC 9110 §5.5: NUL behind chunked", post("Transfer-Encoding: chunked\x00"), errValue},
	{"RFC 9110 §6.5.1: Content-Length as a trailer", post("Transfer-Encoding: chunked", "Trailer: a, content-length"), errTrailerNames},
}

func TestRefusedRequests(t *testing.T) {
	for _, tt := range refusedRequests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			if !strings.HasPrefix(tt.name, tt.want.Section+":") {
				t.Errorf("refused by %s", tt.want.Section)
			}
			inAnyPieces(tt.in, func(how string, ends ...int) {
				n, err := arrive(r.Parse, &defaults, tt.in, ends...)
				if n != 0 || !errors.Is(err, tt.want) {
					t.Fatalf("%s: got %d, %v, want %v", how, n, err, tt.want)
				}
			})
		})
	}
}

// RFC 9112 §3.2: which bytes a target may have, in its path and in its query.
func TestTargetBytes(t *testing.T) {
	for c := range 256 {
		for _, in := range []string{host("/a" + string([]byte{byte(c)}) + "?b"), host("/a?b" + string([]byte{byte(c)}))} {
			inPath := strings.HasSuffix(strings.Fields(in)[1], "?b")
			want := '!' <= c && c <= '~' && c != '#' && (c != '%' || !inPath)
			var r Request
			if _, err := r.Parse([]byte(in), &defaults); (err == nil) != want {
				t.Errorf("%q: %v", in, err)
			}
		}
	}
}
