package http1

import (
	"errors"
	"strings"
	"testing"
)

// tight limits are reached by small requests. "Host: a" with the empty line is
// 11 bytes.
var tight = Limits{Line: 20, Header: 30, Fields: 3, Extensions: 10}

func TestRequestLimits(t *testing.T) {
	a := func(n int) string { return strings.Repeat("a", n) }
	tests := []struct {
		name, in string
		want     *Error // nil: accepted
	}{
		{"RFC 9112 §3: the longest request line", request("GET /"+a(6)+" HTTP/1.1", "Host: a"), nil},
		{"RFC 9112 §3: behind an empty line", crlf + request("GET /"+a(6)+" HTTP/1.1", "Host: a"), nil},
		{"RFC 9112 §3: one byte more", request("GET /"+a(7)+" HTTP/1.1", "Host: a"), errRequestLong},
		{"RFC 9112 §3: no end in sight", "GET /" + a(100), errRequestLong},
		{"RFC 9112 §3: the line end comes too late", "GET /" + a(17), errRequestLong},
		{"RFC 9112 §3: the space comes too late", a(20) + " / HTTP/1.1\r\n", errMethodLong},
		{"RFC 9112 §3: a method without end", a(100), errMethodLong},
		{"RFC 6585 §5: the longest header", request("GET / HTTP/1.1", "Host: a", "A: "+a(14)), nil},
		{"RFC 6585 §5: one byte more", request("GET / HTTP/1.1", "Host: a", "A: "+a(15)), errFieldBytes},
		{"RFC 6585 §5: a line without end", "GET / HTTP/1.1\r\n" + a(100), errFieldBytes},
		{"RFC 6585 §5: lines without end", "GET / HTTP/1.1\r\n" + strings.Repeat("A:\r\n", 3) + a(18), errFieldBytes},
		{"RFC 6585 §5: as many fields as there may be", request("GET / HTTP/1.1", "Host: a", "A:", "B:"), nil},
		{"RFC 6585 §5: one field more", request("GET / HTTP/1.1", "Host: a", "A:", "B:", "C:"), errFieldCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r Request
			inAnyPieces(tt.in, func(how string, ends ...int) {
				n, err := arrive(r.Parse, &tight, tt.in, ends...)
				switch {
				case tt.want != nil:
					if !errors.Is(err, tt.want) || !strings.HasPrefix(tt.name, tt.want.Section) {
						t.Fatalf("%s: got %v, want %v", how, err, tt.want)
					}
				case err != nil || n != len(tt.in):
					t.Fatalf("%s: got %d, %v", how, n, err)
				}
			})
		})
	}
}

// RFC 9112 §3 wants 8000 octets at least, and 7900 of them are asked for.
func TestDefaultLimits(t *testing.T) {
	in := host("/" + strings.Repeat("a", 7986))
	var r Request
	if n, err := r.Parse([]byte(in), &defaults); n != len(in) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}

// Whatever comes, a buffer for a whole head does not fill up without a verdict.
func TestAFullBufferHasAVerdict(t *testing.T) {
	for _, in := range []string{
		"", crlf, "GET / HTTP/1.1\r\n", crlf + "GET / HTTP/1.1\r\n",
		crlf + "GET /aaaaaa HTTP/1.1\r\n", crlf + "GET /aaaaaa HTTP/1.1\r\nA: b\r\n",
	} {
		in += strings.Repeat("a", tight.Head()-len(in))
		var r Request
		if n, err := r.Parse([]byte(in), &tight); n == 0 && err == nil {
			t.Errorf("%q: no verdict", in)
		}
	}
}

// Bytes that arrive one by one are looked at once, and lines that are whole are
// read once: so what is behind the parser may as well be something else.
func TestWhereAParserStopsItGoesOn(t *testing.T) {
	in := host("/", "A: "+strings.Repeat("a", 100), "B: b")
	var request Request
	var response Response
	var d ChunkDecoder
	if _, _, err := d.Decode([]byte("0\r\n"), &defaults); err != nil {
		t.Fatal(err)
	}
	trailers := func(b []byte, l *Limits) (int, error) {
		_, n, err := d.Decode(b, l)
		return n, err
	}
	for _, tt := range []struct {
		in    string
		parse parser
		scan  *cursor
	}{
		{in, request.Parse, &request.scan},
		{answer("200", "A: "+strings.Repeat("a", 100), "B: b"), response.to("GET"), &response.scan},
		{"A: " + strings.Repeat("a", 100) + "\r\nB: b\r\n\r\n", trailers, &d.scan},
	} {
		line := 0
		for i := 1; i < len(tt.in); i++ {
			b := make([]byte, i)
			b[i-1] = tt.in[i-1]
			if b[i-1] == '\n' {
				copy(b[line:], tt.in[line:])
				line = i
			}
			n, err := tt.parse(b, &defaults)
			if n != 0 || err != nil || tt.scan.line != line || tt.scan.scanned != i {
				t.Fatalf("after %d bytes, with lines up to %d: %d, %v, %+v", i, line, n, err, *tt.scan)
			}
		}
	}
}
