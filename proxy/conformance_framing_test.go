package proxy

import (
	"fmt"
	"strings"
)

const evil = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"

// sized is a POST of hello with a line that should be its length.
func sized(length string) string { return posting("Content-Length:"+length) + "hello" }

// coded is a POST with a line that should be its transfer coding. What follows
// is empty if it is chunked.
func coded(coding string) string { return posting("Transfer-Encoding:"+coding) + "0\r\n\r\n" }

// both is a POST with a line that should be its transfer coding, and a length.
func both(coding string) string {
	return posting("Transfer-Encoding:"+coding, "Content-Length: 5") + "hello"
}

var lengthRows = []clientRow{
	fine("RFC 9112 §6.3", "a length", sized(" 5"), `POST / at x, sized "hello"`),
	fine("RFC 9112 §6.3", "a length among blanks", sized("   5  "), `POST / at x, sized "hello"`),
	fine("RFC 9112 §6.3", "a length of 0", posting("Content-Length: 0"), "POST / at x"),
	fine("RFC 9112 §6.3", "no length", posting(), "POST / at x"),
	fine("RFC 9110 §9.3.1", "GET with a body", getting("/", "Content-Length: 5")+"hello", `GET / at x, sized "hello"`),
	fine("RFC 9110 §9.3.1", "GET with a body like a request", getting("/", fmt.Sprint("Content-Length: ", len(evil)))+evil,
		fmt.Sprintf("GET / at x, sized %q", evil)),
	fine("RFC 9110 §9.3.1", "GET with a body like the beginning of one", getting("/", "Content-Length: 35")+"GET /evil HTTP/1.1\r\nHost: x\r\nA: bcd",
		fmt.Sprintf("GET / at x, sized %q", "GET /evil HTTP/1.1\r\nHost: x\r\nA: bcd")),
	fine("RFC 9110 §9.3.5", "DELETE with a body", "DELETE / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", `DELETE / at x, sized "hello"`),
	fine("RFC 9110 §9.3.7", "OPTIONS with a body", "OPTIONS / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", `OPTIONS / at x, sized "hello"`),
	{rule: "RFC 9110 §9.3.2", name: "HEAD with a body", send: "HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", method: "HEAD",
		want: "200", seen: []string{`HEAD / at x, sized "hello"`}, field: "Content-Length: 6"},
	// What is behind a body of no length begins the next request, whatever it is.
	{rule: "RFC 9112 §6.3", name: "a byte behind a length of 0", want: "200 200",
		seen: []string{"POST / at x", "XGET /next at x"}, steps: []step{say(posting("Content-Length: 0") + "X" + next)}},
	bad("RFC 9112 §6.3", "an empty length", sized("")),
	bad("RFC 9112 §6.3", "a length with a plus", sized(" +5")),
	bad("RFC 9112 §6.3", "a length below 0", sized(" -1")),
	bad("RFC 9112 §6.3", "a length of -0", sized(" -0")),
	bad("RFC 9112 §6.3", "a hexadecimal length", sized(" 0x5")),
	bad("RFC 9112 §6.3", "a hexadecimal length without a prefix", sized(" a")),
	bad("RFC 9112 §6.3", "an octal length", sized(" 0o5")),
	bad("RFC 9112 §6.3", "leading zeros", sized(" 005")),
	bad("RFC 9112 §6.3", "two zeros", posting("Content-Length: 00")),
	bad("RFC 9112 §6.3", "200, or 128 in octal", posting("Content-Length: 0200")+strings.Repeat("a", 200)),
	bad("RFC 9112 §6.3", "an underscore", posting("Content-Length: 1_0")+"hellohello"),
	bad("RFC 9112 §6.3", "a space within", posting("Content-Length: 1 0")+"hellohello"),
	bad("RFC 9112 §6.3", "letters", sized(" abc")),
	bad("RFC 9112 §6.3", "letters behind", sized(" 5a")),
	bad("RFC 9112 §6.3", "a fraction", sized(" 5.0")),
	bad("RFC 9112 §6.3", "an exponent", sized(" 5e0")),
	bad("RFC 9112 §6.3", "digits that are not ASCII", sized(" \xd9\xa5")),
	bad("RFC 9112 §6.3", "quotes", sized(` "5"`)),
	bad("RFC 9112 §6.3", "a semicolon", sized(" 5;a=b")),
	bad("RFC 9112 §6.3", "a list", sized(" 5, 10")),
	bad("RFC 9112 §6.3", "a list of equal ones", sized(" 5,5")),
	bad("RFC 9112 §6.3", "a list that ends in a comma", sized(" 5,")),
	bad("RFC 9112 §6.3", "overflow of 63 bits", sized(" 9223372036854775808")),
	bad("RFC 9112 §6.3", "overflow of 64 bits", sized(" 18446744073709551621")),
	bad("RFC 9112 §6.3", "a tab in front", sized("\t5")),
	bad("RFC 9112 §6.3", "NUL behind", sized(" 5\x00")),
	bad("RFC 9112 §6.3", "a second length", posting("Content-Length: 5", "Content-Length: 10")+"hellohello"),
	bad("RFC 9112 §6.3", "a second length, equal", posting("Content-Length: 5", "content-length: 5")+"hello"),
	bad("RFC 9112 §6.3", "a second length that hides a request", posting("Content-Length: 4", fmt.Sprint("Content-Length: ", 4+len(evil)))+"ping"+evil),
	bad("RFC 9112 §6.3", "a second length, in HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
}

var codingRows = []clientRow{
	fine("RFC 9112 §6.1", "chunked", coded(" chunked"), "POST / at x"),
	fine("RFC 9112 §7", "codings have no case", coded(" CHUNKED"), "POST / at x"),
	fine("RFC 9112 §6.1", "a space behind", coded(" chunked "), "POST / at x"),
	bad("RFC 9112 §6.1", "an empty coding", coded(" ")),
	bad("RFC 9112 §6.1", "a comma before chunked", coded(" , chunked")),
	bad("RFC 9112 §6.1", "a comma behind chunked", coded(" chunked,")),
	bad("RFC 9112 §6.1", "chunked twice", coded(" chunked, chunked")),
	bad("RFC 9112 §6.1", "chunked twice, in two lines", posting("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "chunked is not the last", coded(" chunked, gzip")),
	bad("RFC 9112 §6.1", "chunked is not in the last line", posting("Transfer-Encoding: chunked", "Transfer-Encoding: identity")+"0\r\n\r\n"),
	bad("RFC 9112 §7.1", "chunked with a parameter", coded(" chunked;a=b")),
	status("RFC 9112 §6.1", "xchunked", "400|501 close", coded(" xchunked")),
	status("RFC 9112 §6.1", "chunkedx", "400|501 close", coded(" chunkedx")),
	status("RFC 9112 §6.1", "identity", "400|501 close", coded(" identity")),
	status("RFC 9112 §6.1", "gzip", "400|501 close", coded(" gzip")),
	status("RFC 9112 §6.1", "gzip under chunked", "400|501 close", coded(" gzip, chunked")),
	status("RFC 9112 §6.1", "identity under chunked", "400|501 close", coded(" identity, chunked")),
	status("RFC 9112 §6.1", "two words", "400|501 close", coded(" chunked identity")),
	status("RFC 9112 §6.1", "quotes", "400|501 close", coded(` "chunked"`)),
	status("RFC 9112 §6.1", "a colon in front", "400|501 close", coded(" :chunked")),
	status("RFC 9112 §6.1", "a no-break space in front", "400|501 close", coded("\xa0chunked")),
	status("RFC 9112 §6.1", "Kelvin for k", "400|501 close", coded(" chun\xe2\x84\xaaed")),
	bad("RFC 9112 §6.1", "a tab in front", coded("\tchunked")),
	bad("RFC 9112 §6.1", "a tab behind", coded(" chunked\t")),
	bad("RFC 9112 §6.1", "a vertical tab in front", coded(" \vchunked")),
	bad("RFC 9112 §6.1", "a form feed in front", coded(" \fchunked")),
	bad("RFC 9112 §6.1", "NUL behind", coded(" chunked\x00")),
	bad("RFC 9112 §6.1", "NUL within", coded(" chun\x00ked")),
	bad("RFC 9112 §6.1", "CR in front", coded(" \rchunked")),
	bad("RFC 9112 §6.1", "LF in front", coded("\nchunked")),
	bad("RFC 9112 §6.1", "hidden behind CR", posting("A: b\rTransfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "hidden behind LF", posting("A: b\nTransfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §5.1", "a space before its colon", posting("Transfer-Encoding : chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	bad("RFC 9112 §6.1", "in HTTP/1.0 that keeps alive", "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	bad("RFC 9112 §6.1", "in HTTP/1.0 with a length", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\nhello"),

	bad("RFC 9112 §6.1", "both", posting("Content-Length: 15", "Transfer-Encoding: chunked")+"5\r\nhello\r\n0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, the other way round", posting("Transfer-Encoding: chunked", "Content-Length: 15")+"5\r\nhello\r\n0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, chunks shorter", posting("Content-Length: 6", "Transfer-Encoding: chunked")+"0\r\n\r\nX"),
	bad("RFC 9112 §6.1", "both, length shorter", posting("Content-Length: 4", "Transfer-Encoding: chunked")+"1e\r\n"+evil[:30]+"\r\n0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, a request within the length", posting(fmt.Sprint("Content-Length: ", 5+len(evil)), "Transfer-Encoding: chunked")+"0\r\n\r\n"+evil),
	bad("RFC 9112 §6.1", "both, a HEAD within the length", posting("Content-Length: 37", "Transfer-Encoding: chunked")+"0\r\n\r\nHEAD /evil HTTP/1.1\r\nHost: x\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, of no length", posting("Content-Length: 0", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, with GET", getting("/", "Content-Length: 5", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, with OPTIONS and a fold", "OPTIONS / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\nhello"),
	bad("RFC 9112 §6.1", "both, to close", posting("Connection: close", "Content-Length: 5", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, the length nominated", posting("Connection: Content-Length", "Content-Length: 5", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, the length malformed", posting("Content-Length: +5", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, the length no number", posting("Content-Length: 5a", "Transfer-Encoding: chunked")+"0\r\n\r\n"),
	bad("RFC 9112 §6.1", "both, upper case", both(" Chunked")),
	bad("RFC 9112 §6.1", "both, a space behind", both(" chunked ")),
	bad("RFC 9112 §6.1", "both, a tab in front", both("\tchunked")),
	bad("RFC 9112 §6.1", "both, chunked twice", both(" chunked, chunked")),
	bad("RFC 9112 §6.1", "both, a comma in front", both(" , chunked")),
	bad("RFC 9112 §6.1", "both, nothing for a coding", both(" ")),
	status("RFC 9112 §6.1", "both, xchunked", "400|501 close", both(" xchunked")),
	status("RFC 9112 §6.1", "both, identity", "400|501 close", both(" identity")),
}
