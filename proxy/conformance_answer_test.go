package proxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rota-lb/rota/internal/testkit"
)

var backendTables = [][]backendRow{malformedRows, framingRows, endRows, cutRows, bodilessRows, interimRows, passRows}

var malformedRows = []backendRow{
	wrong("RFC 9112 §4", "another protocol", "220 mail.example.com ESMTP\r\n\r\n"),
	wrong("RFC 9112 §4", "HTTP/0.9", "<html>hello</html>\r\n\r\n"),
	wrong("RFC 9112 §4", "SSH", "SSH-2.0-OpenSSH_9.6\r\n"),
	wrong("RFC 9112 §4", "ICY", "ICY 200 OK\r\n\r\n"),
	wrong("RFC 9112 §4", "an empty line before", "\r\n"+respond("200 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "a space before", " "+respond("200 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "no status", respond("", "Content-Length: 5")),
	wrong("RFC 9112 §4", "a reason for a status", respond("OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "two digits", respond("20 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "four digits", respond("2000 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "a sign", respond("+20 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "letters", respond("2xx OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "below 100", respond("099 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "two spaces", respond(" 200 OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "a tab", "HTTP/1.1\t200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §4", "no space before the reason", respond("200OK", "Content-Length: 5")),
	wrong("RFC 9112 §4", "NUL in the reason", respond("200 O\x00K", "Content-Length: 5")),
	wrong("RFC 9112 §4", "CR in the reason", respond("200 O\rK", "Content-Length: 5")),
	wrong("RFC 9112 §2.3", "HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §2.3", "HTTP/1.2", "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §2.3", "two digits of version", "HTTP/1.10 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §2.3", "lower case", "http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §2.2", "LF alone behind the status line", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello"),
	wrong("RFC 9112 §2.2", "LF alone behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 5\nA: b\r\n\r\nhello"),
	wrong("RFC 9112 §2.2", "LF alone everywhere", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
	wrong("RFC 9112 §2.2", "CR alone behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 5\rA: b\r\n\r\nhello"),
	wrong("RFC 9112 §5.1", "a space before the colon", respond("200 OK", "A : b", "Content-Length: 5")),
	wrong("RFC 9112 §5.1", "a space before the colon of the length", respond("200 OK", "Content-Length : 5")),
	wrong("RFC 9112 §5.2", "a folded line", respond("200 OK", "A: b", " c", "Content-Length: 5")),
	wrong("RFC 9112 §5.2", "folded framing", respond("200 OK", "Content-Length:", " 5")),
	wrong("RFC 9112 §5", "a space before the first field", respond("200 OK", " A: b", "Content-Length: 5")),
	wrong("RFC 9112 §5", "no colon", respond("200 OK", "A", "Content-Length: 5")),
	wrong("RFC 9112 §5", "no name", respond("200 OK", ": b", "Content-Length: 5")),
	wrong("RFC 9112 §5", "a name that is no token", respond("200 OK", "A[: b", "Content-Length: 5")),
	wrong("RFC 9110 §5.5", "NUL in a value", respond("200 OK", "A: b\x00", "Content-Length: 5")),
	wrong("RFC 9110 §5.5", "CR in a value", respond("200 OK", "A: b\rSet-Cookie: evil", "Content-Length: 5")),
	wrong("RFC 9110 §5.5", "a control byte in a value", respond("200 OK", "A: \x1b[2J", "Content-Length: 5")),
	wrong("RFC 6585 §5", "a status line of 1 MB", "HTTP/1.1 200 "+strings.Repeat(long, 10)+"\r\n\r\n"),
	wrong("RFC 6585 §5", "a value of 1 MB", respond("200 OK", "A: "+strings.Repeat(long, 10), "Content-Length: 5")),
	wrong("RFC 6585 §5", "100,000 fields", respond("200 OK", manyFields(100_000), "Content-Length: 5")),
}

// chunks is an answer with a body that should be chunked.
func chunks(body string) string { return lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked") + body }

// wrongChunks is one whose head may have gone out when it shows, or be lost with
// the reset by which the client sees it.
func wrongChunks(rule, name, body string) backendRow {
	return backendRow{rule: rule, name: name, answer: chunks(body), want: "200 cut or 502", strikes: 1}
}

var framingRows = []backendRow{
	wrong("RFC 9112 §6.3", "two lengths", respond("200 OK", "Content-Length: 5", "Content-Length: 6")),
	wrong("RFC 9112 §6.3", "the third length differs", respond("200 OK", "Content-Length: 5", "Content-Length: 5", "Content-Length: 50")),
	wrong("RFC 9112 §6.3", "a list", respond("200 OK", "Content-Length: 5, 6")),
	wrong("RFC 9112 §6.3", "a length below 0", respond("200 OK", "Content-Length: -5")),
	wrong("RFC 9112 §6.3", "a length with a plus", respond("200 OK", "Content-Length: +5")),
	wrong("RFC 9112 §6.3", "a hexadecimal length", respond("200 OK", "Content-Length: 0x5")),
	wrong("RFC 9112 §6.3", "a length of letters", respond("200 OK", "Content-Length: abc")),
	wrong("RFC 9112 §6.3", "an empty length", respond("200 OK", "Content-Length:")),
	wrong("RFC 9112 §6.3", "a length that overflows", respond("200 OK", "Content-Length: 18446744073709551621")),
	wrong("RFC 9112 §6.3", "a malformed length, of 304", lines("HTTP/1.1 304 Not Modified", "Content-Length: x")),
	wrong("RFC 9112 §6.1", "both", lines("HTTP/1.1 200 OK", "Content-Length: 15", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "both, the other way round", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Length: 15")+"5\r\nhello\r\n0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "both, of no length", lines("HTTP/1.1 200 OK", "Content-Length: 0", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "a coding that nobody asked for", lines("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked")+"5\r\nhello\r\n0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "identity", respond("200 OK", "Transfer-Encoding: identity", "Connection: close")),
	wrong("RFC 9112 §6.1", "chunked is not the last", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked, gzip")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "chunked twice", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked, chunked")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "chunked twice, in two lines", lines("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "xchunked", lines("HTTP/1.1 200 OK", "Transfer-Encoding: xchunked")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "a control byte", lines("HTTP/1.1 200 OK", "Transfer-Encoding: \vchunked")+"0\r\n\r\n"),
	wrong("RFC 9112 §6.1", "chunked in HTTP/1.0", lines("HTTP/1.0 200 OK", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	right("RFC 9112 §6.3", "equal lengths", respond("200 OK", "Content-Length: 5", "content-length: 5"), `200 "hello" or 502`),

	wrongChunks("RFC 9112 §7.1", "not hexadecimal", "5\r\nhello\r\nxyz\r\n"),
	wrongChunks("RFC 9112 §7.1", "the first is not hexadecimal", "xyz\r\nhello\r\n0\r\n\r\n"),
	wrongChunks("RFC 9112 §7.1", "a minus", "5\r\nhello\r\n-1\r\n"),
	wrongChunks("RFC 9112 §7.1", "overflow", "5\r\nhello\r\nffffffffffffffff0\r\n"),
	wrongChunks("RFC 9112 §7.1", "no line end behind data", "5\r\nhello0\r\n\r\n"),
	wrongChunks("RFC 9112 §7.1", "more data than said", "5\r\nhello world\r\n0\r\n\r\n"),
	wrongChunks("RFC 9112 §2.2", "LF alone", "5\nhello\n0\n\n"),
	wrongChunks("RFC 9112 §2.2", "LF alone at the end", "5\r\nhello\r\n0\r\n\n"),
	wrongChunks("RFC 9112 §7.1.1", "a semicolon and LF", "5;\nhello\r\n0\r\n\r\n"),
	wrongChunks("RFC 9112 §7.1.1", "an extension of 64 KB", "5;a="+long[:64<<10]+"\r\nhello\r\n0\r\n\r\n"),
	wrongChunks("RFC 9112 §5", "a trailer without a colon", "5\r\nhello\r\n0\r\nA\r\n\r\n"),
	wrongChunks("RFC 9112 §5.2", "a folded trailer", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"),
	wrongChunks("RFC 6585 §5", "a trailer of 100 KB", "5\r\nhello\r\n0\r\nA: "+long+"\r\n\r\n"),
}

const oldPlain = "GET / HTTP/1.0\r\nHost: x\r\n\r\n"

// rescuable is an end before there was a response. A GET goes elsewhere, a POST
// does not.
func rescuable(name, answer string, then func(*testkit.BackendConn)) (rows []backendRow) {
	lost := "502"
	if then == nil {
		lost = "504"
	}
	for what, ask := range map[string]string{
		"GET": plain, "POST": posting(), "POST with a body": sized(" 5"), "POST with chunks": chunking("5\r\nhello\r\n0\r\n\r\n"),
	} {
		want := lost
		if what == "GET" {
			want = `200 "GET /"`
		}
		rows = append(rows, backendRow{rule: "RFC 9110 §9.2.2", name: what + ": " + name,
			ask: ask, answer: answer, then: then, want: want, strikes: 1, hasty: then == nil})
	}
	return rows
}

// torn is an end within a body. The client must see that it is one, in HTTP/1.0
// too, where nothing else may tell it from the proper end. Where all of it is
// there at once, the proxy may see it before it has told the client anything.
func torn(name, answer string, then func(*testkit.BackendConn)) []backendRow {
	want, rescued := "200 cut", ""
	if then != nil {
		want, rescued = "200 cut or nothing or 502", ` or 200 "GET /"`
	}
	row := backendRow{rule: "RFC 9112 §8", answer: answer, then: then, strikes: 1, hasty: then == nil}
	get, old, post := row, row, row
	get.name, get.want = name, want+rescued
	old.name, old.want, old.ask = name+", to HTTP/1.0", want+rescued, oldPlain
	post.name, post.want, post.ask = name+", to a POST", want, sized(" 5")
	return []backendRow{get, old, post}
}

var endRows = slices.Concat(
	rescuable("closed", "", closes),
	rescuable("reset", "", (*testkit.BackendConn).Reset),
	rescuable("closed within the status line", "HTTP/1.1 20", closes),
	rescuable("reset within the status line", "HTTP/1.1 20", (*testkit.BackendConn).Reset),
	rescuable("closed within the head", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", closes),
	rescuable("closed behind an interim response of no interest", "HTTP/1.1 100 Continue\r\n\r\n", closes),
	rescuable("silent", "", nil),
	rescuable("silent within the head", "HTTP/1.1 200 OK\r\nA: b", nil),
	torn("closed within a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", closes),
	torn("reset within a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", (*testkit.BackendConn).Reset),
	torn("silent within a length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", nil),
	torn("closed before a length begins", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", closes),
	torn("closed within a chunk", chunks("a\r\nhello"), closes),
	torn("closed within the size of a chunk", chunks("5\r\nhello\r\n5"), closes),
	torn("closed behind a chunk", chunks("5\r\nhello\r\n"), closes),
	torn("closed behind the last chunk", chunks("5\r\nhello\r\n0\r\n"), closes),
	torn("closed within the trailers", chunks("5\r\nhello\r\n0\r\nA: b\r\n"), closes),
	torn("reset behind a chunk", chunks("5\r\nhello\r\n"), (*testkit.BackendConn).Reset),
	torn("silent behind a chunk", chunks("5\r\nhello\r\n"), nil),
	torn("reset before the end", "HTTP/1.1 200 OK\r\n\r\nhello", (*testkit.BackendConn).Reset),
	torn("silent before the end", "HTTP/1.1 200 OK\r\n\r\nhello", nil),
)

// cutRows have an answer that ends at each of its bytes.
var cutRows = func() (rows []backendRow) {
	for what, whole := range map[string]string{"a length": respond("200 OK", "Content-Length: 5"), "chunks": chunks("5\r\nhello\r\n0\r\n\r\n")} {
		for n := range len(whole) {
			inHead := n < strings.Index(whole, "\r\n\r\n")+4
			for how, end := range map[string]func(*testkit.BackendConn){"closed": closes, "reset": (*testkit.BackendConn).Reset} {
				for ask, rescued := range map[string]string{plain: `200 "GET /"`, posting(): "502"} {
					want := rescued
					if !inHead {
						want += " or 200 cut or nothing or 502"
					}
					rows = append(rows, backendRow{rule: "RFC 9112 §8", name: fmt.Sprintf("%s, %s after %d bytes, %.4s", what, how, n, ask),
						ask: ask, answer: whole[:n], then: end, want: want, strikes: 1})
				}
			}
		}
	}
	return rows
}()
