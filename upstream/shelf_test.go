package upstream

import (
	"net"
	"slices"
	"testing"
	"time"

	"github.com/rota-lb/rota/socket"
)

// shelfRig is a client with one backend, which accepts and says nothing. Its
// clock stands still: time is what the test says.
func shelfRig(t *testing.T) (c *Client, address string, peer func() net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c = New(Options{Connect: time.Second, Response: time.Second, Stall: time.Second, Clock: socket.NewClock()})
	t.Cleanup(func() { c.Close(); l.Close() })
	return c, l.Addr().String(), func() net.Conn {
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
}

// What can't be asked twice goes only on connections that have been unused for
// less than the backend is known to bear.
func TestWhoMustBeSureWaitsForProof(t *testing.T) {
	c, address, peer := shelfRig(t)
	conn, err := c.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	peer()
	s := c.shelf(address)
	keep := func(now time.Duration) {
		conn.Keep(now)
		s.sweep(now+socket.Tick, idleTimeout)
	}
	sure := func(now time.Duration, want bool) {
		t.Helper()
		got := s.take(now, true, 0)
		if (got != nil) != want {
			t.Errorf("a connection at %v: %v, want %v", now, got != nil, want)
		}
		if got == nil && s.take(now, false, 0) != conn {
			t.Fatal("the connection is gone for everybody")
		}
	}
	keep(0)
	sure(socket.Tick, false) // nothing is known
	keep(time.Second)
	s.sweep(3*time.Second, idleTimeout) // spared for 1.9 s
	sure(2*time.Second, true)
	keep(4 * time.Second)
	sure(6*time.Second, false) // more than it was ever seen to bear

	gone, err := c.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	peer().Close()
	ended(gone)
	gone.Keep(10 * time.Second)
	gone.last = 11 * time.Second         // it was open then, say
	s.sweep(12*time.Second, idleTimeout) // closed after 0.9 s at least
	conn.Keep(12 * time.Second)
	sure(12*time.Second+700*time.Millisecond, true)
	conn.Keep(12 * time.Second)
	sure(12*time.Second+800*time.Millisecond, false)

	// One that was never seen open may have been closed at once.
	gone.Keep(13 * time.Second)
	s.sweep(14*time.Second, idleTimeout)
	conn.Keep(14 * time.Second)
	sure(14*time.Second+1, false)
	conn.Keep(14*time.Second + remembered)
	sure(14*time.Second+remembered+1, true) // that was long ago
}

// ended waits for the end of a connection that nothing is written to.
func ended(c *Conn) {
	for c.Peek() != socket.Ended {
	}
}

// kept puts n connections on the shelf, unused since then, and returns them in
// the order in which they lie there.
func kept(t *testing.T, c *Client, address string, peer func() net.Conn, n int, since time.Duration) (conns []*Conn) {
	t.Helper()
	for range n {
		conn, err := c.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		peer()
		conns = append(conns, conn)
	}
	for _, conn := range conns {
		conn.Keep(since)
	}
	return conns
}

// Between a look and what follows from it connections are lent and come back:
// what was seen of them then says nothing any more.
func TestASweepLeavesAloneWhoIsLent(t *testing.T) {
	c, address, peer := shelfRig(t)
	conns := kept(t, c, address, peer, 4, 0)
	s := c.shelf(address)
	s.choose(often-1, idleTimeout)
	if len(s.looks) != 4 {
		t.Fatalf("%d are looked at", len(s.looks))
	}
	for i := range s.looks {
		s.looks[i].state = socket.Ended // say
	}
	lent, back := s.take(time.Second, false, 0), s.take(time.Second, false, 0)
	if lent != conns[3] || back != conns[2] {
		t.Fatal("not those on top were lent")
	}
	back.Keep(time.Second)
	out := s.judge(time.Second, idleTimeout)
	if !slices.Equal(out, conns[:2]) || !slices.Equal(s.conns, []*Conn{back}) {
		t.Errorf("%d are closed and %d are left, want 2 and 1", len(out), len(s.conns))
	}
	for _, conn := range append(out, lent) {
		conn.Close()
	}
}

// Many that are unused for long cost a tenth of them a tick; each is looked at
// once a second, and closed when its time is over.
func TestSweepsTakeTurns(t *testing.T) {
	c, address, peer := shelfRig(t)
	const n = 50
	conns := kept(t, c, address, peer, n, 0)
	s := c.shelf(address)
	looked := map[*Conn]int{}
	for now := often; now < 2*often; now += socket.Tick {
		s.choose(now, idleTimeout)
		for _, l := range s.looks {
			looked[l.conn]++
		}
		if len(s.looks) != n/sweeps {
			t.Errorf("%d are looked at at %v", len(s.looks), now)
		}
	}
	for _, conn := range conns {
		if looked[conn] != 1 {
			t.Errorf("one was looked at %d times", looked[conn])
		}
	}
	if s.sweep(idleTimeout-2*socket.Tick, idleTimeout); len(s.conns) != n {
		t.Errorf("%d are left before their time is over", len(s.conns))
	}
	if s.sweep(idleTimeout, idleTimeout); len(s.conns) != 0 {
		t.Errorf("%d are left when their time is over", len(s.conns))
	}
}

// While descriptors are short nobody keeps them unused.
func TestAShortageEmptiesTheShelf(t *testing.T) {
	c, address, peer := shelfRig(t)
	kept(t, c, address, peer, 2, 0)
	left := func() int { return len(c.shelf(address).conns) }
	if c.store.sweep(5 * socket.Tick); left() != 2 {
		t.Fatalf("%d are left without a shortage", left())
	}
	c.Clock.Short()
	if c.store.sweep(5 * socket.Tick); left() != 0 {
		t.Errorf("%d are left in a shortage", left())
	}
}
