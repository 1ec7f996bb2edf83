package http1

import "testing"

// Once the values have grown, nothing is allocated for a message.
func TestNoAllocations(t *testing.T) {
	var r Request
	heads := map[string][]byte{
		"a typical request":   []byte(typical),
		"a chunked one":       []byte(post("Transfer-Encoding: chunked", "Trailer: a, b", "Expect: 100-continue")),
		"an upgrade":          []byte(host("/", "Connection: keep-alive, Upgrade", "Upgrade: h2c, websocket")),
		"absolute-form, IPv6": []byte(request("GET http://[2001:db8::1]:80/a?b HTTP/1.1", "Host: [::1]")),
		"a refused one":       []byte(post("Transfer-Encoding: gzip, chunked")),
	}
	for name, head := range heads {
		allocates(t, name, func() { _, _ = r.Parse(head, &defaults) })
		allocates(t, name+", in two pieces", func() {
			_, _ = r.Parse(head[:len(head)/2], &defaults)
			_, _ = r.Parse(head, &defaults)
		})
	}
}

func TestNoAllocationsForResponses(t *testing.T) {
	var r Response
	for name, head := range map[string]string{
		"a typical response":  typicalResponse,
		"a chunked one":       answer("200 OK", "Transfer-Encoding: chunked", "Trailer: a"),
		"an upgrade":          answer("101 ", "Connection: Upgrade", "Upgrade: websocket"),
		"a malformed one":     answer("200 OK", "Content-Length: 5", "Content-Length: 6"),
		"until the close":     answer("200 OK", "Connection: close"),
		"what is not HTTP":    "SSH-2.0-OpenSSH_9.2\r\n",
		"an unfinished one ":  typicalResponse[:50],
		"one with early data": answer("103 Early Hints", "Link: </style.css>; rel=preload"),
	} {
		in := []byte(head)
		allocates(t, name, func() { _, _ = r.Parse(in, "GET", &defaults) })
	}
}

func TestNoAllocationsForBodies(t *testing.T) {
	var d ChunkDecoder
	in := []byte("5;a=b\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nX-Sum: 1\r\nHost: a\r\n\r\n")
	for name, next := range map[string]step{"decoding": decode, "relaying": relay} {
		allocates(t, name, func() {
			d.Reset()
			for b := in; !d.Done(); {
				_, n, err := next(&d, b, &defaults)
				if n == 0 || err != nil {
					t.Fatal(n, err)
				}
				b = b[n:]
			}
		})
	}
}

func TestNoAllocationsForWriting(t *testing.T) {
	var r Request
	if _, err := r.Parse([]byte(typical), &defaults); err != nil {
		t.Fatal(err)
	}
	data := []byte("hello")
	buffer := make([]byte, 0, 1<<10)
	allocates(t, "writing", func() {
		b := AppendRequestLine(buffer, r.Method, r.Path, r.Query)
		b = AppendContentLength(b, 1<<40)
		b = AppendHeader(b, r.Header)
		b = AppendStatusLine(b, 200, "OK")
		b = append(AppendChunkSize(b, int64(len(data))), data...)
		b = AppendLastChunk(b, nil)
		if len(b) == cap(b) {
			t.Fatal("the buffer is too small")
		}
	})
}

// allocates complains where f allocates after its first run.
func allocates(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n > 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}
