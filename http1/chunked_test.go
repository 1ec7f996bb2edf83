package http1

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// body is what came of a chunked body.
type body struct {
	data    string // or what was relayed
	trailer string
	used    int
	done    bool
}

// step is one of the two methods of a decoder.
type step func(d *ChunkDecoder, b []byte, l *Limits) (out []byte, n int, err error)

var decode, relay step = (*ChunkDecoder).Decode, (*ChunkDecoder).Relay

// receive gives a decoder the bytes up to each of the ends in turn. What it did
// not use comes again in front, each time at another place, and the last place
// is written over.
func receive(d *ChunkDecoder, next step, l *Limits, in string, ends ...int) (got body, err error) {
	var last []byte
	for _, end := range ends {
		for !d.Done() {
			b := []byte(in[got.used:end])
			for i := range last {
				last[i] = 'X'
			}
			last = b
			out, n, err := next(d, b, l)
			got.data += string(out)
			got.used += n
			if err != nil {
				return got, err
			}
			if n == 0 {
				break
			}
		}
	}
	for _, f := range d.Trailer {
		got.trailer += f.Name + "=" + f.Value + ";"
	}
	got.done = d.Done()
	return got, nil
}

const long = "0123456789abcdef"

var acceptedBodies = []struct {
	name, in      string
	data, trailer string
	relayed       string // when not all but the last chunk
}{
	{name: "RFC 9112 §7.1: one chunk", in: "5\r\nhello\r\n0\r\n\r\n", data: "hello"},
	{name: "RFC 9112 §7.1: several", in: "5\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\n\r\n", data: "hello world"},
	{name: "RFC 9112 §7.1: none", in: "0\r\n\r\n"},
	{name: "RFC 9112 §7.1: hexadecimal", in: "10\r\n" + long + "\r\nA\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", data: long + "01234567890123456789"},
	{name: "RFC 9112 §7.1: leading zeros", in: "0000000000000005\r\nhello\r\n00\r\n\r\n", data: "hello"},
	{name: "RFC 9112 §7.1: data like framing", in: "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", data: "\r\n0\r\n\r\n"},

	{name: "RFC 9112 §7.1.1: an extension", in: "5;a\r\nhello\r\n0\r\n\r\n", data: "hello", relayed: "5\r\nhello\r\n"},
	{name: "RFC 9112 §7.1.1: with a value", in: "5;a=b\r\nhello\r\n0;c=d\r\n\r\n", data: "hello", relayed: "5\r\nhello\r\n"},
	{name: "RFC 9112 §7.1.1: several", in: "2;a;b=c;d=\"\"\r\nhe\r\n3;e\r\nllo\r\n0\r\n\r\n", data: "hello", relayed: "2\r\nhe\r\n3\r\nllo\r\n"},
	{name: "RFC 9112 §7.1.1: in quotes", in: "5;a=\"b\\\"\\\\;\t=\xff\"\r\nhello\r\n0\r\n\r\n", data: "hello", relayed: "5\r\nhello\r\n"},
	{name: "RFC 9112 §7.1.1: bad whitespace", in: "5; a\t= b ;c\r\nhello\r\n0\r\n\r\n", data: "hello", relayed: "5\r\nhello\r\n"},

	{name: "RFC 9112 §7.1.2: trailers", in: "1\r\na\r\n0\r\nX-Sum: 1\r\nB:\r\n\r\n", data: "a", trailer: "X-Sum=1;B=;"},
	{name: "RFC 9112 §7.1.2: trailers alone", in: "0;a\r\nX-Sum: 1\r\n\r\n", trailer: "X-Sum=1;"},
	{name: "RFC 9110 §6.5.1: framing is no trailer", in: "0\r\nContent-Length: 5\r\nA: 1\r\nTransfer-Encoding: x\r\ntrailer: y\r\n\r\n", trailer: "A=1;"},
	{name: "RFC 9110 §6.5.1: routing is no trailer", in: "0\r\nHost: b\r\nMax-Forwards: 0\r\nVia: c\r\nForwarded: for=d\r\nA: 1\r\n\r\n", trailer: "A=1;"},
	{name: "RFC 9110 §6.5.1: nor what we say of the client", in: "0\r\nX-Forwarded-For: b\r\nX-Forwarded-User: c\r\nX-Real-IP: d\r\n\r\n"},
	{name: "RFC 9110 §6.5.1: nor its alias", in: "0\r\nX_Forwarded_For: b\r\nContent_Length: 5\r\nA_B: 1\r\n\r\n", trailer: "A_B=1;"},
	{name: "RFC 9110 §6.5.1: nor conditions and controls", in: "0\r\nIf-Match: *\r\nRange: b\r\nExpect: c\r\nTE: d\r\nCache-Control: e\r\nPragma: f\r\n\r\n"},
	{name: "RFC 9110 §6.5.1: nor authentication", in: "0\r\nAuthorization: b\r\nCookie: c\r\nSet-Cookie: d\r\nWWW-Authenticate: e\r\nProxy-Authorization: f\r\n\r\n"},
	{name: "RFC 9110 §6.5.1: nor control of the response", in: "0\r\nAge: 1\r\nExpires: 2\r\nDate: 3\r\nLocation: 4\r\nRetry-After: 5\r\nVary: 6\r\nWarning: 7\r\n\r\n"},
	{name: "RFC 9110 §6.5.1: nor the kind of content", in: "0\r\nContent-Type: a\r\nContent-Encoding: b\r\nContent-Range: c\r\n\r\n"},
	{name: "RFC 9110 §7.6.1: nor hop-by-hop", in: "0\r\nConnection: A\r\nKeep-Alive: b\r\nUpgrade: c\r\nA: 1\r\n\r\n", trailer: "A=1;"},
}

func TestAcceptedBodies(t *testing.T) {
	for _, tt := range acceptedBodies {
		t.Run(tt.name, func(t *testing.T) {
			var d ChunkDecoder
			relayed := tt.relayed
			if last := strings.LastIndex(tt.in, "\r\n0"); relayed == "" && last >= 0 && tt.data != "" {
				relayed = tt.in[:last+2]
			}
			// What comes behind the body is not touched.
			in := tt.in + "GET /"
			inAnyPieces(in, func(how string, ends ...int) {
				d.Reset()
				want := body{tt.data, tt.trailer, len(tt.in), true}
				if got, err := receive(&d, decode, &defaults, in, ends...); err != nil || got != want {
					t.Fatalf("%s: decoded %+v, %v, want %+v", how, got, err, want)
				}
				d.Reset()
				want.data = relayed
				if got, err := receive(&d, relay, &defaults, in, ends...); err != nil || got != want {
					t.Fatalf("%s: relayed %+v, %v, want %+v", how, got, err, want)
				}
			})
			var early ChunkDecoder
			if got, err := receive(&early, decode, &defaults, tt.in, len(tt.in)-1); err != nil || got.done {
				t.Errorf("without the last byte: %+v, %v", got, err)
			}
		})
	}
}

var refusedBodies = []struct {
	name, in string
	want     *Error
}{
	{"RFC 9112 §7.1: no size", "\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: not hexadecimal", "g\r\n", errChunkSize},
	{"RFC 9112 §7.1: not hexadecimal, later", "5g\r\n", errChunkSize},
	{"RFC 9112 §7.1: a plus", "+5\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a plus before the last", "+0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a minus", "-1\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a prefix", "0x5\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: an underscore", "1_0\r\n", errChunkSize},
	{"RFC 9112 §7.1: a fraction", "5.0\r\n", errChunkSize},
	{"RFC 9112 §7.1: an extension of no size", ";a\r\n", errChunkSize},
	{"RFC 9112 §7.1: a space in front", " 5\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a space behind", "5 \r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a tab behind", "5\t\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: a space before an extension", "5 ;a\r\nhello\r\n0\r\n\r\n", errChunkSize},
	{"RFC 9112 §7.1: overflow", "8000000000000000\r\n", errChunkHuge},
	{"RFC 9112 §7.1: overflow of all bits", "ffffffffffffffff\r\n", errChunkHuge},
	{"RFC 9112 §7.1: too many digits", "FFFFFFFFFFFFFFFF0\r\n", errChunkHuge},
	{"RFC 9112 §7.1: too many zeros", "00000000000000005\r\nhello\r\n0\r\n\r\n", errChunkHuge},
	{"RFC 9112 §7.1: no CRLF behind the data", "5\r\nhello0\r\n\r\n", errChunkEnd},
	{"RFC 9112 §7.1: more data than said", "5\r\nhello!!\r\n0\r\n\r\n", errChunkEnd},
	{"RFC 9112 §7.1: LF alone behind the data", "5\r\nhello\n0\r\n\r\n", errChunkEnd},
	{"RFC 9112 §7.1: CR alone behind the data", "5\r\nhello\r0\r\n\r\n", errChunkEnd},
	{"RFC 9112 §2.2: LF alone behind the size", "5\nhello\r\n0\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: CR alone behind the size", "5\rhello\r\n0\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone behind an extension", "5;a\nhello\r\n0\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone behind a semicolon", "5;\nhello\r\n0\r\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone behind the last chunk", "0\n\r\n", errLineEnd},
	{"RFC 9112 §2.2: LF alone ends the trailers", "5\r\nhello\r\n0\r\n\n", errLineEnd},
	{"RFC 9112 §7.1.1: a bare semicolon", "5;\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: two semicolons", "5;;a\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: no name", "5;=a\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: no value", "5;a=\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: a name that is no token", "5;a[=b\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: a space at the end", "5;a \r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: a comma for a semicolon", "5;a,b\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: quotes open", "5;a=\"b\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: quotes open behind a backslash", "5;a=\"b\\\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: something behind quotes", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: NUL", "5;a\x00\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: NUL in quotes", "5;a=\"\x00\"\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: CR", "5;a\rb\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §7.1.1: CR in quotes", "5;a=\"\\\r\"\r\nhello\r\n0\r\n\r\n", errExtension},
	{"RFC 9112 §5: a trailer without a colon", "0\r\nA\r\n\r\n", errName},
	{"RFC 9112 §5.2: a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", errFold},
	{"RFC 9112 §5.1: a space before a trailer's colon", "0\r\nA : b\r\n\r\n", errNameSpace},
	{"RFC 9110 §5.5: NUL in a trailer", "0\r\nA: \x00\r\n\r\n", errValue},
}

func TestRefusedBodies(t *testing.T) {
	for _, tt := range refusedBodies {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.HasPrefix(tt.name, tt.want.Section+":") || tt.want.Status != 400 {
				t.Errorf("refused by %s with %d", tt.want.Section, tt.want.Status)
			}
			inAnyPieces(tt.in, func(how string, ends ...int) {
				var d ChunkDecoder
				if got, err := receive(&d, decode, &defaults, tt.in, ends...); !errors.Is(err, tt.want) {
					t.Fatalf("%s: decoded %+v, %v, want %v", how, got, err, tt.want)
				}
				d.Reset()
				if got, err := receive(&d, relay, &defaults, tt.in, ends...); !errors.Is(err, tt.want) {
					t.Fatalf("%s: relayed %+v, %v, want %v", how, got, err, tt.want)
				}
			})
		})
	}
}

func TestChunkLimits(t *testing.T) {
	chunk := func(size int, extension string) string {
		return fmt.Sprintf("%x%s\r\n%s\r\n", size, extension, strings.Repeat("a", size))
	}
	ten := ";" + strings.Repeat("a", 9)
	tests := []struct {
		name, in string
		want     *Error // nil: accepted
	}{
		{"RFC 9112 §7.1.1: the longest extension", chunk(1, ten), nil},
		{"RFC 9112 §7.1.1: one byte more", chunk(1, ten+"a"), errExtensions},
		{"RFC 9112 §7.1.1: one without end", "1" + strings.Repeat(";a", 50), errExtensions},
		{"RFC 9112 §7.1.1: size does not help", "ffff" + ten + "a\r\n", errExtensions},
		{"RFC 9112 §7.1.1: as much data as extensions", strings.Repeat(chunk(10, ten), 9), nil},
		{"RFC 9112 §7.1.1: the data comes first", chunk(100, "") + chunk(1, ten+"a"), errExtensions},
		{"RFC 9112 §7.1.1: many short ones", strings.Repeat(chunk(1, ";a"), 10), errExtensions},
		{"RFC 9112 §7.1.1: on the last chunk", chunk(2, ten) + "0;a\r\n", nil},
		{"RFC 9112 §7.1.1: one byte more there", chunk(2, ten) + "0;ab\r\n", errExtensions},
		{"RFC 6585 §5: the longest trailers", "0\r\nA: " + strings.Repeat("a", 23) + "\r\n\r\n", nil},
		{"RFC 6585 §5: one byte more", "0\r\nA: " + strings.Repeat("a", 24) + "\r\n\r\n", errFieldBytes},
		{"RFC 6585 §5: trailers without end", "0\r\n" + strings.Repeat("A:\r\n", 3) + strings.Repeat("a", 99), errFieldBytes},
		{"RFC 6585 §5: as many as there may be", "0\r\n" + strings.Repeat("A:\r\n", 3) + "\r\n", nil},
		{"RFC 6585 §5: one more", "0\r\n" + strings.Repeat("A:\r\n", 4) + "\r\n", errFieldCount},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inAnyPieces(tt.in, func(how string, ends ...int) {
				for i, next := range []step{decode, relay} {
					var d ChunkDecoder
					got, err := receive(&d, next, &tight, tt.in, ends...)
					if tt.want == nil && (err != nil || got.used != len(tt.in)) || tt.want != nil && !errors.Is(err, tt.want) {
						t.Fatalf("%s, method %d: got %+v, %v, want %v", how, i, got, err, tt.want)
					}
				}
			})
		})
	}
}

// The default is what faults are told of: an extension of more than 4 KB.
func TestDefaultChunkLimits(t *testing.T) {
	for size, want := range map[int]error{4 << 10: nil, 4<<10 + 1: errExtensions} {
		var d ChunkDecoder
		in := "1;" + strings.Repeat("a", size-1) + "\r\na\r\n"
		if _, err := receive(&d, decode, &defaults, in, len(in)); err != want {
			t.Errorf("%d bytes: %v, want %v", size, err, want)
		}
	}
}

// Data that has not all arrived is not held back, however much there is to be.
func TestDataIsNotHeldBack(t *testing.T) {
	var d ChunkDecoder
	in := []byte("7fffffffffffffff\r\nhello")
	if data, n, err := d.Decode(in, &defaults); string(data) != "hello" || n != len(in) || err != nil {
		t.Errorf("decoded %q of %d bytes, %v", data, n, err)
	}
	if data, n, err := d.Decode([]byte(" world"), &defaults); string(data) != " world" || n != 6 || err != nil {
		t.Errorf("decoded %q of %d bytes, %v", data, n, err)
	}
	d.Reset()
	if wire, n, err := d.Relay(in, &defaults); string(wire) != string(in) || n != len(in) || err != nil {
		t.Errorf("relayed %q of %d bytes, %v", wire, n, err)
	}
}

// What is in front of a fault has come before it, and is told with it.
func TestDataBeforeAFault(t *testing.T) {
	var d ChunkDecoder
	if data, n, err := d.Decode([]byte("5\r\nhello\r\nx\r\n"), &defaults); string(data) != "hello" || n != 10 || err != errChunkSize {
		t.Errorf("decoded %q of %d bytes, %v", data, n, err)
	}
	d.Reset()
	if wire, n, err := d.Relay([]byte("5\r\nhello\r\nx\r\n"), &defaults); string(wire) != "5\r\nhello\r\n" || n != 10 || err != errChunkSize {
		t.Errorf("relayed %q of %d bytes, %v", wire, n, err)
	}
}

// A decoder that is reset keeps nothing of a body it was in the middle of.
func TestAChunkDecoderForgets(t *testing.T) {
	for _, before := range []string{"5", "5;a", "5;a=b;c\r\nhe", "1\r\na", "1\r\na\r", "0\r\nA: b\r\nC", "0\r\nA: b\r\n\r\n", "x", "1;aaaaaaaaa\r\n"} {
		var d ChunkDecoder
		_, _ = receive(&d, decode, &tight, before, len(before))
		d.Reset()
		in := "1;aaaaaaaaa\r\na\r\n0\r\n\r\n"
		if got, err := receive(&d, decode, &tight, in, len(in)); err != nil || got != (body{"a", "", len(in), true}) {
			t.Errorf("after %q: %+v, %v", before, got, err)
		}
	}
}

// A body that is written chunk by chunk reads as what was written.
func TestChunksAreReadAsWritten(t *testing.T) {
	var wire []byte
	var want string
	for _, size := range []int{1, 15, 16, 17, 255, 4096} {
		data := strings.Repeat("a", size)
		wire, want = append(AppendChunkSize(wire, int64(size)), data+"\r\n"...), want+data
	}
	wire = AppendLastChunk(wire, Header{{Name: "A", Value: "b"}, {Name: "C"}})
	var d ChunkDecoder
	got, err := receive(&d, decode, &defaults, string(wire), len(wire))
	if err != nil || got != (body{want, "A=b;C=;", len(wire), true}) {
		t.Errorf("got %+v, %v", got, err)
	}
	if bare := AppendLastChunk(nil, nil); string(bare) != "0\r\n\r\n" {
		t.Errorf("the bare last chunk is %q", bare)
	}
	if size := AppendChunkSize([]byte("x"), 1<<62); !slices.Equal(size, []byte("x4000000000000000\r\n")) {
		t.Errorf("the size of 1<<62 is %q", size)
	}
}
