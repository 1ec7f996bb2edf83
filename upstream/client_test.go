package upstream

import (
	"errors"
	"testing"
	"time"

	"github.com/rota-lb/rota/socket"
)

// A client with other options has the same connections.
func TestWithOtherOptions(t *testing.T) {
	before, address, peer := shelfRig(t)
	conn, err := before.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	peer()
	after := before.With(Options{Response: time.Hour, Stall: time.Minute, Clock: before.Clock})
	conn.Keep(0)
	if got := after.Idle(address, false, 0); got != conn {
		t.Errorf("there is %v, want what the other client made", got)
	}
	if after.Response != time.Hour || before.Response != time.Second {
		t.Errorf("they wait for %v and %v", after.Response, before.Response)
	}
	conn.Keep(0)
	after.Leave(address)
	if got := before.Idle(address, false, 0); got != nil {
		t.Error("what one has left is there for the other")
	}
}

// Where there are as many connections as there may be, the one that has been
// unused for longest makes room, and none that is in use.
func TestUnusedConnectionsMakeRoom(t *testing.T) {
	plain, address, peer := shelfRig(t)
	o := plain.Options
	o.MaxConns = 3
	c := plain.With(o)
	dial := func() *Conn {
		t.Helper()
		conn, err := c.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		peer()
		return conn
	}
	used, before, after := dial(), dial(), dial()
	before.Keep(0)
	after.Keep(time.Second)
	for _, unused := range []*Conn{before, after} {
		if dial(); unused.Peek() == socket.Silent {
			t.Error("what was unused for longest is open")
		}
	}
	if _, err := c.Dial(t.Context(), address); !errors.Is(err, ErrMaxConnections) {
		t.Errorf("beyond the limit: %v", err)
	}
	if n := c.shelf(address).open.Load(); n != 3 || used.Peek() != socket.Silent {
		t.Errorf("%d connections are counted, and that in use is %v", n, used.Peek())
	}
}

// A request may be under way while its service goes: what it gives back is not
// kept, be it on a connection from before or made since.
func TestAClosedClientKeepsNothing(t *testing.T) {
	c, address, peer := shelfRig(t)
	dial := func() *Conn {
		conn, err := c.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		peer()
		return conn
	}
	before := dial()
	c.Close()
	since := dial()
	for name, conn := range map[string]*Conn{"before": before, "since": since} {
		if conn.Keep(0); conn.Peek() == socket.Silent || c.Idle(address, false, 0) != nil {
			t.Errorf("the connection made %s is kept", name)
		}
	}
}

// Those in use count while a client closes.
func TestAClosedClientKeepsItsLimit(t *testing.T) {
	c, address, peer := shelfRig(t)
	o := c.Options
	o.MaxConns = 1
	c = c.With(o)
	conn, err := c.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	peer()
	c.Close()
	if _, err := c.Dial(t.Context(), address); !errors.Is(err, ErrMaxConnections) {
		t.Errorf("beyond the limit: %v", err)
	}
	conn.Keep(0)
	if conn, err = c.Dial(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	peer()
	conn.Close()
}

// An attempt may come just after its address was left. What is kept for that goes
// when it has not been used for long, and nothing that is in use goes with it.
func TestWhatIsNotUsedIsForgotten(t *testing.T) {
	c, address, peer := shelfRig(t)
	c.Leave(address)
	conn, err := c.Dial(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	peer()
	known := func() bool { _, ok := c.shelfs.Load(address); return ok }
	now := time.Second
	sweep := func(d time.Duration, want bool) {
		t.Helper()
		now += d
		if c.sweep(now); known() != want {
			t.Errorf("at %v it is known: %v", now, known())
		}
	}
	sweep(0, true)
	sweep(2*remembered, true)
	conn.Close()
	sweep(0, true)
	sweep(remembered, true)
	sweep(socket.Tick, false)
	if conn, err = c.Dial(t.Context(), address); err != nil {
		t.Fatal(err)
	}
	peer()
	if conn.Keep(now); c.Idle(address, false, 0) != conn {
		t.Error("what comes later is not kept")
	}
}
