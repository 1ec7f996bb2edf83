package proxy

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/rota-lb/rota/internal/testkit"
)

// relay passes every byte on as it is, both ways, which no proxy may.
func relay(t *testing.T, to string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	pass := func(from, to net.Conn) {
		_, _ = io.Copy(to, from)
		_ = to.(*net.TCPConn).CloseWrite()
	}
	all.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer in.Close()
				out, err := net.Dial("tcp", to)
				if err != nil {
					return
				}
				defer out.Close()
				var up sync.WaitGroup
				up.Go(func() { pass(in, out) })
				pass(out, in)
				in.Close()
				up.Wait()
			})
		}
	})
	t.Cleanup(func() { l.Close(); all.Wait() })
	return l.Addr().String()
}

// deaf is a test that does not mind errors.
type deaf struct {
	testing.TB
	errors int
}

func (d *deaf) Errorf(string, ...any) { d.errors++ }

// The table can fail: whatever rota has to refuse, it tells from what a server
// makes of it that only passes bytes on.
func TestARelayRefusesNothing(t *testing.T) {
	for _, rows := range clientTables {
		for _, row := range rows {
			w := parseWant(row.want)
			if len(w.answers) == 0 || w.answers[0].optional || w.answers[0].status[0] < 400 || row.answer != nil || row.with.ReadTimeout > 0 {
				continue
			}
			t.Run(row.rule+": "+row.name, func(t *testing.T) {
				t.Parallel()
				quiet := &deaf{TB: t}
				var b *testkit.Backend
				var problems []string
				var went bool
				t.Cleanup(func() {
					if len(problems)+len(row.judge(b, went))+quiet.errors == 0 {
						t.Error("nothing is wrong with it")
					}
				})
				b = testkit.StartBackend(quiet)
				went, problems = row.play(t, relay(t, b.Addr()), b)
			})
		}
	}
}

// RFC 9110 §7.8: what comes right behind a handshake, from either side, is of
// the new protocol already; and what one side has said arrives when it ends
// (§9.3.6), though the other may not be heard any more.
func TestBytesBehindAHandshake(t *testing.T) {
	var heard []byte
	b := testkit.StartBackend(t, func(c *testkit.BackendConn) {
		c.Request()
		c.Say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
		heard, _ = io.ReadAll(c)
		c.Say("bye")
	})
	r := newRig(t, Options{}, limits, b.Addr())
	c := testkit.Dial(t, r.Addr().String())
	c.Say(getting("/", "Connection: Upgrade", websocket) + next)
	if m, err := c.Answer("GET"); err != nil || m.Status != 101 || m.Get("Upgrade") != "websocket" || !hasToken(m, "Connection", "Upgrade") {
		t.Fatalf("answered %s", tell(m, err))
	}
	hello := make([]byte, 5)
	if _, err := io.ReadFull(c, hello); err != nil || string(hello) != "hello" {
		t.Errorf("then came %q, %v", hello, err)
	}
	c.Say("more")
	c.CloseWrite()
	if rest, err := c.Rest(); rest != "" && rest != "bye" || err != nil {
		t.Errorf("at last came %q, %v", rest, err)
	}
	b.AwaitEnds(1)
	if string(heard) != next+"more" {
		t.Errorf("the backend heard %q", heard)
	}
	if n := len(b.Seen()); n != 1 {
		t.Errorf("the backend saw %d requests", n)
	}
}
