package proxy

import (
	"strings"

	"github.com/rota-lb/rota/internal/testkit"
)

const (
	headPlain = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"
	stolen    = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
)

// surplus is more than an answer. What is too much must not answer anything, so
// the connection is not used again.
func surplus(rule, name, ask, answer, want string) backendRow {
	return backendRow{rule: rule, name: name, ask: ask, answer: answer, want: want}
}

var bodilessRows = []backendRow{
	surplus("RFC 9112 §6.3", "another answer behind a length", plain, respond("200 OK", "Content-Length: 5")+stolen, `200 "hello"`),
	surplus("RFC 9112 §6.3", "more than the length", plain, respond("200 OK", "Content-Length: 3"), `200 "hel"`),
	surplus("RFC 9112 §6.3", "more than a length of 0", plain, respond("200 OK", "Content-Length: 0"), "200"),
	surplus("RFC 9112 §6.3", "a line end behind a length", plain, respond("200 OK", "Content-Length: 5")+"\r\n", `200 "hello"`),
	surplus("RFC 9112 §7.1", "another answer behind chunks", plain, chunks("5\r\nhello\r\n0\r\n\r\n")+stolen, `200 "hello"`),
	surplus("RFC 9112 §7.1", "a line end behind chunks", plain, chunks("5\r\nhello\r\n0\r\n\r\n")+"\r\n", `200 "hello"`),
	surplus("RFC 9112 §6.3", "a body of HEAD", headPlain, respond("200 OK", "Content-Length: 5"), "200"),
	surplus("RFC 9112 §6.3", "a body of HEAD without a length", headPlain, respond("200 OK"), "200"),
	surplus("RFC 9112 §6.3", "chunks of HEAD", headPlain, chunks("5\r\nhello\r\n0\r\n\r\n"), "200"),
	surplus("RFC 9112 §6.3", "another answer behind HEAD", headPlain, lines("HTTP/1.1 200 OK", "Content-Length: 5")+stolen, "200"),
	surplus("RFC 9112 §6.3", "a body of 204", plain, respond("204 No Content", "Content-Length: 5"), "204"),
	surplus("RFC 9112 §6.3", "a body of 204 without a length", plain, respond("204 No Content"), "204"),
	surplus("RFC 9112 §6.3", "chunks of 204", plain, lines("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n", "204"),
	surplus("RFC 9112 §6.3", "a body of 304", plain, respond("304 Not Modified", "Content-Length: 5"), "304"),
	surplus("RFC 9112 §6.3", "a body of 304 without a length", plain, respond("304 Not Modified"), "304"),
	surplus("RFC 9112 §6.3", "chunks of 304", plain, lines("HTTP/1.1 304 Not Modified", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n", "304"),

	{rule: "RFC 9112 §6.3", name: "HEAD", ask: headPlain, answer: lines("HTTP/1.1 200 OK", "Content-Length: 5", "A: b"), then: (*testkit.BackendConn).Serve, want: "200, a: b"},
	{rule: "RFC 9112 §6.3", name: "HEAD of what would be chunked", ask: headPlain, answer: chunks(""), then: (*testkit.BackendConn).Serve, want: "200"},
	{rule: "RFC 9112 §6.3", name: "HEAD of what would end with the connection", ask: headPlain, answer: lines("HTTP/1.1 200 OK"), then: (*testkit.BackendConn).Serve, want: "200"},
	right("RFC 9112 §6.3", "204", lines("HTTP/1.1 204 No Content", "A: b"), "204, a: b"),
	right("RFC 9110 §8.6", "204 with a length of 0", lines("HTTP/1.1 204 No Content", "Content-Length: 0"), "204"),
	right("RFC 9112 §6.3", "304 with the length of what it is about", lines("HTTP/1.1 304 Not Modified", "Content-Length: 5", "ETag: \"a\""), `304, etag: "a"`),
}

const hint = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"

var interimRows = []backendRow{
	right("RFC 9110 §15.2", "103", hint+respond("200 OK", "Content-Length: 5"), `103, 200 "hello"`),
	right("RFC 9110 §15.2", "102", "HTTP/1.1 102 Processing\r\n\r\n"+respond("200 OK", "Content-Length: 5"), `102, 200 "hello"`),
	right("RFC 9110 §15.2", "one that nobody knows", "HTTP/1.1 199 What\r\n\r\n"+respond("200 OK", "Content-Length: 5"), `199, 200 "hello"`),
	right("RFC 9110 §10.1.1", "100 that nobody waits for", "HTTP/1.1 100 Continue\r\n\r\n"+respond("200 OK", "Content-Length: 5"),
		`100, 200 "hello" or 200 "hello"`),
	right("RFC 9110 §15.2", "32 of them", strings.Repeat(hint, 32)+respond("200 OK", "Content-Length: 5"), strings.Repeat("103, ", 32)+`200 "hello"`),
	{rule: "RFC 9110 §15.2", name: "33 of them", answer: strings.Repeat(hint, 33) + respond("200 OK", "Content-Length: 5"),
		want: strings.Repeat("103, ", 32) + "502", strikes: 1},
	{rule: "RFC 9110 §15.2", name: "10,000 of them", answer: strings.Repeat(hint, 10_000), want: strings.Repeat("103, ", 32) + "502", strikes: 1},
	{rule: "RFC 9110 §15.2", name: "to HTTP/1.0", ask: oldPlain, answer: hint + respond("200 OK", "Content-Length: 5"), then: (*testkit.BackendConn).Serve, want: `200 "hello"`},
	{rule: "RFC 9112 §6.3", name: "one with a length", answer: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello" + respond("200 OK", "Content-Length: 5"),
		want: "502 or 103, 502", strikes: 1},
	{rule: "RFC 9112 §4", name: "one before garbage", answer: hint + "garbage\r\n\r\n", want: "103, 502", strikes: 1},
	{rule: "RFC 9110 §9.2.2", name: "one, then closed, POST", ask: posting(), answer: hint, then: closes, want: "103, 502", strikes: 1},
	{rule: "RFC 9110 §9.2.2", name: "one, then closed, GET", answer: hint, then: closes, want: `103, 200 "GET /" or 103, 502`, strikes: 1},
}

// drips says a text byte by byte, and goes on.
func drips(text string) func(*testkit.BackendConn) {
	return func(c *testkit.BackendConn) {
		for i := range len(text) {
			c.Say(text[i : i+1])
		}
		c.Serve()
	}
}

var passRows = []backendRow{
	right("RFC 9112 §4", "no reason", respond("200 ", "Content-Length: 5"), `200 "hello"`),
	right("RFC 9112 §4", "no reason, and no space", respond("200", "Content-Length: 5"), `200 "hello"`),
	right("RFC 9112 §4", "an odd reason", respond("200 Not\tso \xe4", "Content-Length: 5"), `200 "hello"`),
	right("RFC 9110 §15", "a status that nobody knows", respond("299 Fine", "Content-Length: 5"), `299 "hello"`),
	right("RFC 9110 §15", "a class that nobody knows", respond("999 What", "Content-Length: 5"), `999`),
	right("RFC 9110 §5.3", "equal names keep their order", respond("200 OK", "Set-Cookie: b", "A: 1", "set-cookie: a", "Content-Length: 5"),
		`200 "hello", a: 1, set-cookie: b, set-cookie: a`),
	right("RFC 9110 §5.5", "blanks round a value, obs-text in it", respond("200 OK", "A: \t b\xff \t", "Content-Length: 5"), "200 \"hello\", a: b\xff"),
	right("RFC 9110 §8.3", "nothing is made up", respond("200 OK", "Content-Length: 5", "Content-Type:", "Server: a"), `200 "hello", content-type: , server: a`),
	right("RFC 9110 §7.6.1", "hop-by-hop fields go", respond("200 OK", "Connection: X-Hop, keep-alive", "X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Connection: a", "Upgrade: h2c",
		"X-End: 1", "Content-Length: 5"), `200 "hello", x-end: 1`),
	right("RFC 9110 §7.6.1", "what is end-to-end stays", respond("200 OK", "Connection: Set-Cookie, Content-Type, Content-Length, Cache-Control, Date", "Set-Cookie: a", "Content-Type: b",
		"Cache-Control: c", "Content-Length: 5"), `200 "hello", cache-control: c, content-type: b, set-cookie: a`),
	right("RFC 9110 §15.6.4", "503 with Retry-After", respond("503 Busy", "Retry-After: 7", "Content-Length: 5"), "503"),
	right("RFC 9110 §15.6.1", "500", respond("500 Oh", "A: b", "Content-Length: 5"), "500, a: b"),
	right("RFC 9110 §15.4", "a redirect", respond("302 Found", "Location: http://evil//a/../b", "Content-Length: 5"), `302 "hello", location: http://evil//a/../b`),
	right("RFC 9112 §7.1", "chunks", chunks("2;a=b\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"), `200 "hello"`),
	{rule: "RFC 9112 §7.1", name: "chunks, to HTTP/1.0", ask: oldPlain, answer: chunks("5\r\nhello\r\n0\r\nA: b\r\n\r\n"), then: (*testkit.BackendConn).Serve, want: `200 "hello"`},
	{rule: "RFC 9110 §6.5", name: "trailers", ask: getting("/", "TE: trailers", "Connection: TE"), answer: lines("HTTP/1.1 200 OK", "Trailer: X-Sum", "Transfer-Encoding: chunked") +
		"5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nSet-Cookie: evil\r\n\r\n", then: (*testkit.BackendConn).Serve, want: `200 "hello", trailer x-sum: 1`},
	{rule: "RFC 9112 §6.3", name: "until the end", answer: respond("200 OK"), then: closes, want: `200 "hello"`},
	{rule: "RFC 9112 §6.3", name: "until the end, whatever it says", answer: respond("200 OK", "Connection: keep-alive"), then: closes, want: `200 "hello"`},
	{rule: "RFC 9112 §6.3", name: "until the end, to HTTP/1.0", ask: oldPlain, answer: respond("200 OK"), then: closes, want: `200 "hello"`},
	{rule: "RFC 9112 §9.6", name: "close, but it stays", answer: respond("200 OK", "Connection: close", "Content-Length: 5"), want: `200 "hello"`},
	{rule: "RFC 9112 §9.3", name: "HTTP/1.0 stays, without a word", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: `200 "hello"`},
	right("RFC 9112 §9.3", "HTTP/1.0 that keeps alive", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello", `200 "hello"`),
	{rule: "RFC 9112 §9.6", name: "closed behind the answer, without a word", answer: respond("200 OK", "Content-Length: 5"), then: closes, want: `200 "hello"`},
	{rule: "RFC 9112 §9.6", name: "reset behind the answer", answer: respond("200 OK", "Content-Length: 5"), then: (*testkit.BackendConn).Reset, want: `200 "hello"`},
	{rule: "RFC 9112 §2.2", name: "byte by byte", then: drips(hint + respond("200 OK", "A: b", "Content-Length: 5")), want: `103, 200 "hello", a: b`},
	{rule: "RFC 9112 §2.2", name: "chunks, byte by byte", then: drips(chunks("5;a\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")), want: `200 "hello", trailer x-sum: 1 or 200 "hello"`},
}
