package http1

import (
	"bufio"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// What net/http takes in chunked bodies and we do not:
//
//   - whitespace behind a chunk size, and anything at all behind a semicolon
//   - extensions of almost 4 KB on each chunk that has a few bytes
//   - LF alone in the trailer section, and obs-fold there

// FuzzChunked holds the decoder against that of net/http: what we accept it
// accepts, with the same data, trailers and end. What we relay it takes for the
// same too. However the bytes arrive, we say the same.
func FuzzChunked(f *testing.F) {
	for _, tt := range acceptedBodies {
		f.Add(tt.in + "GET /")
	}
	for _, tt := range refusedBodies {
		f.Add(tt.in)
	}
	limits := defaults
	limits.Extensions = 1 << 10 // so that no line gets too long for net/http
	f.Fuzz(func(t *testing.T, in string) {
		var ends []int
		for i := 0; i < len(in); i += 1 + len(in)/1000 {
			ends = append(ends, i)
		}
		var d, slow, relayer ChunkDecoder
		got, err := receive(&d, decode, &limits, in, len(in))
		inPieces, slowErr := receive(&slow, decode, &limits, in, append(ends, len(in))...)
		relayed, relayErr := receive(&relayer, relay, &limits, in, append(ends, len(in))...)
		if err != slowErr || err != relayErr {
			t.Fatalf("at once %v, in pieces %v, relayed %v", err, slowErr, relayErr)
		}
		if err != nil || !got.done {
			return
		}
		if got != inPieces {
			t.Errorf("at once %+v, in pieces %+v", got, inPieces)
		}
		if relayed.used != got.used || relayed.trailer != got.trailer {
			t.Errorf("decoded %+v, relayed %+v", got, relayed)
		}

		data, trailer, rest := theirBody(t, in)
		if data != got.data {
			t.Errorf("the data is %q, to net/http %q", got.data, data)
		}
		if rest != in[got.used:] {
			t.Errorf("%q follows, to net/http %q", in[got.used:], rest)
		}
		want := http.Header{}
		for _, f := range d.Trailer {
			key := textproto.CanonicalMIMEHeaderKey(f.Name)
			want[key] = append(want[key], f.Value)
		}
		for key, values := range want {
			if !slices.Equal(values, trailer[key]) {
				t.Errorf("trailer %s is %q, to net/http %q", key, values, trailer[key])
			}
		}
		if data, _, _ := theirBody(t, string(AppendLastChunk([]byte(relayed.data), relayer.Trailer))); data != got.data {
			t.Errorf("%q was relayed, to net/http %q", got.data, data)
		}
	})
}

// theirBody reads a chunked body with net/http.
func theirBody(t *testing.T, in string) (data string, trailer http.Header, rest string) {
	t.Helper()
	r := bufio.NewReaderSize(strings.NewReader(post("Transfer-Encoding: chunked")+in), 1<<16)
	request, err := http.ReadRequest(r)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(request.Body)
	if err != nil {
		t.Fatalf("net/http does not accept the body: %v", err)
	}
	behind, _ := io.ReadAll(r)
	return string(all), request.Trailer, string(behind)
}

// FuzzNeverTwoWays writes what it has read and reads it again: the same message
// comes out, so that the next server, if it keeps to the RFCs, takes it for what
// we took it for.
func FuzzNeverTwoWays(f *testing.F) {
	for _, tt := range acceptedRequests {
		f.Add(tt.in, true)
	}
	for _, tt := range acceptedResponses {
		f.Add(tt.in, false)
	}
	f.Fuzz(func(t *testing.T, in string, isRequest bool) {
		if isRequest {
			rewriteRequest(t, in)
		} else {
			rewriteResponse(t, in)
		}
	})
}

func rewriteRequest(t *testing.T, in string) {
	var r, again Request
	if n, _ := r.Parse([]byte(in), &defaults); n == 0 {
		return
	}
	path := r.Path
	if r.Form == AuthorityForm {
		path = r.Target
	}
	wire := AppendRequestLine(nil, r.Method, path, r.Query)
	var fields Header
	if r.Host != "" {
		fields = append(fields, Field{Name: "Host", Value: r.Host, ID: Host})
	}
	for _, f := range r.Header {
		if f.ID != Host {
			fields = append(fields, f)
		}
	}
	wire = ofVersion(AppendHeader(wire, fields), "1.1\r\n", r.Minor)
	if n, err := again.Parse(wire, &defaults); n != len(wire) || err != nil {
		t.Fatalf("%q was written as %q, which is refused: %v", in, wire, err)
	}
	r.Form = again.Form // absolute-form becomes origin-form
	if got, want := describe(&again), describe(&r); got != want || !slices.Equal(again.Header, fields) {
		t.Errorf("%q was %s, and written as %q is %s", in, want, wire, got)
	}
}

func rewriteResponse(t *testing.T, in string) {
	var r, again Response
	if n, _ := r.Parse([]byte(in), "GET", &defaults); n == 0 {
		return
	}
	wire := AppendHeader(AppendStatusLine(nil, r.Status, r.Reason), r.Header)
	wire = ofVersion(wire, "1.1 ", r.Minor)
	if n, err := again.Parse(wire, "GET", &defaults); n != len(wire) || err != nil {
		t.Fatalf("%q was written as %q, which is refused: %v", in, wire, err)
	}
	if got, want := describeResponse(&again), describeResponse(&r); got != want || !slices.Equal(again.Header, r.Header) {
		t.Errorf("%q was %s, and written as %q is %s", in, want, wire, got)
	}
}

// ofVersion gives a head that was written as HTTP/1.1 the minor that it had, so
// that the same rules hold for it.
func ofVersion(wire []byte, written string, minor int) []byte {
	if minor == 1 {
		return wire
	}
	return []byte(strings.Replace(string(wire), "HTTP/"+written, "HTTP/1.0"+written[3:], 1))
}
