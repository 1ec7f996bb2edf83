package proxy

import (
	"strings"
	"testing"

	"github.com/rota-lb/rota/http1"
)

// The rules of the tests, and the ends of a connection.
const (
	ourVia    = "rota (00c0ffee)"
	client7   = "192.0.2.7"
	backendAt = "10.0.0.1:8081"
)

var (
	ourRules    = &rules{via: ourVia}
	codecLimits = http1.DefaultLimits()
)

// wireText is lines as they are on the wire.
func wireText(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n\r\n" }

// wireLines takes a head apart again.
func wireLines(head []byte) string {
	return strings.ReplaceAll(strings.TrimSuffix(string(head), "\r\n\r\n"), "\r\n", "\n")
}

func readRequest(t testing.TB, lines ...string) *http1.Request {
	t.Helper()
	q := new(http1.Request)
	if n, err := q.Parse([]byte(wireText(lines...)), &codecLimits); n == 0 {
		t.Fatalf("not a request: %q, %v", lines, err)
	}
	return q
}

func readResponse(t testing.TB, method string, lines ...string) *http1.Response {
	t.Helper()
	r := new(http1.Response)
	if n, err := r.Parse([]byte(wireText(lines...)), method, &codecLimits); n == 0 {
		t.Fatalf("not a response: %q, %v", lines, err)
	}
	return r
}

func TestAppendRequest(t *testing.T) {
	const get, post = "GET /a?b HTTP/1.1", "POST /a?b HTTP/1.1"
	tests := []struct {
		name string
		line string
		in   string // fields beside Host
		want string // the same in the backend's; … is what we say of the client
	}{
		{"RFC 9110 §7.6: end-to-end fields stay, in order", get,
			"Accept: */*\nX-B: 1\nCookie: a=1\nx-b: 2\nAuthorization: Basic eA==",
			"Accept: */*\nX-B: 1\nCookie: a=1\nx-b: 2\nAuthorization: Basic eA==\n…"},
		{"RFC 9110 §7.6.1: hop-by-hop fields go", get,
			"Connection: close\nKeep-Alive: 5\nProxy-Connection: x\nTE: gzip\nProxy-Authorization: x\n" +
				"Proxy-Authenticate: x\nProxy-Authentication-Info: x\nTrailer: X\nUpgrade: x\nHTTP2-Settings: AAA",
			"…"},
		{"RFC 9110 §7.6.1: so does what Connection names", get,
			"Connection: X-Hop, close\nX-Hop: 1\nx-hop: 2\nX-End: 3\nConnection: ,x-other\nX-Other: 4", "X-End: 3\n…"},
		{"RFC 9110 §7.6.1: but not what is end-to-end", post,
			"Connection: Authorization, Cookie, Host, Content-Length, If-Match\nAuthorization: a\nCookie: b\nIf-Match: c\nContent-Length: 3",
			"Authorization: a\nCookie: b\nIf-Match: c\n…\nContent-Length: 3"},
		{"nor our own", get, "Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via\nVia: 1.1 a",
			"X-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: example.com\nX-Forwarded-Proto: http\nVia: 1.1 a, 1.1 rota (00c0ffee)"},
		{"an alias is another name to Connection", get, "Connection: Content_Type\nContent_Type: a\nContent-Type: b", "Content-Type: b\n…"},
		{"who names very much loses whatever may be named", get,
			"Connection: " + strings.Repeat("a,", 17) + "\nX: 1\nCookie: a=1", "Cookie: a=1\n…"},
		{"who names much does not", get, "Connection: " + strings.Repeat("a,", 16) + "\nX: 1\nA: 2", "X: 1\n…"},
		{"nor who names what is known", get, "Connection: X-A, " + strings.Repeat("Upgrade,", 17) + "\nX: 1\nX-A: 2", "X: 1\n…"},
		{"aliases of what we drop or write go", get,
			"X_Forwarded_For: 1\nX-Forwarded_Host: 1\nx_forwarded_by: 1\nX_Real_IP: 1\nContent_Length: 5\n" +
				"Transfer_Encoding: chunked\nKeep_Alive: 1\nProxy_Authorization: 1\nMax_Forwards: 1", "…"},
		{"aliases of others stay", get, "Content_Type: a\nX_Mine: b", "Content_Type: a\nX_Mine: b\n…"},
		{"RFC 9112 §6.3: a length", post, "Content-Length: 5\nX: 1", "X: 1\n…\nContent-Length: 5"},
		{"RFC 9110 §8.6: a length of none", post, "Content-Length: 0", "…\nContent-Length: 0"},
		{"RFC 9112 §7.1: chunks, with their trailers announced", post, "Transfer-Encoding: Chunked\nTrailer: X-Sum\nTE: trailers",
			"Trailer: X-Sum\nTE: trailers\nConnection: TE\n…\nTransfer-Encoding: chunked"},
		{"RFC 9110 §10.1.4: trailers are accepted", get, "TE: gzip\nTE: deflate, trailers\nConnection: TE", "TE: trailers\nConnection: TE\n…"},
		{"RFC 9110 §7.8: a WebSocket handshake passes", get,
			"Connection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13",
			"Sec-WebSocket-Version: 13\nUpgrade: websocket\nConnection: Upgrade\n…"},
		{"an upgrade and trailers", get, "Connection: TE, Upgrade\nUpgrade: websocket\nTE: trailers",
			"TE: trailers\nUpgrade: websocket\nConnection: TE, Upgrade\n…"},
		{"RFC 9110 §8.6: an upgrade with a length of none", post, "Connection: Upgrade\nUpgrade: websocket\nContent-Length: 0",
			"Upgrade: websocket\nConnection: Upgrade\n…\nContent-Length: 0"},
		{"h2c does not pass", get, "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAA", "…"},
		{"nor an upgrade behind a body", post, "Connection: Upgrade\nUpgrade: websocket\nContent-Length: 3", "…\nContent-Length: 3"},
		{"nor one that Connection does not name", get, "Upgrade: websocket", "…"},
		{"RFC 9110 §10.1.1: 100-continue with a length", post, "Expect: 100-Continue\nContent-Length: 5", "Expect: 100-continue\n…\nContent-Length: 5"},
		{"RFC 9110 §10.1.1: with chunks", post, "Expect: 100-continue\nTransfer-Encoding: chunked", "Expect: 100-continue\n…\nTransfer-Encoding: chunked"},
		{"RFC 9110 §10.1.1: with nothing to wait for", get, "Expect: 100-continue", "…"},
		{"RFC 9110 §10.1.1: with a length of none", post, "Expect: 100-continue\nContent-Length: 0", "…\nContent-Length: 0"},
		{"RFC 9110 §7.6.2: Max-Forwards of other methods", get, "Max-Forwards: 3", "Max-Forwards: 3\n…"},
		{"RFC 9110 §7.6.2: of OPTIONS", "OPTIONS /a?b HTTP/1.1", "Max-Forwards: 10", "Max-Forwards: 9\n…"},
		{"RFC 9110 §7.6.2: it is not less than none", "OPTIONS /a?b HTTP/1.1", "Max-Forwards: 0", "Max-Forwards: 0\n…"},
		{"RFC 9110 §7.6.2: of TRACE", "TRACE /a?b HTTP/1.1", "Max-Forwards: 2", "Max-Forwards: 1\n…"},
		{"RFC 9110 §7.6.2: a large one", "OPTIONS /a?b HTTP/1.1", "Max-Forwards: 99999999999999999999", "Max-Forwards: 2147483646\n…"},
		{"RFC 9110 §7.6.2: what is none", "OPTIONS /a?b HTTP/1.1", "Max-Forwards: -1", "Max-Forwards: -1\n…"},
		{"RFC 9110 §7.6.2: Connection does not take it away", "OPTIONS /a?b HTTP/1.1", "Connection: Max-Forwards\nMax-Forwards: 2", "Max-Forwards: 1\n…"},
	}
	const ours = "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: example.com\nX-Forwarded-Proto: http\nVia: 1.1 " + ourVia
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := readRequest(t, append([]string{tt.line, "Host: example.com"}, strings.Split(tt.in, "\n")...)...)
			got := wireLines(ourRules.appendRequest(nil, q, &peer{ip: client7}, q.Path, backendAt))
			want := tt.line + "\nHost: example.com\n" + strings.ReplaceAll(tt.want, "…", ours)
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestAppendRequestLine(t *testing.T) {
	tests := []struct {
		name, line, host, path, want string
	}{
		{"RFC 9112 §3.2.1: origin-form", "GET /x?y=/z HTTP/1.1", "Host: a", "", "GET /x?y=/z HTTP/1.1\nHost: a"},
		{"the path that was routed on", "GET /x/../y?q HTTP/1.1", "Host: a", "/y", "GET /y?q HTTP/1.1\nHost: a"},
		{"RFC 9112 §3.2.2: absolute-form disagrees with Host", "GET http://b:81/x?y HTTP/1.1", "Host: a", "", "GET /x?y HTTP/1.1\nHost: b:81"},
		{"RFC 9112 §3.2.4: OPTIONS of the whole server", "OPTIONS http://b HTTP/1.1", "Host: b", "", "OPTIONS * HTTP/1.1\nHost: b"},
		{"RFC 9112 §3.2: HTTP/1.0 without a Host", "GET / HTTP/1.0", "X: 1", "", "GET / HTTP/1.1\nHost: " + backendAt},
		{"RFC 9110 §2.5: HTTP/1.0 becomes HTTP/1.1", "GET / HTTP/1.0", "Host: a", "", "GET / HTTP/1.1\nHost: a"},
		{"Host is the first field", "GET / HTTP/1.1", "X: 1\r\nHost: a", "", "GET / HTTP/1.1\nHost: a\nX: 1"},
		{"a method of somebody's own", "purge /x HTTP/1.1", "Host: a", "", "purge /x HTTP/1.1\nHost: a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := readRequest(t, tt.line, tt.host)
			if tt.path == "" {
				tt.path = q.Path
			}
			got := wireLines(ourRules.appendRequest(nil, q, &peer{ip: client7}, tt.path, backendAt))
			if !strings.HasPrefix(got, tt.want+"\n") {
				t.Errorf("got\n%s\nwant\n%s\n…", got, tt.want)
			}
		})
	}
}

// An HTTP/1.0 client is not asked to do what it can't.
func TestAppendRequestOfHTTP10(t *testing.T) {
	q := readRequest(t, "POST /a HTTP/1.0", "Connection: keep-alive, TE, Upgrade", "TE: trailers", "Upgrade: websocket",
		"Expect: 100-continue", "Content-Length: 2")
	got := wireLines(ourRules.appendRequest(nil, q, &peer{ip: client7}, q.Path, backendAt))
	want := "POST /a HTTP/1.1\nHost: 10.0.0.1:8081\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Proto: http\n" +
		"Via: 1.0 rota (00c0ffee)\nContent-Length: 2"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What is there before stays, as with append.
func TestAppendGoesOn(t *testing.T) {
	q, in, to := readRequest(t, "GET / HTTP/1.1", "Host: a"), readResponse(t, "GET", "HTTP/1.1 200 OK", "A: b"), &reply{method: "GET", minor: 1}
	for name, b := range map[string][]byte{
		"appendRequest":  ourRules.appendRequest([]byte("before"), q, &peer{ip: client7}, "/", backendAt),
		"appendResponse": appendResponse([]byte("before"), in, to),
		"appendOwn":      appendOwn([]byte("before"), 200, "", nil, nil, to),
	} {
		if !strings.HasPrefix(string(b), "before") {
			t.Errorf("%s: %q", name, b)
		}
	}
}

func TestFinal(t *testing.T) {
	tests := []struct {
		line, field string
		want        bool
	}{
		{"OPTIONS / HTTP/1.1", "Max-Forwards: 0", true},
		{"OPTIONS * HTTP/1.1", "max-forwards: 00", true},
		{"OPTIONS / HTTP/1.1", "Max-Forwards: 2\r\nMax-Forwards: 0", true},
		{"OPTIONS / HTTP/1.1", "Max-Forwards: 1", false},
		{"OPTIONS / HTTP/1.1", "Max-Forwards: 4294967296", false},
		{"OPTIONS / HTTP/1.1", "Max-Forwards:", false},
		{"OPTIONS / HTTP/1.1", "Max-Forwards: -0", false},
		{"OPTIONS / HTTP/1.1", "Max_Forwards: 0", false},
		{"OPTIONS / HTTP/1.1", "X: 0", false},
		{"GET / HTTP/1.1", "Max-Forwards: 0", false},
	}
	for _, tt := range tests {
		if got := final(readRequest(t, tt.line, "Host: a", tt.field)); got != tt.want {
			t.Errorf("RFC 9110 §7.6.2: %s with %q: %v", tt.line, tt.field, got)
		}
	}
}

func TestAppendResponse(t *testing.T) {
	const date = "Sun, 06 Nov 1994 08:49:37 GMT"
	sized := reply{method: "GET", minor: 1, keep: true, framing: http1.Sized, length: 5, date: date}
	none := reply{method: "GET", minor: 1, keep: true, date: date}
	with := func(r reply, change func(*reply)) reply { change(&r); return r }
	chunked := with(none, func(r *reply) { r.framing = http1.Chunked })
	head := with(sized, func(r *reply) { r.method = "HEAD"; r.framing = http1.NoBody })
	const dated = "\nDate: " + date
	tests := []struct {
		name string
		in   string
		to   reply
		want string
	}{
		{"end-to-end fields stay, in order", "HTTP/1.1 200 OK\nServer: x\nSet-Cookie: a\nDate: then\nset-cookie: b\nContent-Length: 5", sized,
			"HTTP/1.1 200 OK\nServer: x\nSet-Cookie: a\nDate: then\nset-cookie: b\nContent-Length: 5"},
		{"RFC 9110 §7.6.1: hop-by-hop fields go", "HTTP/1.1 200 OK\nConnection: close\nKeep-Alive: 5\nProxy-Authenticate: x\nProxy-Connection: x\n" +
			"Proxy-Authentication-Info: x\nUpgrade: h2\nTrailer: X\nTE: x\nContent-Length: 5", sized, "HTTP/1.1 200 OK" + dated + "\nContent-Length: 5"},
		{"RFC 9110 §7.6.1: so does what Connection names", "HTTP/1.1 200 OK\nConnection: X-Hop, Set-Cookie\nX-Hop: 1\nSet-Cookie: a\nContent-Length: 5", sized,
			"HTTP/1.1 200 OK\nSet-Cookie: a" + dated + "\nContent-Length: 5"},
		{"aliases of framing go", "HTTP/1.1 200 OK\nContent_Length: 7\nTransfer_Encoding: x\nContent-Length: 5", sized, "HTTP/1.1 200 OK" + dated + "\nContent-Length: 5"},
		{"RFC 9112 §4: the reason stays", "HTTP/1.0 299 F\xfcnf\nDate: then", none, "HTTP/1.1 299 F\xfcnf\nDate: then"},
		{"RFC 9112 §4: none, too", "HTTP/1.1 200\nDate: then", none, "HTTP/1.1 200 \nDate: then"},
		{"chunks, with their trailers announced", "HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked", chunked,
			"HTTP/1.1 200 OK\nTrailer: X-Sum" + dated + "\nTransfer-Encoding: chunked"},
		{"chunks of what ended with the connection, and so had no trailers", "HTTP/1.0 200 OK\nTrailer: Content-Length", chunked, "HTTP/1.1 200 OK" + dated + "\nTransfer-Encoding: chunked"},
		{"chunks become what ends with the connection", "HTTP/1.1 200 OK\nTrailer: X-Sum\nTransfer-Encoding: chunked",
			reply{method: "GET", framing: http1.UntilClose, date: date}, "HTTP/1.1 200 OK" + dated + "\nConnection: close"},
		{"RFC 9112 §6.3: equal lengths are one", "HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5", sized, "HTTP/1.1 200 OK" + dated + "\nContent-Length: 5"},
		{"RFC 9112 §9.3: the last to HTTP/1.1", "HTTP/1.1 200 OK\nContent-Length: 5", with(sized, func(r *reply) { r.keep = false }),
			"HTTP/1.1 200 OK" + dated + "\nContent-Length: 5\nConnection: close"},
		{"RFC 9112 §9.3: HTTP/1.0 goes on", "HTTP/1.1 200 OK\nContent-Length: 5", with(sized, func(r *reply) { r.minor = 0 }),
			"HTTP/1.1 200 OK" + dated + "\nContent-Length: 5\nConnection: keep-alive"},
		{"RFC 9110 §8.6: HEAD tells of a length", "HTTP/1.1 200 OK\nContent-Length: 7\nContent-Length: 7", head, "HTTP/1.1 200 OK" + dated + "\nContent-Length: 7"},
		{"RFC 9110 §8.6: or does not", "HTTP/1.1 200 OK\nTransfer-Encoding: chunked", head, "HTTP/1.1 200 OK" + dated},
		{"RFC 9110 §15.4.5: so does 304", "HTTP/1.1 304 Not Modified\nETag: x\nContent-Length: 7", none, "HTTP/1.1 304 Not Modified\nETag: x" + dated + "\nContent-Length: 7"},
		{"RFC 9110 §8.6: 204 has no length", "HTTP/1.1 204 No Content\nContent-Length: 0", sized, "HTTP/1.1 204 No Content" + dated},
		{"RFC 9110 §8.6: not for HEAD either", "HTTP/1.1 204 No Content\nContent-Length: 0", head, "HTTP/1.1 204 No Content" + dated},
		{"RFC 9110 §15.2: an interim response", "HTTP/1.1 103 Early Hints\nLink: </a>\nConnection: X, close\nX: 1\nContent-Length: 0\nTrailer: a\nUpgrade: x",
			with(chunked, func(r *reply) { r.keep = false }), "HTTP/1.1 103 Early Hints\nLink: </a>"},
		{"RFC 9110 §15.2.1: 100 Continue", "HTTP/1.1 100 Continue", sized, "HTTP/1.1 100 Continue"},
		{"RFC 9110 §15.2.2: another protocol begins", "HTTP/1.1 101 Switching Protocols\nConnection: Upgrade, X\nX: 1\nUpgrade: websocket\nSec-WebSocket-Accept: x\nContent-Length: 0",
			reply{method: "GET", minor: 1, framing: http1.UntilClose, date: date},
			"HTTP/1.1 101 Switching Protocols\nUpgrade: websocket\nSec-WebSocket-Accept: x" + dated + "\nConnection: Upgrade"},
		{"without a clock", "HTTP/1.1 200 OK", reply{method: "GET", minor: 1, keep: true}, "HTTP/1.1 200 OK"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := readResponse(t, tt.to.method, strings.Split(tt.in, "\n")...)
			if got := wireLines(appendResponse(nil, in, &tt.to)); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestAppendOwn(t *testing.T) {
	again := http1.Header{{Name: "Retry-After", Value: "1"}}
	tests := []struct {
		name   string
		status int
		kind   string
		extra  http1.Header
		to     reply
		want   string
	}{
		{"an error that ends the connection", 503, "text/plain; charset=utf-8", again, reply{method: "GET", minor: 1, date: "now"},
			"HTTP/1.1 503 Service Unavailable\nDate: now\nContent-Type: text/plain; charset=utf-8\nX-Content-Type-Options: nosniff\n" +
				"Content-Length: 4\nConnection: close\nRetry-After: 1\n\nbody"},
		{"an answer", 200, "application/json", nil, reply{method: "GET", minor: 1, keep: true, date: "now"},
			"HTTP/1.1 200 OK\nDate: now\nContent-Type: application/json\nX-Content-Type-Options: nosniff\nContent-Length: 4\n\nbody"},
		{"to HTTP/1.0", 200, "application/json", nil, reply{method: "GET", keep: true, date: "now"},
			"HTTP/1.1 200 OK\nDate: now\nContent-Type: application/json\nX-Content-Type-Options: nosniff\nContent-Length: 4\nConnection: keep-alive\n\nbody"},
		{"to HEAD, and of no type", 508, "", nil, reply{method: "HEAD", minor: 1, keep: true},
			"HTTP/1.1 508 Loop Detected\nContent-Length: 4\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := appendOwn(nil, tt.status, tt.kind, tt.extra, []byte("body"), &tt.to)
			if got := strings.ReplaceAll(string(b), "\r\n", "\n"); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

// Once the buffer has grown, nothing is allocated for a message.
func TestHeadsAllocateNothing(t *testing.T) {
	buffer := make([]byte, 0, 4<<10)
	trusted := &peer{ip: client7, trusted: true, forwarded: "for=" + client7}
	usual := []string{"GET /a?b HTTP/1.1", "Host: example.com", "User-Agent: x", "Accept: */*", "Cookie: a=b", "Connection: keep-alive"}
	for name, q := range map[string]*http1.Request{
		"a usual request":  readRequest(t, usual...),
		"one with a chain": readRequest(t, append(usual, "X-Forwarded-For: 1.2.3.4", "Forwarded: for=a", "Via: 1.1 a", "X-Forwarded-Proto: https")...),
		"one that names":   readRequest(t, append(usual, "Connection: X-A, X-B", "X-A: 1", "X-C: 2")...),
		"an upgrade":       readRequest(t, append(usual, "Connection: TE, Upgrade", "Upgrade: websocket", "TE: gzip, trailers")...),
		"an upload":        readRequest(t, "POST / HTTP/1.1", "Host: a", "Content-Length: 100000", "Expect: 100-continue"),
		"options":          readRequest(t, "OPTIONS * HTTP/1.1", "Host: a", "Max-Forwards: 10"),
	} {
		for who, p := range map[string]*peer{"of anybody": {ip: client7}, "of a trusted peer": trusted} {
			if n := testing.AllocsPerRun(100, func() {
				if ourRules.looped(q) || final(q) || len(ourRules.appendRequest(buffer, q, p, q.Path, backendAt)) == 0 {
					t.Fatal("not forwarded")
				}
			}); n > 0 {
				t.Errorf("%s %s: %v allocations", name, who, n)
			}
		}
	}
	to := &reply{method: "GET", minor: 1, keep: true, framing: http1.Sized, length: 1e6, date: "Sun, 06 Nov 1994 08:49:37 GMT"}
	for name, in := range map[string]*http1.Response{
		"a usual response": readResponse(t, "GET", "HTTP/1.1 200 OK", "Server: x", "Content-Type: text/html", "Content-Length: 1000000"),
		"one that names":   readResponse(t, "GET", "HTTP/1.1 200 OK", "Connection: X-A", "X-A: 1", "X-B: 1", "Content-Length: 1000000"),
		"an interim one":   readResponse(t, "GET", "HTTP/1.1 103 Early Hints", "Link: </a>"),
	} {
		if n := testing.AllocsPerRun(100, func() { appendResponse(buffer, in, to) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	body := []byte("rota: 503 Service Unavailable")
	extra := http1.Header{{Name: "Retry-After", Value: "1"}}
	if n := testing.AllocsPerRun(100, func() { appendOwn(buffer, 503, "text/plain; charset=utf-8", extra, body, to) }); n > 0 {
		t.Errorf("our own response: %v allocations", n)
	}
}
