package proxy

import (
	"bufio"
	"bytes"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/rota-lb/rota/http1"
)

// roomy limits let through what grew on its way.
var roomy = http1.Limits{Line: 1 << 20, Header: 1 << 20, Fields: 1 << 10, Extensions: 4 << 10}

// FuzzAppendRequest holds what a backend gets against what came: to the codec
// and to net/http it is one request with the same meaning, and nothing in it
// is from somebody who may not say it.
func FuzzAppendRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\nHost: a\nConnection: X, close\nX: 1\nCookie: a=b",
		"GET /a/../b HTTP/1.0\nX-Forwarded-For: 1\nForwarded: for=\"\nX_Forwarded_For: 1\nX-Real-IP: 1\nVia: 1.1 a (",
		"POST http://b/ HTTP/1.1\nHost: a\nContent-Length: 5\nExpect: 100-continue\nContent_Length: 6",
		"POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: X\nTE: trailers\nConnection: TE, Host",
		"GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c, websocket\nHTTP2-Settings: A\nKeep-Alive: 1",
		"OPTIONS * HTTP/1.1\nHost: [::1]:80\nMax-Forwards: 3\nMax-Forwards: x\nProxy-Authorization: x\nProxy-Connection: x",
	} {
		f.Add([]byte(wireText(strings.Split(seed, "\n")...)), true)
		f.Add([]byte(wireText(strings.Split(seed, "\n")...)), false)
	}
	f.Fuzz(checkRequest)
}

// checkRequest checks what goes out for whatever came in.
func checkRequest(t *testing.T, in []byte, trusted bool) {
	var q, out http1.Request
	if n, _ := q.Parse(in, &codecLimits); n == 0 || q.Form == http1.AuthorityForm {
		return // refused, or CONNECT, which is not forwarded
	}
	path, err := http1.NormalPath(q.Path)
	if err != nil || trusted {
		path = q.Path
	}
	p := peer{client7, trusted, "for=" + client7}
	head := ourRules.appendRequest(nil, &q, &p, path, backendAt)
	if n, err := out.Parse(head, &roomy); n != len(head) {
		t.Fatalf("%q went out as %q, of which %d bytes are a head: %v", in, head, n, err)
	}
	host := q.Host
	if host == "" {
		host = backendAt
	}
	if out.Method != q.Method || out.Target != path+q.Query || out.Host != host || out.Minor != 1 || !out.KeepAlive {
		t.Errorf("%q went out as %q", in, head)
	}
	if out.Framing != q.Framing || out.Length != q.Length {
		t.Errorf("a body of framing %d, length %d, went out as %d, %d", q.Framing, q.Length, out.Framing, out.Length)
	}
	if out.Upgrade != "" && (out.Upgrade != q.Upgrade || q.Length != 0) {
		t.Errorf("asks to upgrade to %q", out.Upgrade)
	}
	if out.Expect != http1.ExpectNothing && (q.Expect != out.Expect || q.Length == 0) {
		t.Errorf("expects what the client did not, or without a body: %q", head)
	}
	if !ourRules.looped(&out) {
		t.Errorf("we don't know it again: %q", head)
	}
	passed(t, &q.Head, &out.Head)
	sayOnlyOurs(t, &q, &out, trusted)

	theirs, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
	if err != nil {
		t.Fatalf("net/http does not accept %q: %v", head, err)
	}
	chunked := slices.Equal(theirs.TransferEncoding, []string{"chunked"})
	if theirs.ContentLength != q.Length || chunked != (q.Framing == http1.Chunked) || theirs.Host != host || theirs.Close {
		t.Errorf("%q is to net/http of %s, length %d, %q", head, theirs.Host, theirs.ContentLength, theirs.TransferEncoding)
	}
}

// FuzzAppendResponse does the same for what a client gets.
func FuzzAppendResponse(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.1 200 OK\nContent-Length: 5\nContent-Length: 5\nConnection: X, Date\nX: 1\nDate: then",
		"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\nTrailer: X\nKeep-Alive: 5\nProxy-Authenticate: x",
		"HTTP/1.0 200\nContent_Length: 6\nTransfer_Encoding: x\nUpgrade: h2",
		"HTTP/1.1 304 Not Modified\nContent-Length: 7",
		"HTTP/1.1 204 No Content\nContent-Length: 0",
		"HTTP/1.1 103 Early Hints\nConnection: close\nLink: x",
		"HTTP/1.1 101 Switching Protocols\nConnection: Upgrade\nUpgrade: websocket",
	} {
		for options := range byte(8) {
			f.Add([]byte(wireText(strings.Split(seed, "\n")...)), options)
		}
	}
	f.Fuzz(checkResponse)
}

// checkResponse checks what goes out, to one of the kinds of clients there are,
// for whatever came in.
func checkResponse(t *testing.T, raw []byte, options byte) {
	to := reply{method: "GET", minor: int(options & 1), keep: options&2 != 0, date: "Sun, 06 Nov 1994 08:49:37 GMT"}
	if options&4 != 0 {
		to.method = "HEAD"
	}
	var in, out http1.Response
	if n, _ := in.Parse(raw, to.method, &codecLimits); n == 0 {
		return
	}
	to.framing, to.length = in.Framing, in.Length
	switch {
	case to.framing == http1.Chunked && to.minor == 0:
		to.framing, to.keep = http1.UntilClose, false
	case to.framing == http1.UntilClose && to.minor == 1:
		to.framing = http1.Chunked
	case to.framing == http1.UntilClose:
		to.keep = false
	}
	head := appendResponse(nil, &in, &to)
	if n, err := out.Parse(head, to.method, &roomy); n != len(head) {
		t.Fatalf("%q went out as %q, of which %d bytes are a head: %v", raw, head, n, err)
	}
	if out.Status != in.Status || out.Reason != in.Reason || out.Framing != to.framing || in.Framing == http1.Sized && out.Length != in.Length {
		t.Errorf("%q went out as %q", raw, head)
	}
	if final := in.Status >= 200; final && out.KeepAlive != to.keep || final && !out.Present.Has(http1.Date) || !out.KeepAlive && in.Interim() {
		t.Errorf("%q went out as %q", raw, head)
	}
	passed(t, &in.Head, &out.Head)

	theirs, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), &http.Request{Method: to.method})
	if err != nil {
		t.Fatalf("net/http does not accept %q: %v", head, err)
	}
	chunked := slices.Equal(theirs.TransferEncoding, []string{"chunked"})
	switch out.Framing {
	case http1.NoBody:
		if theirs.Body != http.NoBody || chunked {
			t.Errorf("%q has to net/http a body", head)
		}
	default:
		if theirs.ContentLength != out.Length || chunked != (out.Framing == http1.Chunked) {
			t.Errorf("%q is to net/http of length %d, %q", head, theirs.ContentLength, theirs.TransferEncoding)
		}
	}
}

// Heads made of what the rules are about, which a fuzzer takes long to find.
func TestAppendAnything(t *testing.T) {
	lines := []string{"GET /a?b HTTP/1.1", "POST / HTTP/1.1", "HEAD http://b/ HTTP/1.1", "OPTIONS * HTTP/1.1", "GET / HTTP/1.0", "OPTIONS / HTTP/1.0"}
	statuses := []string{"HTTP/1.1 200 OK", "HTTP/1.0 404", "HTTP/1.1 304 Not Modified", "HTTP/1.1 204 ", "HTTP/1.1 101 ", "HTTP/1.1 100 Continue", "HTTP/1.1 103 "}
	values := []string{"", "1", "5", "0", "a, b", "chunked", "close", "keep-alive, X", "TE", "trailers", "gzip, trailers", "upgrade", "upgrade, te, X-A, Host",
		"websocket", "h2c, websocket", "for=a", `for="`, `for="\"";by="`, "100-continue", "1.1 a (b", "X, X-A, X_A, a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q"}
	names := []string{"Connection", "Connection", "Content-Length", "Transfer-Encoding", "X", "X-A", "X_A"}
	for id := http1.Host + 1; id.String() != ""; id++ {
		names = append(names, id.String(), strings.ReplaceAll(strings.ToLower(id.String()), "-", "_"))
	}
	random := rand.New(rand.NewPCG(1, 2))
	pick := func(from []string) string { return from[random.IntN(len(from))] }
	for range 10_000 {
		var fields []string
		for range random.IntN(8) {
			name, value := pick(names), pick(values)
			if random.IntN(2) == 0 {
				value = pick(names)
			}
			fields = append(fields, name+": "+value)
		}
		checkRequest(t, []byte(wireText(append([]string{pick(lines), "Host: a"}, fields...)...)), random.IntN(2) == 0)
		checkResponse(t, []byte(wireText(append([]string{pick(statuses)}, fields...)...)), byte(random.IntN(8)))
		if t.Failed() {
			return
		}
	}
}

// passed checks that no field is there that must not pass, and that the others
// are, in their order.
func passed(t *testing.T, in, out *http1.Head) {
	t.Helper()
	has := func(h http1.Header, name string) bool {
		return slices.ContainsFunc(h, func(f http1.Field) bool { return f.Is(name) })
	}
	rest := out.Header
	for _, f := range in.Header {
		switch {
		case neverPasses[f.ID], f.ID == http1.Other && in.Header.HasToken("Connection", f.Name):
			if has(out.Header, f.Name) {
				t.Errorf("%s passed: %q", f.Name, out.Header)
			}
		case f.ID == http1.Cookie, f.ID == http1.Authorization, f.ID == http1.IfMatch, f.ID == http1.Other && !in.Nominates:
			i := slices.Index(rest, f)
			if i < 0 {
				t.Fatalf("%q did not pass, or not in its order: %q", f, out.Header)
			}
			rest = rest[i+1:]
		}
	}
}

// neverPasses has what neither side gets from the other.
var neverPasses = map[http1.ID]bool{
	http1.KeepAlive: true, http1.ProxyConnection: true, http1.ProxyAuthenticate: true,
	http1.ProxyAuthorization: true, http1.ProxyAuthenticationInfo: true, http1.HTTP2Settings: true,
	http1.ContentLength | http1.Alias: true, http1.TransferEncoding | http1.Alias: true,
	http1.XForwardedFor | http1.Alias: true, http1.XForwardedOther | http1.Alias: true,
	http1.XRealIP | http1.Alias: true, http1.ProxyAuthorization | http1.Alias: true,
}

// sayOnlyOurs checks who speaks of the client.
func sayOnlyOurs(t *testing.T, q, out *http1.Request, trusted bool) {
	t.Helper()
	count := map[http1.ID]int{}
	for _, f := range out.Header {
		count[f.ID]++
	}
	if count[http1.Host] != 1 || count[http1.Via] != 1 || count[http1.XForwardedFor] != 1 ||
		count[http1.Connection] > 1 || count[http1.Forwarded] > 1 {
		t.Errorf("fields that are there once: %v", count)
	}
	chain := out.Header.Get("X-Forwarded-For")
	if trusted {
		if chain != client7 && !strings.HasSuffix(chain, ", "+client7) {
			t.Errorf("the chain ends as %q", chain)
		}
		if q.Present.Has(http1.Forwarded) && !strings.HasSuffix(out.Header.Get("Forwarded"), "for="+client7) {
			t.Errorf("Forwarded ends as %q", out.Header.Get("Forwarded"))
		}
		return
	}
	if chain != client7 || out.Header.Get("X-Forwarded-Host") != q.Host || out.Header.Get("X-Forwarded-Proto") != "http" ||
		count[http1.XForwardedHost] > 1 || count[http1.XForwardedProto] > 1 ||
		count[http1.XForwardedPort]+count[http1.XForwardedOther]+count[http1.XRealIP]+count[http1.Forwarded] > 0 {
		t.Errorf("somebody else speaks: %q", out.Header)
	}
}
