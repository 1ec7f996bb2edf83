package proxy

import (
	"strings"
	"testing"

	"github.com/rota-lb/rota/internal/testkit"
	"github.com/rota-lb/rota/upstream"
)

// leavings are the ways in which a client goes away.
var leavings = map[string]func(*testkit.Client){
	"closes": func(c *testkit.Client) { c.Close() },
	"resets": (*testkit.Client).Reset,
}

// A request that is not whole never was one, wherever the client left.
func TestAClientThatLeavesAtEachByte(t *testing.T) {
	for what, request := range map[string]string{
		"a length": sized(" 5"),
		"chunks":   chunking("5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"),
	} {
		for how, leave := range leavings {
			t.Run(what+", "+how, func(t *testing.T) {
				t.Parallel()
				var r *rig
				var b *testkit.Backend
				t.Cleanup(func() {
					for _, s := range b.Seen() {
						if s.Whole && s.Target != "/fresh" {
							t.Errorf("%s was whole", describe(&s.Message))
						}
					}
					r.struck(t, 0)
				})
				b = testkit.StartBackend(t)
				r = newRig(t, Options{}, limits, b.Addr())
				for n := range len(request) {
					c := testkit.Dial(t, r.Addr().String())
					c.Say(request[:n])
					leave(c)
				}
				for _, p := range freshly(t, r.Addr().String()) {
					t.Error(p)
				}
			})
		}
	}
}

// A client that leaves takes its request with it, whatever the backend is at:
// that would wait, or write, until its connection ends. It is not to blame.
func TestAClientThatLeavesABackendAtWork(t *testing.T) {
	const endless = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
	tests := []struct {
		name, request string
		backend       func(*testkit.BackendConn)
		began         bool // the response
	}{
		{"it thinks", plain, func(c *testkit.BackendConn) { c.Request(); c.Hang() }, false},
		{"it thinks, of a POST", sized(" 5"), func(c *testkit.BackendConn) { c.Request(); c.Hang() }, false},
		{"it reads", posting("Content-Length: 10") + "hello", func(c *testkit.BackendConn) { c.Request() }, false},
		{"it reads chunks", chunking("a\r\nhello"), func(c *testkit.BackendConn) { c.Request() }, false},
		{"it writes", plain, func(c *testkit.BackendConn) { c.Request(); c.Say(endless); c.Flood() }, true},
		{"it pauses", plain, func(c *testkit.BackendConn) { c.Request(); c.Say(endless + "hello"); c.Hang() }, true},
		{"it writes chunks", plain, func(c *testkit.BackendConn) { c.Request(); c.Say(chunks("3b9aca00\r\n")); c.Flood() }, true},
	}
	for _, tt := range tests {
		for how, leave := range leavings {
			t.Run(tt.name+", "+how, func(t *testing.T) {
				t.Parallel()
				b := testkit.StartBackend(t, tt.backend)
				r := newRig(t, Options{}, limits, b.Addr())
				c := testkit.Dial(t, r.Addr().String())
				c.Say(tt.request)
				b.Await(1)
				if tt.began {
					if m, err := c.Head("GET"); err != nil || m.Status != 200 {
						t.Errorf("answered %s", tell(m, err))
					}
				}
				leave(c)
				b.AwaitEnds(1)
				for _, p := range freshly(t, r.Addr().String()) {
					t.Error(p)
				}
				r.finish(t)
				r.struck(t, 0)
			})
		}
	}
}

// A client that does not read holds a backend for no longer than the write
// timeout, and sees that the answer is not whole.
func TestAClientThatTakesNothing(t *testing.T) {
	for version, request := range map[string]string{"HTTP/1.1": plain, "HTTP/1.0": oldPlain} {
		for what, head := range map[string]string{"a length": "Content-Length: 1000000000\r\n\r\n", "chunks": "Transfer-Encoding: chunked\r\n\r\n3b9aca00\r\n", "the end": "\r\n"} {
			t.Run(version+", "+what, func(t *testing.T) {
				t.Parallel()
				b := testkit.StartBackend(t, func(c *testkit.BackendConn) { c.Request(); c.Say("HTTP/1.1 200 OK\r\n" + head); c.Flood() })
				r := newRig(t, hurry, limits, b.Addr())
				c := testkit.Dial(t, r.Addr().String())
				c.Say(request)
				b.AwaitEnds(1)
				if m, err := c.Answer("GET"); m == nil || err == nil {
					t.Error("the answer was whole")
				}
				r.finish(t)
				r.struck(t, 0)
			})
		}
	}
}

// RFC 9110 §7.6.3: a request that comes back to us with our own name in Via is
// going round. One with other names is not, however near they are.
func TestARequestThatGoesRound(t *testing.T) {
	b := testkit.StartBackend(t)
	r := newRig(t, Options{}, limits, b.Addr())
	ask := func(fields ...string) *testkit.Message {
		c := testkit.Dial(t, r.Addr().String())
		c.Say(getting("/", fields...))
		m, err := c.Answer("GET")
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	ask()
	via := b.Seen()[0].Get("Via")
	for _, fields := range [][]string{
		{"Via: " + via}, {"Via: 1.0 fred, " + via}, {"Via: " + via + ", 1.1 wilma"}, {"Via: 1.0 fred", "via:" + via},
		{"Via: " + via + " (a comment)"}, {"Via: HTTP/" + via},
	} {
		if m := ask(fields...); m.Status != 508 {
			t.Errorf("%q was answered %d, want 508", fields, m.Status)
		}
	}
	for _, fields := range [][]string{
		{"Via: 1.1 fred"}, {"Via: 1.1 rota"}, {"Via: 1.1 rota (another)"}, {"X-Via: " + via},
	} {
		if m := ask(fields...); m.Status != 200 {
			t.Errorf("%q was answered %d, want 200", fields, m.Status)
		}
	}
	seen := b.Seen()
	if len(seen) != 5 {
		t.Errorf("%d requests came to the backend, want 5", len(seen))
	}
	ask("Via: 1.0 fred", "A: b", "Via: 1.1 wilma")
	seen = b.Seen()
	if got, want := seen[len(seen)-1].Get("Via"), "1.0 fred, 1.1 wilma, "+via; got != want {
		t.Errorf("Via is %q, want %q", got, want)
	}
}

// RFC 9110 §7.6.3: two rotas in a row are no loop.
func TestOneRotaBehindAnother(t *testing.T) {
	b := testkit.StartBackend(t)
	behind := newRig(t, Options{}, limits, b.Addr())
	front := newRig(t, Options{}, limits, behind.Addr().String())
	for _, p := range freshly(t, front.Addr().String()) {
		t.Error(p)
	}
	if via := b.Seen()[0].All("Via"); len(via) != 1 || strings.Count(via[0], "1.1 ") != 2 {
		t.Errorf("Via is %q, want one of each", via)
	}
}

// A path is routed as the backend will read it, however it is spelled: never one
// way here and another way there.
func TestPathsAreRoutedAsTheyAreRead(t *testing.T) {
	open, secret := testkit.StartBackend(t), testkit.StartBackend(t)
	u := limits
	u.Clock = newClock(t)
	serve := func(b *testkit.Backend) *Service {
		s := onDuty(b.Addr())
		s.Upstream = upstream.New(u)
		t.Cleanup(s.Upstream.Close)
		return s
	}
	r := newRig(t, Options{Routes: NewTable([]Route{
		{PathPrefix: "/secret", Service: serve(secret)}, {PathPrefix: "/", Service: serve(open)},
	}, nil)}, limits)
	tests := []struct {
		target string
		want   string // who gets it; "" is neither
	}{
		{"/secret", "secret"}, {"/secret/a", "secret"}, {"/secrets", "open"}, {"/", "open"},
		{"//secret", "secret"}, {"/a/../secret", "secret"}, {"/./secret", "secret"}, {"/%73ecret", "secret"}, {"/%2e/secret", "secret"},
		{"/a/%2e%2e/secret", "secret"}, {"/a/.%2E/secret/b", "secret"}, {"/a//../secret", "secret"}, {"/../secret", "secret"},
		{"/secret/..", "open"}, {"/secret/../a", "open"}, {"/secret/%2e%2e/a", "open"}, {"/secret?/../a", "secret"}, {"/a?/../secret", "open"},
		{"http://x/a/../secret", "secret"}, {"http://x//secret", "secret"},
		{"/SECRET", "open"}, {"/%2573ecret", "open"}, {"/a/secret", "open"},
		{"/secret%00", ""}, {"/%00/../secret", ""}, {"/%zz/../secret", ""},
	}
	for _, tt := range tests {
		before := [2]int{len(open.Seen()), len(secret.Seen())}
		c := testkit.Dial(t, r.Addr().String())
		c.Say(getting(tt.target))
		m, err := c.Answer("GET")
		got := ""
		if len(open.Seen()) > before[0] {
			got += "open"
		}
		if len(secret.Seen()) > before[1] {
			got += "secret"
		}
		if err != nil || got != tt.want || (m.Status == 200) != (tt.want != "") {
			t.Errorf("%s went to %q and was answered %s, want %q", tt.target, got, tell(m, err), tt.want)
		}
	}
}
