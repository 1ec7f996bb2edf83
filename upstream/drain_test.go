package upstream

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/rota-lb/rota/socket"
)

// What is unused is closed at once, what is in use when it is given back; what
// is made later stays, since the address may serve again.
func TestDrain(t *testing.T) {
	c, address, peer := shelfRig(t)
	dial := func() *Conn {
		t.Helper()
		conn, err := c.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		peer()
		return conn
	}
	unused, used := dial(), dial()
	unused.Keep(0)
	c.Drain(address)
	if unused.Peek() == socket.Silent {
		t.Error("an unused connection is open")
	}
	if used.Peek() != socket.Silent {
		t.Fatal("a connection was closed in use")
	}
	used.Keep(0)
	if used.Peek() == socket.Silent || c.Idle(address, false, 0) != nil {
		t.Error("a connection from before is kept")
	}
	again := dial()
	again.Keep(0)
	if c.Idle(address, false, 0) != again {
		t.Error("a connection made since is not kept")
	}
	c.Drain("127.0.0.1:9") // never heard of
}

// Cut ends the waits on what is in use, and on nothing else.
func TestCut(t *testing.T) {
	c, address, peer := shelfRig(t)
	used, kept, closed := make([]*Conn, 3), (*Conn)(nil), (*Conn)(nil)
	for _, at := range []**Conn{&used[0], &kept, &used[1], &closed, &used[2]} {
		conn, err := c.Dial(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		peer()
		*at = conn
	}
	kept.Keep(0)
	closed.Close()
	if again := c.Idle(address, false, 0); again != kept {
		t.Fatalf("lent %v", again)
	}
	kept.Keep(0)

	var reading sync.WaitGroup
	for _, conn := range used {
		reading.Go(func() {
			var b socket.Buffer
			defer b.Release()
			if err := conn.ReadInto(&b); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the wait ended with %v", err)
			}
		})
	}
	if n := c.Cut(address); n != len(used) {
		t.Errorf("cut %d connections, want %d", n, len(used))
	}
	reading.Wait()
	for _, conn := range used {
		conn.Keep(0)
	}
	if conn := c.Idle(address, false, 0); conn != kept || conn.Peek() != socket.Silent {
		t.Error("what was unused is not there any more")
	}
	kept.Keep(0)
	if conn := c.Idle(address, false, 0); conn != nil {
		t.Error("what was in use, or might have been, is kept")
	}
	if n := c.Cut(address); n != 0 {
		t.Errorf("%d connections are still held to be in use", n)
	}
	if n := c.Cut("127.0.0.1:9"); n != 0 {
		t.Errorf("cut %d connections to where there are none", n)
	}
}

// Connections come and go while an address drains and is cut.
func TestDrainUnderUse(t *testing.T) {
	c, address, peer := shelfRig(t)
	var all sync.WaitGroup
	all.Go(func() {
		for range 8 * 20 {
			peer()
		}
	})
	for range 8 {
		all.Go(func() {
			for i := range 20 {
				conn, err := c.Dial(t.Context(), address)
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 {
					if i%2 == 0 {
						conn.Close()
						break
					}
					conn.Keep(time.Duration(i))
					if conn = c.Idle(address, false, 0); conn == nil {
						break
					}
				}
				if conn != nil && i%2 == 1 {
					conn.Close()
				}
			}
		})
	}
	all.Go(func() {
		for range 50 {
			c.Drain(address)
			c.Cut(address)
		}
	})
	all.Wait()
	c.Drain(address)
	if n := c.Cut(address); n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
