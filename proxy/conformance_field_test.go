package proxy

import (
	"fmt"
	"strings"
)

// with is a GET with a field line.
func with(line string) string { return getting("/", line) }

var fieldRows = []clientRow{
	bad("RFC 9112 §5.1", "a space before the colon", with("A : b")),
	bad("RFC 9112 §5.1", "a tab before the colon", with("A\t: b")),
	bad("RFC 9112 §5.1", "a space before the colon of Host", host("/", "Host : x")),
	bad("RFC 9112 §5.1", "a space before the colon of a second Content-Length",
		posting("Content-Length: 5", "Content-Length : 6")+"hello"),
	bad("RFC 9112 §5", "no colon", with("A")),
	bad("RFC 9112 §5", "a request line among the fields", with("GET /evil HTTP/1.1")),
	bad("RFC 9112 §5", "no name", with(": b")),
	bad("RFC 9112 §5", "a colon alone", with(":")),
	bad("RFC 9112 §5", "a bracket in a name", with("A[b: c")),
	bad("RFC 9112 §5", "a slash in a name", with("A/b: c")),
	bad("RFC 9112 §5", "a name in quotes", with(`"A": b`)),
	bad("RFC 9112 §5", "a tab within a name", posting("Content-Length: 5", "Content\tLength: 9")+"hello"),
	bad("RFC 9112 §5", "a name that is not ASCII", with("A\xc3\xab: b")),
	bad("RFC 9112 §5", "NUL in a name", with("A\x00: b")),
	bad("RFC 9112 §5", "CR in a name", with("A\rB: c")),
	bad("RFC 9112 §5", "a control byte in front of a name", with("\x01A: b")),
	bad("RFC 9112 §5.2", "a folded line", with("A: b\r\n c")),
	bad("RFC 9112 §5.2", "a line folded by a tab", with("A: b\r\n\tc")),
	bad("RFC 9112 §5.2", "an empty line folded", with("A:\r\n b")),
	bad("RFC 9112 §5.2", "a folded blank", with("A: b\r\n \r\nB: c")),
	bad("RFC 9112 §5.2", "folded framing", posting("Transfer-Encoding:\r\n chunked")+"0\r\n\r\n"),
	bad("RFC 9110 §5.5", "NUL in a value", with("A: b\x00c")),
	bad("RFC 9110 §5.5", "CR in a value", with("A: b\rSet: evil")),
	bad("RFC 9110 §5.5", "CR at the end of a value", with("A: b\r")),
	bad("RFC 9110 §5.5", "LF in a value", with("A: b\nTransfer-Encoding: chunked")),
	bad("RFC 9110 §5.5", "BEL in a value", with("A: b\x07")),
	bad("RFC 9110 §5.5", "a vertical tab in a value", with("A: b\vc")),
	bad("RFC 9110 §5.5", "ESC in a value", with("A: \x1b[2J")),
	bad("RFC 9110 §5.5", "DEL in a value", with("A: b\x7f")),
	fine("RFC 9110 §5.5", "obs-text and tabs in a value", with("A: b\tc\xff\x80 d"), "GET / at x, a: b\tc\xff\x80 d"),
	fine("RFC 9112 §5", "blanks round a value", with("A: \t b \t"), "GET / at x, a: b"),
	fine("RFC 9112 §5", "no blank and no value", getting("/", "A:", "B:c"), "GET / at x, a: , b: c"),
	fine("RFC 9110 §5.6.2", "any token is a name", with("!#$%&'*+-.^_`|~9: b"), "GET / at x, !#$%&'*+-.^_`|~9: b"),
	fine("RFC 9110 §5.3", "equal names keep their order", getting("/", "B: 1", "A: 2", "b: 3", "B: 1"), "GET / at x, a: 2, b: 1, b: 3, b: 1"),
	fine("RFC 9110 §8.3", "two Content-Types are the backend's affair", posting("Content-Type: a/b", "Content-Type: c/d"),
		"POST / at x, content-type: a/b, content-type: c/d"),
	fine("RFC 6265 §4.2", "cookies as they came", getting("/", "Cookie: a=\"1; =;;", "Cookie: "), "GET / at x, cookie: a=\"1; =;;, cookie: "),
	fine("RFC 9110 §14.2", "ranges are the backend's affair", with("Range: bytes=abc-xyz, 0-,0-,0-"), "GET / at x, range: bytes=abc-xyz, 0-,0-,0-"),
	fine("RFC 9110 §14.2", "ranges of a POST are, too", posting("Range: bytes=0-10", "Content-Length: 5")+"hello",
		`POST / at x, sized "hello", range: bytes=0-10`),
	fine("RFC 9110 §5.4", "a value of 8 KB", with("A: "+long[:8<<10]), "GET / at x, a: "+long[:8<<10]),
	fine("RFC 9110 §5.4", "100 fields", with(strings.TrimSuffix(strings.Repeat("A: b\r\n", 100), "\r\n")),
		"GET / at x"+strings.Repeat(", a: b", 100)),
	status("RFC 6585 §5", "a value of 100 KB", "431 close", with("A: "+long)),
	status("RFC 6585 §5", "a name of 100 KB", "431 close", with(long+": b")),
	status("RFC 6585 §5", "10,000 fields", "431 close", with(manyFields(10_000))),
}

func manyFields(n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("X-%d: a", i))
	}
	return strings.Join(all, "\r\n")
}

// fields that are between two neighbours, and those that are not (RFC 9110
// §7.6). What rota says of the client is looked at in every row; here are those
// in which the client says it too.
var forwardRows = []clientRow{
	fine("RFC 9110 §7.6.1", "hop-by-hop fields go", getting("/", "Keep-Alive: 5", "Proxy-Connection: close", "Proxy-Authorization: a", "TE: gzip"),
		"GET / at x"),
	fine("RFC 9110 §7.6.1", "so does what Connection names", getting("/", "X-Hop: 1", "Connection: X-Hop, x-HOP-2", "X-Hop-2: 1", "X-End: 1"),
		"GET / at x, x-end: 1"),
	fine("RFC 9110 §7.6.1", "in two lines, too", getting("/", "Connection: A", "A: 1", "B: 2", "Connection: ,, B,"), "GET / at x"),
	fine("RFC 9110 §7.6.1", "what is end-to-end stays", getting("/", "Connection: Host, Authorization, Cookie, Cache-Control, Range",
		"Authorization: a", "Cookie: b", "Cache-Control: c", "Range: d"),
		"GET / at x, authorization: a, cache-control: c, cookie: b, range: d"),
	fine("RFC 9110 §7.6.1", "the length stays", posting("Connection: Content-Length", "Content-Length: 5")+"hello", `POST / at x, sized "hello"`),
	fine("RFC 9110 §7.6.1", "the coding stays", posting("Connection: Transfer-Encoding, Trailer", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n",
		`POST / at x, chunked "hello"`),
	fine("RFC 9110 §7.6.1", "our own stay", getting("/", "Connection: X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Host, Via"), "GET / at x"),
	fine("RFC 9110 §7.6.1", "Connection that is no list of tokens", getting("/", "Connection: \"X-Hop, ;=", "X-End: 1"), "GET / at x, x-end: 1"),
	fine("RFC 9110 §10.1.4", "TE keeps trailers", getting("/", "TE: trailers, gzip;q=0.5", "Connection: TE"),
		"GET / at x, connection: TE, te: trailers or GET / at x, connection: te, te: trailers or GET / at x"),
	fine("RFC 7239 §4", "forged, as we would say it", getting("/", "X-Forwarded-For: 6.6.6.6", "x-forwarded-PROTO: evil", "X-Forwarded-Host: evil",
		"Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6"), "GET / at x"),
	fine("RFC 7239 §4", "forged, as we never say it", getting("/", "X-Forwarded-Port: 666", "X-Forwarded-Prefix: /evil", "X-Forwarded-Server: evil"), "GET / at x"),
	fine("RFC 3875 §4.1.18", "forged by aliases", getting("/", "X_Forwarded_For: 6.6.6.6", "X-Forwarded_Proto: evil", "x_real_ip: 6.6.6.6",
		"X_FORWARDED_HOST: evil"), "GET / at x"),
	fine("RFC 3875 §4.1.18", "an alias of Content-Length", posting("Content-Length: 5", "Content_Length: 50")+"hello", `POST / at x, sized "hello"`),
	fine("RFC 3875 §4.1.18", "an alias of Transfer-Encoding", posting("Content-Length: 5", "Transfer_Encoding: chunked")+"hello", `POST / at x, sized "hello"`),
	fine("RFC 3875 §4.1.18", "a name of one's own with an underscore", with("my_field: a"), "GET / at x, my_field: a"),
	fine("RFC 9110 §7.6.3", "Via of others", getting("/", "Via: 1.0 fred", "Via: 1.1 wilma (a, b)"), "GET / at x"),
	{rule: "RFC 9110 §7.6.2", name: "Max-Forwards has run out", send: "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 0\r\n\r\n", want: "200|204 close?"},
	fine("RFC 9110 §7.6.2", "Max-Forwards counts down", "OPTIONS / HTTP/1.1\r\nHost: x\r\nMax-Forwards: 5\r\n\r\n", "OPTIONS / at x, max-forwards: 4"),
	fine("RFC 9110 §7.6.2", "Max-Forwards is nothing to a GET", with("Max-Forwards: 0"), "GET / at x, max-forwards: 0"),
}
