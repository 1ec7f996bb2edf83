package proxy

import (
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// tcpAddr is the address of a peer on a TCP connection.
func tcpAddr(s string) net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

type otherAddr string

func (otherAddr) Network() string  { return "other" }
func (a otherAddr) String() string { return string(a) }

func networks(list ...string) []netip.Prefix {
	var p []netip.Prefix
	for _, s := range list {
		p = append(p, netip.MustParsePrefix(s))
	}
	return p
}

func TestPeer(t *testing.T) {
	r := newRules(networks("10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"))
	tests := []struct {
		name    string
		address net.Addr
		want    peer
	}{
		{"anybody", tcpAddr("192.0.2.8:1"), peer{"192.0.2.8", false, "for=192.0.2.8"}},
		{"a trusted address", tcpAddr("192.0.2.7:1"), peer{"192.0.2.7", true, "for=192.0.2.7"}},
		{"in a trusted network", tcpAddr("10.255.0.1:1"), peer{"10.255.0.1", true, "for=10.255.0.1"}},
		{"by a socket for both versions", tcpAddr("[::ffff:10.0.0.1]:1"), peer{"10.0.0.1", true, "for=10.0.0.1"}},
		{"the same from anybody", tcpAddr("[::ffff:11.0.0.1]:1"), peer{"11.0.0.1", false, "for=11.0.0.1"}},
		{"IPv6", tcpAddr("[2001:db9::1]:1"), peer{"2001:db9::1", false, `for="[2001:db9::1]"`}},
		{"trusted IPv6", tcpAddr("[2001:db8::1]:1"), peer{"2001:db8::1", true, `for="[2001:db8::1]"`}},
		{"with a zone", tcpAddr("[2001:db8::1%eth0]:1"), peer{"2001:db8::1", true, `for="[2001:db8::1]"`}},
		{"an address of another kind", otherAddr("10.0.0.1:1"), peer{"10.0.0.1", true, "for=10.0.0.1"}},
		{"no IP address", otherAddr("@"), peer{"unknown", false, "for=unknown"}},
		{"none", nil, peer{"unknown", false, "for=unknown"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.peer(tt.address); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// What is believed of forwarding depends on who says it.
func TestForwarding(t *testing.T) {
	const ours = "X-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: a\nX-Forwarded-Proto: http\nVia: 1.1 rota (00c0ffee)"
	tests := []struct {
		name, in          string
		anybody, believed string // behind Host; "" is ours
	}{
		{"nothing said", "", "", ""},
		{"the chain goes on", "X-Forwarded-For: 1.1.1.1", "",
			"X-Forwarded-For: 1.1.1.1, 192.0.2.7\nX-Forwarded-Host: a\nX-Forwarded-Proto: http\nVia: 1.1 rota (00c0ffee)"},
		{"RFC 9110 §5.3: of several fields", "x-forwarded-for: 1.1.1.1, 2.2.2.2\nX-Forwarded-For:\nX-FORWARDED-FOR: 3.3.3.3", "",
			"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.7\nX-Forwarded-Host: a\nX-Forwarded-Proto: http\nVia: 1.1 rota (00c0ffee)"},
		{"host and scheme", "X-Forwarded-Proto: https\nX-Forwarded-Host: b", "",
			"X-Forwarded-Proto: https\nX-Forwarded-Host: b\nX-Forwarded-For: 192.0.2.7\nVia: 1.1 rota (00c0ffee)"},
		{"one of them", "X-Forwarded-Proto: https", "",
			"X-Forwarded-Proto: https\nX-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: a\nVia: 1.1 rota (00c0ffee)"},
		{"the others", "X-Forwarded-Port: 443\nX-Forwarded-Prefix: /x\nX-Real-IP: 1.1.1.1", "",
			"X-Forwarded-Port: 443\nX-Forwarded-Prefix: /x\nX-Real-IP: 1.1.1.1\n" + ours},
		{"aliases from nobody", "X_Forwarded_For: 1.1.1.1\nX-Forwarded_Proto: https\nX_Real_IP: 1.1.1.1\nX_FORWARDED_BY: x", "", ""},
		{"RFC 7239 §4: Forwarded", "Forwarded: for=1.1.1.1;proto=https\nForwarded: for=2.2.2.2", "",
			strings.Replace(ours, "\nVia", "\nForwarded: for=1.1.1.1;proto=https, for=2.2.2.2, for=192.0.2.7\nVia", 1)},
		{"RFC 9110 §5.6.4: quotes that swallow", "Forwarded: for=1.1.1.1\nForwarded: for=\"\\\"\nForwarded: for=\\\"", "",
			strings.Replace(ours, "\nVia", "\nForwarded: for=1.1.1.1, for=192.0.2.7\nVia", 1)},
		{"RFC 9110 §5.6.4: quotes that end", `Forwarded: for="[::1]:\"";by="\\"`, "",
			strings.Replace(ours, "\nVia", "\nForwarded: for=\"[::1]:\\\"\";by=\"\\\\\", for=192.0.2.7\nVia", 1)},
		{"RFC 9110 §7.6.1: Connection takes nothing away", "Connection: Forwarded, X-Forwarded-For, X-Real-IP\nX-Forwarded-For: 1.1.1.1\nX-Real-IP: 1.1.1.1", "",
			"X-Real-IP: 1.1.1.1\nX-Forwarded-For: 1.1.1.1, 192.0.2.7\nX-Forwarded-Host: a\nX-Forwarded-Proto: http\nVia: 1.1 rota (00c0ffee)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			lines := []string{"GET / HTTP/1.1", "Host: a"}
			if tt.in != "" {
				lines = append(lines, strings.Split(tt.in, "\n")...)
			}
			q := readRequest(t, lines...)
			for trusted, want := range map[bool]string{false: tt.anybody, true: tt.believed} {
				if want == "" {
					want = ours
				}
				p := peer{client7, trusted, "for=" + client7}
				got := wireLines(ourRules.appendRequest(nil, q, &p, q.Path, backendAt))
				if want = "GET / HTTP/1.1\nHost: a\n" + want; got != want {
					t.Errorf("trusted: %v: got\n%s\nwant\n%s", trusted, got, want)
				}
			}
		})
	}
}

func TestVia(t *testing.T) {
	tests := []struct {
		name string
		in   []string
		want string
	}{
		{"the first", []string{"GET / HTTP/1.1", "Host: a"}, "1.1 rota (00c0ffee)"},
		{"for HTTP/1.0", []string{"GET / HTTP/1.0"}, "1.0 rota (00c0ffee)"},
		{"in order", []string{"GET / HTTP/1.1", "Host: a", "Via: 1.0 fred", "X: y", "via: 1.1 wilma, 1.1 pebbles (x)"},
			"1.0 fred, 1.1 wilma, 1.1 pebbles (x), 1.1 rota (00c0ffee)"},
		{"from nobody", []string{"GET / HTTP/1.1", "Host: a", "Via:"}, "1.1 rota (00c0ffee)"},
	}
	for _, tt := range tests {
		q := readRequest(t, tt.in...)
		got := wireLines(ourRules.appendRequest(nil, q, &peer{ip: client7}, q.Path, backendAt))
		if !strings.HasSuffix(got, "\nVia: "+tt.want) || strings.Count(got, "Via:") != 1 {
			t.Errorf("%s: got\n%s\nwant Via: %s", tt.name, got, tt.want)
		}
	}
}

// A request that was here before is known by our own element alone (RFC 9110
// §7.6.3).
func TestLooped(t *testing.T) {
	tests := []struct {
		via  string
		want bool
	}{
		{"", false},
		{"1.1 rota", false},
		{"1.1 rota (11c0ffee)", false},
		{"1.1 rota (00c0ffee)", true},
		{"1.0 fred, 1.1 rota (00c0ffee), 1.1 wilma", true},
		{"1.1 fred\r\nVia: 1.1 rota (00c0ffee)", true},
		{"1.1 fred (open, 1.1 rota (00c0ffee)", true},
	}
	for _, tt := range tests {
		if got := ourRules.looped(readRequest(t, "GET / HTTP/1.1", "Host: a", "Via: "+tt.via)); got != tt.want {
			t.Errorf("Via: %s: %v", tt.via, got)
		}
	}
	if ourRules.looped(readRequest(t, "GET / HTTP/1.1", "Host: a", "Via: 1.1 a", "X-Via: 1.1 rota (00c0ffee)")) {
		t.Error("X-Via is not Via")
	}
}

// Two rotas in a row are no loop, a way back to the first is one.
func TestLoopThroughAnother(t *testing.T) {
	first, second := newRules(nil), newRules(nil)
	if form := regexp.MustCompile(`^rota \([0-9a-f]{8}\)$`); !form.MatchString(first.via) || first.via == second.via {
		t.Errorf("they call themselves %q and %q", first.via, second.via)
	}
	from := func(r *rules, head string) string {
		q := readRequest(t, strings.Split(head, "\n")...)
		return wireLines(r.appendRequest(nil, q, &peer{ip: client7}, q.Path, backendAt))
	}
	once := from(first, "GET / HTTP/1.1\nHost: a")
	twice := from(second, once)
	if second.looped(readRequest(t, strings.Split(once, "\n")...)) {
		t.Error("the second takes the first for itself")
	}
	if !first.looped(readRequest(t, strings.Split(twice, "\n")...)) {
		t.Error("the first does not know itself behind the second")
	}
}
