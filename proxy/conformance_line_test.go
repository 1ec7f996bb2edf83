package proxy

import (
	"strings"
	"testing"
)

// bad is a request that is refused, after which nobody knows where another one
// would begin.
func bad(rule, name, send string) clientRow {
	return clientRow{rule: rule, name: name, send: send, want: "400 close"}
}

// fine is a request that reaches the backend, and what the backend sees of it.
func fine(rule, name, send, seen string) clientRow {
	return clientRow{rule: rule, name: name, send: send, want: "200", seen: []string{seen}}
}

// status is one that is refused in another way.
func status(rule, name, want, send string) clientRow {
	return clientRow{rule: rule, name: name, send: send, want: want}
}

var long = strings.Repeat("a", 100<<10)

var lineRows = []clientRow{
	bad("RFC 9112 §2.2", "LF alone ends the request line", "GET / HTTP/1.1\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.2", "LF alone ends a field", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n"),
	bad("RFC 9112 §2.2", "LF alone ends the head", "GET / HTTP/1.1\r\nHost: x\r\n\n"),
	bad("RFC 9112 §2.2", "LF alone ends every line", "GET / HTTP/1.1\nHost: x\n\n"),
	bad("RFC 9112 §2.2", "LF CR ends every line", "GET / HTTP/1.1\n\rHost: x\n\r\n\r"),
	bad("RFC 9112 §2.2", "CR alone ends the request line", "GET / HTTP/1.1\rHost: x\r\n\r\n"),
	bad("RFC 9112 §2.2", "CR alone ends every line", "GET / HTTP/1.1\rHost: x\r\r"),
	bad("RFC 9112 §2.2", "CR CR LF ends the request line", "GET / HTTP/1.1\r\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.2", "NUL before the end of the request line", "GET / HTTP/1.1\x00\r\nHost: x\r\n\r\n"),
	fine("RFC 9112 §2.2", "an empty line before the request", "\r\n"+getting("/"), "GET / at x"),
	fine("RFC 9112 §2.2", "an empty line behind a body", posting("Content-Length: 5")+"hello\r\n", `POST / at x, sized "hello"`),
	bad("RFC 9112 §2.2", "two empty lines before the request", "\r\n\r\n"+getting("/")),
	bad("RFC 9112 §2.2", "LF alone before the request", "\n"+getting("/")),
	bad("RFC 9112 §2.2", "a blank line before the request", "   \r\n\r\n"),
	bad("RFC 9112 §2.2", "a blank line behind the request line", "GET / HTTP/1.1\r\n \r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.2", "a space before the first field", "GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
	bad("RFC 9112 §2.2", "a tab before the first field", "GET / HTTP/1.1\r\n\tA: b\r\nHost: x\r\n\r\n"),

	status("RFC 9112 §2.3", "HTTP/1.2", "505 close", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
	status("RFC 9112 §2.3", "HTTP/2.0", "505 close", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
	status("RFC 9112 §2.3", "HTTP/9.9", "505 close", "GET / HTTP/9.9\r\nHost: x\r\n\r\n"),
	status("RFC 9112 §2.3", "HTTP/0.9", "400|505 close", "GET / HTTP/0.9\r\nHost: x\r\n\r\n"),
	status("RFC 9113 §3.4", "the preface of HTTP/2", "505 close", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	status("RFC 9113 §3.4", "the preface with frames behind", "505 close",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
	bad("RFC 9112 §2.3", "no minor version", "GET / HTTP/1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "an empty minor version", "GET / HTTP/1.\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "leading zeros", "GET / HTTP/01.01\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "two digits", "GET / HTTP/1.10\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "a space within", "GET / HTTP/ 1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "a sign", "GET / HTTP/+1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "lower case", "GET / http/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "mixed case", "GET / Http/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "a comma for the dot", "GET / HTTP/1,1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "letters for digits", "GET / HTTP/a.b\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "something behind", "GET / HTTP/1.1x\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §2.3", "another protocol", "GET / RTSP/1.0\r\nHost: x\r\n\r\n"),

	bad("RFC 9112 §3", "two spaces before the target", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "two spaces behind the target", "GET /  HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a space at the end", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a space at the beginning", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "tabs for spaces", "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a form feed for a space", "GET /\fHTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a vertical tab for a space", "GET\v/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a no-break space for a space", "GET\xa0/ HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "no target", "GET HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "an empty target", "GET  HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a method alone", "GET\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "HTTP/0.9", "GET /\r\n"),
	bad("RFC 9112 §3", "HTTP/0.9 with fields", "GET /\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a fourth word", "GET / HTTP/1.1 HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3", "a response", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
	bad("RFC 9112 §3", "TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x00\x01\x02\r\n"),
	bad("RFC 9112 §3", "SSH", "SSH-2.0-OpenSSH_9.6\r\n"),
	bad("RFC 9112 §3", "the PROXY protocol", "PROXY TCP4 6.6.6.6 127.0.0.1 1 2\r\n"+getting("/")),
	bad("RFC 9112 §3", "garbage", "\x00\x01\x02\xfe\xff\x80\x90\r\n\r\n"),

	bad("RFC 9112 §3.1", "no method", " / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3.1", "a method that is no token", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3.1", "a method with a colon", "GET: / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3.1", "a method that is not ASCII", "G\xc3\x84T / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3.1", "a method with NUL", "G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §3.1", "a method of 100 KB", long+" / HTTP/1.1\r\nHost: x\r\n\r\n"),
	fine("RFC 9112 §3.1", "any token is a method", "m!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: x\r\n\r\n", "m!#$%&'*+-.^_`|~9 / at x"),
	fine("RFC 9110 §9.1", "methods have a case", "get / HTTP/1.1\r\nHost: x\r\n\r\n", "get / at x"),
	fine("RFC 9110 §9.1", "a method that nobody knows", "FOOBAR / HTTP/1.1\r\nHost: x\r\n\r\n", "FOOBAR / at x"),
	{rule: "RFC 9110 §9.3.6", name: "CONNECT", send: "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", want: "405 close?", field: "Allow"},
	status("RFC 9110 §9.3.6", "CONNECT to a path", "400|405 close?", "CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n"),
	status("RFC 9110 §9.3.6", "CONNECT without a port", "400|405 close?", "CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n"),
	{rule: "RFC 9110 §9.3.8", name: "TRACE", send: "TRACE / HTTP/1.1\r\nHost: x\r\nCookie: a\r\n\r\n", want: "405 close?", field: "Allow"},
	status("RFC 9110 §9.3.8", "TRACE with a body", "405 close?", "TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
	fine("RFC 9110 §9.3.8", "trace is not TRACE", "trace / HTTP/1.1\r\nHost: x\r\n\r\n", "trace / at x"),
}

// What clients may send, and what must come of it: over real sockets, to a
// backend that takes nothing but what RFC 9112 lets a proxy send.
func TestClientConformance(t *testing.T) {
	names := map[string]bool{}
	for _, rows := range clientTables {
		for _, row := range rows {
			name := row.rule + ": " + row.name
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
			t.Run(name, row.run)
		}
	}
	t.Logf("%d rows", len(names))
}
