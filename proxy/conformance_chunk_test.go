package proxy

import "strings"

// broken is a POST whose chunks are not. The backend may have seen it begin.
func broken(rule, name, body string) clientRow {
	return clientRow{rule: rule, name: name, send: chunking(body), want: "400 close", cut: "POST / at x"}
}

// whole is a POST whose chunks are, and the body and trailers that arrive.
func whole(rule, name, body, seen string) clientRow {
	return fine(rule, name, chunking(body), strings.ReplaceAll(seen, "~", "POST / at x"))
}

const helloSeen = `~, chunked "hello"`

var chunkRows = []clientRow{
	whole("RFC 9112 §7.1", "one chunk", "5\r\nhello\r\n0\r\n\r\n", helloSeen),
	whole("RFC 9112 §7.1", "several chunks", "2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n", helloSeen),
	whole("RFC 9112 §7.1", "no chunk", "0\r\n\r\n", "~"),
	whole("RFC 9112 §7.1", "a size in upper case", "A\r\nhellohello\r\n0\r\n\r\n", `~, chunked "hellohello"`),
	whole("RFC 9112 §7.1", "zeros before a size", "0005\r\nhello\r\n000\r\n\r\n", helloSeen),
	whole("RFC 9112 §7.1", "data like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", `~, chunked "\r\n0\r\n\r\n"`),
	whole("RFC 9112 §7.1", "data like a request", "1f\r\n"+evil+"\r\n0\r\n\r\n", `~, chunked "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"`),
	whole("RFC 9112 §7.1.1", "an extension goes", "5;a\r\nhello\r\n0\r\n\r\n", helloSeen),
	whole("RFC 9112 §7.1.1", "several extensions go", "5;a=b;c;d=\"e;\\\"\"\r\nhello\r\n0;f=g\r\n\r\n", helloSeen),
	whole("RFC 9112 §7.1.1", "an extension with bad whitespace goes", "5; a = b\r\nhello\r\n0\r\n\r\n", helloSeen),
	fine("RFC 9112 §7.1", "chunks of a GET", getting("/", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n", `GET / at x, chunked "hello"`),

	broken("RFC 9112 §7.1", "no size", "\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "not hexadecimal", "g\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a plus", "+5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a plus before the last", "5\r\nhello\r\n+0\r\n\r\nX"),
	broken("RFC 9112 §7.1", "a minus", "-1\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a minus before the last", "5\r\nhello\r\n-0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a prefix of the last", "5\r\nhello\r\n0x0\r\n\r\n"),
	broken("RFC 9112 §7.1", "an underscore", "1_0\r\nhellohellohelloh\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a fraction", "5.0\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a space in front", " 5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a tab in front", "\t5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a space behind", "5 \r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a tab behind", "5\t\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a space behind the last", "5\r\nhello\r\n0 \r\n\r\n"),
	broken("RFC 9112 §7.1", "a space within", "1 0\r\nhellohellohelloh\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "NUL behind", "5\x00\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "a comma", "5,5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "overflow of 63 bits", "8000000000000000\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "overflow of 64 bits to a size", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "overflow of 64 bits", "FFFFFFFFFFFFFFFF0\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "zeros without end", strings.Repeat("0", 10_000)+"5\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "no line end behind data", "5\r\nhello0\r\n\r\n"),
	broken("RFC 9112 §7.1", "more data than said", "5\r\nhello!!\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "two bytes for the line end", "5\r\nhelloXX0\r\n\r\n"),
	broken("RFC 9112 §7.1", "two bytes for the line end, and a size for them", "5\r\nhelloXX2d\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "less data than said", "6\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "LF alone behind data", "5\r\nhello\n0\r\n\r\n"),
	broken("RFC 9112 §7.1", "CR alone behind data", "5\r\nhello\r0\r\n\r\n"),
	broken("RFC 9112 §7.1", "LF CR behind data", "5\r\nhello\n\r0\r\n\r\n"),
	broken("RFC 9112 §7.1", "two line ends behind data", "5\r\nhello\r\n\r\n0\r\n\r\n"),
	broken("RFC 9112 §2.2", "LF alone behind a size", "5\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §2.2", "CR alone behind a size", "5\rhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §2.2", "CR CR LF behind a size", "5\r\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §2.2", "LF alone behind the last size", "5\r\nhello\r\n0\n\r\n"),
	broken("RFC 9112 §2.2", "LF alone at the end", "5\r\nhello\r\n0\r\n\n"),
	broken("RFC 9112 §2.2", "CR alone at the end", "5\r\nhello\r\n0\r\n\r"),
	broken("RFC 9112 §7.1", "no line at the end", "5\r\nhello\r\n0\r\n"),
	broken("RFC 9112 §7.1.2", "a request for a trailer", "5\r\nhello\r\n0\r\n"+evil),
	broken("RFC 9112 §7.1.1", "a semicolon alone", "5;\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "a semicolon and LF", "5;\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "LF within an extension", "5;a\nbc\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "LF within an extension that hides a request", "2;\nxx\r\n24\r\n0\r\n\r\n"+evil+"\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "CR within an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "LF within a quoted value", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "a line end within a quoted value", "5;a=\"\r\nhello\r\n0\r\n\r\n"+evil+"\"\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "NUL in an extension", "5;\x00a\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "a name that is no token", "5;a[=b\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "no name", "5;=b\r\nhello\r\n0\r\n\r\n"),
	broken("RFC 9112 §7.1.1", "no semicolon", "5 a=b\r\nhello\r\n0\r\n\r\n"),
	{rule: "RFC 9112 §7.1.1", name: "an extension of 64 KB", send: chunking("5;a=" + long[:64<<10] + "\r\nhello\r\n0\r\n\r\n"),
		want: "400|431 close", cut: "POST / at x"},
	broken("RFC 9112 §7.1.1", "extensions of 1,000 chunks, more than the data", strings.Repeat("1;"+long[:100]+"\r\na\r\n", 1000)+"0\r\n\r\n"),
}

var trailerRows = []clientRow{
	fine("RFC 9112 §7.1.2", "a trailer", posting("Trailer: X-Sum", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n",
		`POST / at x, chunked "hello", trailer x-sum: 1`),
	whole("RFC 9112 §7.1.2", "a trailer that was not announced", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", helloSeen+", trailer x-sum: 1 or "+helloSeen),
	whole("RFC 9110 §6.5.1", "framing by Content-Length", "5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n", helloSeen),
	whole("RFC 9110 §6.5.1", "framing by Transfer-Encoding", "5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n", helloSeen),
	whole("RFC 9110 §6.5.1", "routing", "5\r\nhello\r\n0\r\nHost: evil\r\nMax-Forwards: 0\r\n\r\n", helloSeen),
	whole("RFC 9110 §6.5.1", "authentication", "5\r\nhello\r\n0\r\nAuthorization: evil\r\nCookie: evil\r\nProxy-Authorization: evil\r\n\r\n", helloSeen),
	whole("RFC 9110 §6.5.1", "the kind of content", "5\r\nhello\r\n0\r\nContent-Type: text/evil\r\nContent-Encoding: gzip\r\nContent-Range: a\r\n\r\n", helloSeen),
	whole("RFC 9110 §6.5.1", "what we say of the client", "5\r\nhello\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nVia: 1.1 evil\r\n\r\n", helloSeen),
	whole("RFC 9110 §7.6.1", "hop-by-hop", "5\r\nhello\r\n0\r\nConnection: close\r\nUpgrade: evil\r\nTE: evil\r\nKeep-Alive: 1\r\n\r\n", helloSeen),
	fine("RFC 9110 §6.5.1", "forbidden ones that were announced", posting("Trailer: Authorization, X-Sum, X-Forwarded-For", "Transfer-Encoding: chunked")+
		"5\r\nhello\r\n0\r\nAuthorization: evil\r\nX-Sum: 1\r\nX-Forwarded-For: 6.6.6.6\r\n\r\n", `POST / at x, chunked "hello", trailer x-sum: 1`),
	bad("RFC 9110 §6.5.1", "framing announced", posting("Trailer: Content-Length", "Transfer-Encoding: chunked")+"0\r\nContent-Length: 50\r\n\r\n"),
	broken("RFC 9112 §5.1", "a space before a trailer's colon", "5\r\nhello\r\n0\r\nA : b\r\n\r\n"),
	broken("RFC 9112 §5.2", "a folded trailer", "5\r\nhello\r\n0\r\nA: b\r\n c\r\n\r\n"),
	broken("RFC 9112 §5", "a trailer without a colon", "5\r\nhello\r\n0\r\nA\r\n\r\n"),
	broken("RFC 9112 §2.2", "LF alone ends a trailer", "5\r\nhello\r\n0\r\nA: b\n\r\n"),
	broken("RFC 9110 §5.5", "CR in a trailer", "5\r\nhello\r\n0\r\nA: b\rc\r\n\r\n"),
	broken("RFC 9110 §5.5", "NUL in a trailer", "5\r\nhello\r\n0\r\nA: \x00\r\n\r\n"),
	{rule: "RFC 6585 §5", name: "a trailer of 100 KB", send: chunking("5\r\nhello\r\n0\r\nA: " + long + "\r\n\r\n"), want: "400|431 close", cut: "POST / at x"},
	{rule: "RFC 6585 §5", name: "10,000 trailers", send: chunking("5\r\nhello\r\n0\r\n" + manyFields(10_000) + "\r\n\r\n"), want: "400|431 close", cut: "POST / at x"},
}
