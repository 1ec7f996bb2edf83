package http1

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// answer makes a response of a status and lines.
func answer(status string, lines ...string) string { return request("HTTP/1.1 "+status, lines...) }

// to binds the method of the request to the parser of its response.
func (r *Response) to(method string) parser {
	return func(b []byte, l *Limits) (int, error) { return r.Parse(b, method, l) }
}

func describeResponse(r *Response) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d %s", r.Status, r.Reason)
	describeHead(&s, &r.Head)
	return s.String()
}

var acceptedResponses = []struct{ name, method, in, want string }{
	{"RFC 9112 §4: a reason", "GET", answer("200 Not\tso \xe4", "Content-Length: 5"), "200 Not\tso \xe4, 5 bytes"},
	{"RFC 9112 §4: an empty reason", "GET", answer("200 ", "Content-Length: 5"), "200 , 5 bytes"},
	{"RFC 9112 §4: no reason and no space", "GET", answer("200", "Content-Length: 5"), "200 , 5 bytes"},
	{"RFC 9110 §15: a class of its own", "GET", answer("999 x", "Content-Length: 5"), "999 x, 5 bytes"},
	{"RFC 9112 §2.3: HTTP/1.0", "GET", request("HTTP/1.0 200 OK", "Content-Length: 5"), "200 OK, 1.0, 5 bytes, close"},

	{"RFC 9112 §6.3: HEAD has no body", "HEAD", answer("200 OK", "Content-Length: 5"), "200 OK"},
	{"RFC 9112 §6.3: not chunked either", "HEAD", answer("200 OK", "Transfer-Encoding: chunked"), "200 OK"},
	{"RFC 9112 §6.3: nor until close", "HEAD", answer("200 OK"), "200 OK"},
	{"RFC 9110 §9.1: methods have a case", "head", answer("200 OK", "Content-Length: 5"), "200 OK, 5 bytes"},
	{"RFC 9112 §6.3: 304 has no body", "GET", answer("304 Not Modified", "Content-Length: 5"), "304 Not Modified"},
	{"RFC 9112 §6.3: 204 has no body", "GET", answer("204 No Content"), "204 No Content"},
	{"RFC 9110 §8.6: 204 with no length", "GET", answer("204 No Content", "Content-Length: 0"), "204 No Content"},
	{"RFC 9110 §8.6: 204 that may send a body", "GET", answer("204 No Content", "Content-Length: 5"), "204 No Content, close"},
	{"RFC 9112 §6.1: 204 that may be chunked", "GET", answer("204 No Content", "Transfer-Encoding: chunked"), "204 No Content, close"},
	{"RFC 9112 §6.3: 100", "POST", answer("100 Continue"), "100 Continue"},
	{"RFC 9112 §6.3: 103 with a length", "GET", answer("103 Early Hints", "Content-Length: 5"), "103 Early Hints, close"},
	{"RFC 9110 §7.8: 101 ends HTTP", "GET", answer("101 Switching Protocols", "Connection: upgrade", "Upgrade: websocket"),
		"101 Switching Protocols, upgrade websocket, close"},
	{"RFC 9112 §6.3: CONNECT makes a tunnel", "CONNECT", answer("200 OK", "Content-Length: 5"), "200 OK, until close, close"},
	{"RFC 9112 §6.3: of any 2xx", "CONNECT", answer("204 OK"), "204 OK, until close, close"},
	{"RFC 9112 §6.3: CONNECT refused", "CONNECT", answer("403 No", "Content-Length: 5"), "403 No, 5 bytes"},
	{"RFC 9112 §6.3: chunked", "GET", answer("200 OK", "transfer-encoding: Chunked"), "200 OK, chunked"},
	{"RFC 9112 §6.3: Content-Length", "GET", answer("200 OK", "Content-Length: 0"), "200 OK, 0 bytes"},
	{"RFC 9112 §6.3: equal Content-Lengths", "GET", answer("200 OK", "Content-Length: 5", "A: b", "content-length:  5"), "200 OK, 5 bytes"},
	{"RFC 9112 §6.3: until close", "GET", answer("200 OK"), "200 OK, until close, close"},
	{"RFC 9112 §6.3: until close, whatever it says", "GET", answer("200 OK", "Connection: keep-alive"), "200 OK, until close, close"},

	{"RFC 9112 §9.3: close", "GET", answer("200 OK", "Connection: close", "Content-Length: 5"), "200 OK, 5 bytes, close"},
	{"RFC 9112 §9.3: keep-alive in HTTP/1.0", "GET", request("HTTP/1.0 200 OK", "Connection: keep-alive", "Content-Length: 5"), "200 OK, 1.0, 5 bytes"},
	{"RFC 9110 §7.6.1: nomination", "GET", answer("200 OK", "Connection: X", "Content-Length: 5"), "200 OK, 5 bytes, nominates"},
	{"RFC 9112 §3.2: Host is nothing here", "GET", answer("200 OK", "Host: /", "Host:", "Content-Length: 5"), "200 OK, 5 bytes"},
}

func TestAcceptedResponses(t *testing.T) {
	for _, tt := range acceptedResponses {
		t.Run(tt.name, func(t *testing.T) {
			var r Response
			inAnyPieces(tt.in+"\x00\n", func(how string, ends ...int) {
				n, err := arrive(r.to(tt.method), &defaults, tt.in+"\x00\n", ends...)
				if got := describeResponse(&r); err != nil || got != tt.want || n != len(tt.in) {
					t.Fatalf("%s: got %d, %q, %v, want %q", how, n, got, err, tt.want)
				}
			})
		})
	}
}

var refusedResponses = []struct {
	name, in string
	want     *Error
}{
	{"RFC 9112 §4: another protocol", "220 mail.example.com ESMTP\r\n", errStatusLine},
	{"RFC 9112 §4: HTTP/0.9", "<html>\r\n", errStatusLine},
	{"RFC 9112 §4: an empty line before", crlf + answer("200 OK"), errStatusLine},
	{"RFC 9112 §4: no status", answer(""), errStatusLine},
	{"RFC 9112 §4: a reason for a status", answer("OK"), errStatusLine},
	{"RFC 9112 §4: two digits", answer("20 OK"), errStatusLine},
	{"RFC 9112 §4: four digits", answer("2000 OK"), errStatusLine},
	{"RFC 9112 §4: a sign", answer("+20 OK"), errStatusLine},
	{"RFC 9112 §4: a status of letters", answer("2xx OK"), errStatusLine},
	{"RFC 9112 §4: two spaces before", answer(" 200 OK"), errStatusLine},
	{"RFC 9112 §4: a tab", request("HTTP/1.1\t200 OK"), errStatusLine},
	{"RFC 9112 §4: a tab behind", answer("200\tOK"), errStatusLine},
	{"RFC 9112 §4: below 100", answer("099 OK"), errStatusLine},
	{"RFC 9112 §4: NUL in the reason", answer("200 O\x00"), errStatusLine},
	{"RFC 9112 §4: CR in the reason", answer("200 O\rK"), errStatusLine},
	{"RFC 9112 §4: two digits of version", request("HTTP/1.10 200 OK"), errStatusLine},
	{"RFC 9112 §4: a line too long", "HTTP/1.1 200 " + strings.Repeat("a", 9000), errStatusLong},
	{"RFC 9112 §2.3: lower case", request("http/1.1 200 OK"), errVersion},
	{"RFC 9110 §15.6.6: HTTP/2.0", request("HTTP/2.0 200 OK"), errUnsupported},
	{"RFC 9110 §15.6.6: HTTP/1.2", request("HTTP/1.2 200 OK"), errUnsupported},
	{"RFC 9112 §2.2: LF alone", "HTTP/1.1 200 OK\n\n", errLineEnd},
	{"RFC 9112 §5.2: obs-fold", answer("200 OK", "A: b", " c"), errFold},
	{"RFC 9112 §5.1: a space before the colon", answer("200 OK", "Content-Length : 5"), errNameSpace},
	{"RFC 9112 §5: no colon", answer("200 OK", "hello"), errName},
	{"RFC 9110 §5.5: CR in a value", answer("200 OK", "A: b\rSet-Cookie: c"), errValue},
	{"RFC 6585 §5: a head without end", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", 33000), errFieldBytes},

	{"RFC 9112 §6.3: Content-Lengths differ", answer("200 OK", "Content-Length: 5", "Content-Length: 6"), errLengths},
	{"RFC 9112 §6.3: the third differs", answer("200 OK", "Content-Length: 5", "Content-Length: 5", "Content-Length: 50"), errLengths},
	{"RFC 9112 §6.3: of one value in two ways", answer("200 OK", "Content-Length: 5", "Content-Length: 05"), errLengths},
	{"RFC 9112 §6.3: a list of equal ones", answer("200 OK", "Content-Length: 5, 5"), errLength},
	{"RFC 9112 §6.3: Content-Length below 0", answer("200 OK", "Content-Length: -5"), errLength},
	{"RFC 9112 §6.3: malformed, even without a body", answer("204 No", "Content-Length: x"), errLength},
	{"RFC 9112 §6.1: both", answer("200 OK", "Content-Length: 5", "Transfer-Encoding: chunked"), errBoth},
	{"RFC 9112 §6.1: both, with 304", answer("304 No", "Content-Length: 5", "Transfer-Encoding: chunked"), errBoth},
	{"RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0", request("HTTP/1.0 200 OK", "Transfer-Encoding: chunked"), errCoding10},
	{"RFC 9112 §6.1: an unknown coding", answer("200 OK", "Transfer-Encoding: gzip, chunked"), errCoding},
	{"RFC 9112 §6.1: a coding that would end with the connection", answer("200 OK", "Transfer-Encoding: gzip"), errCoding},
	{"RFC 9112 §6.1: two Transfer-Encodings", answer("200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"), errCodingFields},
	{"RFC 9110 §6.5.1: Transfer-Encoding as a trailer", answer("200 OK", "Transfer-Encoding: chunked", "Trailer: Transfer-Encoding"), errTrailerNames},
}

func TestRefusedResponses(t *testing.T) {
	for _, tt := range refusedResponses {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.HasPrefix(tt.name, tt.want.Section+":") {
				t.Errorf("refused by %s", tt.want.Section)
			}
			check := inAnyPieces
			if len(tt.in) > 1000 {
				check = func(in string, f func(string, ...int)) { f("at once", len(in)); f("in two", len(in)/2, len(in)) }
			}
			for _, method := range []string{"GET", "HEAD"} {
				var r Response
				check(tt.in, func(how string, ends ...int) {
					n, err := arrive(r.to(method), &defaults, tt.in, ends...)
					if n != 0 || !errors.Is(err, tt.want) {
						t.Fatalf("%s, %s: got %d, %v, want %v", method, how, n, err, tt.want)
					}
				})
			}
		})
	}
}

// Interim responses come one behind the other, before the final one.
func TestInterimResponses(t *testing.T) {
	in := []byte(answer("100 Continue") + answer("103 Early Hints", "Link: </a>") + answer("200 OK", "Content-Length: 0"))
	var r Response
	for _, want := range []int{100, 103, 200} {
		n, err := r.Parse(in, "GET", &defaults)
		if err != nil || r.Status != want || r.Interim() != (want < 200) {
			t.Fatalf("got %d, %v, want %d", r.Status, err, want)
		}
		in = in[n:]
	}
	if _, err := r.Parse([]byte(answer("101 Switching Protocols")), "GET", &defaults); err != nil || r.Interim() {
		t.Errorf("101 is interim: %v, %v", r.Interim(), err)
	}
}

// A reused Response keeps nothing of the one before.
func TestAResponseForgets(t *testing.T) {
	full := request("HTTP/1.0 404 No", "Connection: keep-alive, b", "Content-Length: 5", "Via: c")
	for _, before := range []string{full, full[:len(full)-2], full + "x", "HTTP/1.1 200 OK\n"} {
		var r Response
		if _, _ = r.Parse([]byte(before), "GET", &defaults); before == full[:len(full)-2] {
			r.Reset() // in the middle of a head
		}
		_, err := r.Parse([]byte(answer("200")), "GET", &defaults)
		if got := describeResponse(&r); err != nil || got != "200 , until close, close" || len(r.Header) > 0 || r.Present != 0 {
			t.Errorf("after %q: got %q, %v", before, got, err)
		}
	}
}
