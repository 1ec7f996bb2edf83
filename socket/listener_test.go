package socket

import (
	"errors"
	"io"
	"net"
	"testing"
)

func TestABurstOfConnections(t *testing.T) {
	clock := newClock(t)
	g := listen(t, clock)
	const n = 300 // more than are accepted in a row
	for range n {
		peer := g.dial(t)
		defer peer.Close()
		io.WriteString(peer, "x")
	}
	addresses := map[string]bool{}
	for range n {
		o := <-g.opened
		<-o.started
		if o.LimitRead(patience); o.Peek() != Readable {
			t.Error("started with nothing to read")
		}
		addresses[o.RemoteAddr().String()] = true
		o.Close()
		o.dismiss()
	}
	if len(addresses) != n {
		t.Errorf("%d peers for %d connections", len(addresses), n)
	}
	if len(clock.conns) != 0 {
		t.Errorf("%d closed connections are watched", len(clock.conns))
	}
}

// A descriptor is given to the next connection at once. What happens to the one
// before it must not be taken for its own.
func TestDescriptorsAreReused(t *testing.T) {
	g := listen(t, newClock(t))
	for range 200 {
		first := g.dial(t)
		io.WriteString(first, "first")
		o := <-g.opened
		<-o.started
		o.do(func() bool {
			if o.Abort(); o.Peek() != Broken || o.CloseWrite() != nil {
				t.Error("a closed connection is not done with")
			}
			return false
		})
		second := g.dial(t)
		next := <-g.opened
		io.WriteString(second, "second")
		<-next.started
		o.do(func() bool {
			if _, err := o.Write([]byte("stale")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write after the end: %v", err)
			}
			if parked, err := o.Loop(listener()); parked || !errors.Is(err, net.ErrClosed) {
				t.Errorf("a loop after the end: %v, parked: %v", err, parked)
			}
			return false
		})
		o.Interrupt()
		o.EndRead()
		next.do(func() bool {
			var b Buffer
			defer b.Release()
			if err := next.ReadInto(&b); err != nil || string(b.Bytes()) != "second" {
				t.Errorf("read %q, %v", b.Bytes(), err)
			}
			next.Write([]byte("ok"))
			next.Close()
			return false
		})
		o.dismiss()
		next.dismiss()
		if got, err := io.ReadAll(second); err != nil || string(got) != "ok" {
			t.Fatalf("the peer got %q, %v", got, err)
		}
		first.Close()
		second.Close()
	}
}

func TestAClosedListener(t *testing.T) {
	g := listen(t, newClock(t))
	peer := g.dial(t)
	defer peer.Close()
	o := <-g.opened
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if conn, err := net.Dial("tcp", g.Addr().String()); err == nil {
		conn.Close()
		t.Error("it accepts after Close")
	}
	io.WriteString(peer, "x") // what stands goes on
	<-o.started
	o.Close()
	o.dismiss()
}
