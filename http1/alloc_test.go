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

// allocates complains where f allocates after its first run.
func allocates(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n > 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}
