package http1

import (
	"bufio"
	"bytes"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"testing"
)

// What net/http takes in heads and we do not, so that nobody looks for it again:
//
//   - LF alone as a line end, in any line of a head
//   - obs-fold, which it joins to one line
//   - versions HTTP/1.2 and on, and HTTP/2.0 and on
//   - targets that are not ASCII, with a fragment, or of any scheme; a path
//     instead of the authority of CONNECT; "*" with any method
//   - no Host, an empty one, one with any byte that some URI may have, and one
//     beside absolute-form with anything in it
//   - Content-Length with leading zeros or a tab, and several equal ones
//   - Content-Length beside Transfer-Encoding
//   - Transfer-Encoding in HTTP/1.0, which it leaves out, and with a tab
//   - in responses: any status of three digits, "+20" too; more than one space
//     before it; a reason of any bytes

// FuzzRequest holds the parser against that of net/http: what we accept it
// accepts, and takes for the same. However the bytes arrive, we say the same.
func FuzzRequest(f *testing.F) {
	for _, tt := range acceptedRequests {
		f.Add([]byte(tt.in))
	}
	for _, tt := range refusedRequests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var r, slow Request
		n, err := r.Parse(in, &defaults)
		sameInPieces(t, in, n, err, slow.Parse)
		if n == 0 {
			return
		}
		if describe(&r) != describe(&slow) || !slices.Equal(r.Header, slow.Header) {
			t.Errorf("at once %s %q, in pieces %s %q", describe(&r), r.Header, describe(&slow), slow.Header)
		}

		in = bytes.TrimPrefix(in, []byte(crlf)) // net/http does not know of RFC 9112 §2.2
		if r.blank {
			n -= len(crlf)
		}
		rest := bytes.NewReader(in)
		buffered := bufio.NewReader(rest)
		theirs, err := http.ReadRequest(buffered)
		if err != nil {
			t.Fatalf("net/http does not accept it: %v", err)
		}
		if used := len(in) - rest.Len() - buffered.Buffered(); used != n {
			t.Errorf("the head has %d bytes, to net/http %d", n, used)
		}
		if r.Method != theirs.Method || r.Target != theirs.RequestURI || r.Minor != theirs.ProtoMinor ||
			strings.TrimPrefix(r.Query, "?") != theirs.URL.RawQuery || r.Host != theirs.Host {
			t.Errorf("%s is to net/http %s %s of %s", describe(&r), theirs.Method, theirs.URL, theirs.Host)
		}
		sameHead(t, &r.Head, theirs.Header, theirs.ContentLength, theirs.TransferEncoding, theirs.Close)
	})
}

// FuzzResponse does the same for responses.
func FuzzResponse(f *testing.F) {
	for _, tt := range acceptedResponses {
		f.Add([]byte(tt.in), tt.method == "HEAD")
	}
	for _, tt := range refusedResponses {
		f.Add([]byte(tt.in), false)
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool) {
		asked := &http.Request{Method: "GET"}
		if head {
			asked.Method = "HEAD"
		}
		var r, slow Response
		n, err := r.Parse(in, asked.Method, &defaults)
		sameInPieces(t, in, n, err, slow.to(asked.Method))
		if n == 0 {
			return
		}
		if describeResponse(&r) != describeResponse(&slow) || !slices.Equal(r.Header, slow.Header) {
			t.Errorf("at once %s %q, in pieces %s %q", describeResponse(&r), r.Header, describeResponse(&slow), slow.Header)
		}

		rest := bytes.NewReader(in)
		buffered := bufio.NewReader(rest)
		theirs, err := http.ReadResponse(buffered, asked)
		if err != nil {
			t.Fatalf("net/http does not accept it: %v", err)
		}
		if used := len(in) - rest.Len() - buffered.Buffered(); used != n {
			t.Errorf("the head has %d bytes, to net/http %d", n, used)
		}
		if r.Status != theirs.StatusCode || r.Minor != theirs.ProtoMinor {
			t.Errorf("%s is to net/http %s %s", describeResponse(&r), theirs.Proto, theirs.Status)
		}
		if r.Framing != NoBody {
			sameHead(t, &r.Head, theirs.Header, theirs.ContentLength, theirs.TransferEncoding, theirs.Close)
			return
		}
		// Without a body, net/http tells what the fields would announce.
		if theirs.Body != http.NoBody || r.KeepAlive && theirs.Close {
			t.Errorf("%s is to net/http one with a body, or close: %v", describeResponse(&r), theirs.Close)
		}
	})
}

// sameInPieces parses byte by byte, or nearly so, what at once gave n and err.
func sameInPieces(t *testing.T, in []byte, n int, err error, parse parser) {
	var ends []int
	for i := 0; i < len(in); i += 1 + len(in)/1000 {
		ends = append(ends, i)
	}
	slowN, slowErr := arrive(parse, &defaults, string(in), append(ends, len(in))...)
	if slowN != n || slowErr != err {
		t.Errorf("at once %d, %v; in pieces %d, %v", n, err, slowN, slowErr)
	}
}

// sameHead compares a head with what net/http made of it.
func sameHead(t *testing.T, h *Head, fields http.Header, length int64, codings []string, closes bool) {
	if h.Length != length && h.Framing != NoBody {
		t.Errorf("%d bytes of body, to net/http %d", h.Length, length)
	}
	if chunked := slices.Equal(codings, []string{"chunked"}); chunked != (h.Framing == Chunked) {
		t.Errorf("chunked: %v, to net/http %q", h.Framing == Chunked, codings)
	}
	if h.KeepAlive == closes {
		t.Errorf("keep-alive: %v, to net/http close: %v", h.KeepAlive, closes)
	}
	want := http.Header{}
	for _, f := range h.Header {
		if f.Name != strings.Trim(f.Name, " \t") || f.Value != strings.Trim(f.Value, " \t") || f.ID != Lookup(f.Name) {
			t.Errorf("%q is no field", f)
		}
		key := textproto.CanonicalMIMEHeaderKey(f.Name)
		want[key] = append(want[key], f.Value)
	}
	for key, values := range want {
		switch key {
		case "Host", "Transfer-Encoding", "Trailer", "Content-Length", "Connection":
			continue // net/http takes out what it has understood
		}
		if !slices.Equal(values, fields[key]) {
			t.Errorf("%s is %q, to net/http %q", key, values, fields[key])
		}
	}
	for key := range fields {
		if want[key] == nil && key != "Cache-Control" { // which net/http derives from Pragma
			t.Errorf("%s is to net/http alone", key)
		}
	}
}
