package upstream

import (
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
	if got := after.Idle(address, false); got != conn {
		t.Errorf("there is %v, want what the other client made", got)
	}
	if after.Response != time.Hour || before.Response != time.Second {
		t.Errorf("they wait for %v and %v", after.Response, before.Response)
	}
	conn.Keep(0)
	after.Leave(address)
	if got := before.Idle(address, false); got != nil {
		t.Error("what one has left is there for the other")
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
		if conn.Keep(0); conn.Peek() == socket.Silent || c.Idle(address, false) != nil {
			t.Errorf("the connection made %s is kept", name)
		}
	}
}
