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

// allocates complains where f allocates after its first run.
func allocates(t *testing.T, name string, f func()) {
	t.Helper()
	if n := testing.AllocsPerRun(100, f); n > 0 {
		t.Errorf("%s: %v allocations", name, n)
	}
}
