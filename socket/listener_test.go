package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
)

// gate is a listener and who owns what it accepts.
type gate struct {
	*Listener
	opened chan *owner
}

// owner counts what it is told.
type owner struct {
	*Conn
	started chan struct{} // at each Start
	ticks   int
}

func (o *owner) Start() { o.started <- struct{}{} }
func (o *owner) Tick()  { o.ticks++ }

// listen starts a gate that is open as long as the test.
func listen(t *testing.T, c *Clock) *gate {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{opened: make(chan *owner, 1000)}
	g.Listener, err = Listen(plain, ListenerOptions{Clock: c, Stall: stall,
		Open: func(c *Conn) Owner {
			o := &owner{Conn: c, started: make(chan struct{}, 1000)}
			g.opened <- o
			return o
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := g.Serve(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		g.Close()
		g.End()
		serving.Wait()
	})
	return g
}

func (g *gate) dial(t *testing.T) net.Conn {
	conn, err := net.Dial("tcp", g.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// A connection that is parked has its owner started by what ends its wait, once.
func TestParkedConnectionsWake(t *testing.T) {
	tests := []struct {
		name string
		wake func(r *rig)
		want error // of the loop that follows; nil: something was read
	}{
		{"bytes", func(r *rig) { r.says("x") }, nil},
		{"the end", func(r *rig) { r.peer.Close() }, io.EOF},
		{"a reset", func(r *rig) { r.reset() }, syscall.ECONNRESET},
		{"the limit", func(r *rig) { r.pass(2 * Tick) }, os.ErrDeadlineExceeded},
		{"EndRead", func(r *rig) { r.EndRead() }, os.ErrDeadlineExceeded},
		{"Interrupt", func(r *rig) { r.Interrupt() }, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		for name, before := range map[string]func(*rig){
			"at first": func(*rig) {},
			"again":    func(r *rig) { r.Park(); r.peer.Write([]byte("x")); <-r.owner.(*owner).started; r.hear(nil) },
			"shared":   func(r *rig) { r.Share() },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				r := newRig(t, accepted)
				if !r.Parks() {
					t.Skip("this system has nowhere to park")
				}
				before(r)
				r.LimitRead(1)
				if !r.Park() {
					t.Fatal("not parked")
				}
				started := r.owner.(*owner).started
				if len(started) > 0 {
					t.Fatal("started at once")
				}
				tt.wake(r)
				<-started
				if err := r.hear(tt.want); !errors.Is(err, tt.want) {
					t.Errorf("ended with %v, want %v", err, tt.want)
				}
				if len(started) > 0 {
					t.Error("started twice")
				}
			})
		}
	}
}

// hear reads in a loop until something was read or, where an error is wanted,
// until it ends.
func (r *rig) hear(want error) error {
	return r.Loop(&handler{ready: func(p []byte) Next {
		if want == nil && len(p) > 0 {
			return Stop
		}
		return Wait
	}})
}

// What can't be waited for is not parked.
func TestWhatIsNotParked(t *testing.T) {
	for name, before := range map[string]func(r *rig){
		"ended":       func(r *rig) { r.EndRead() },
		"expired":     func(r *rig) { r.LimitRead(1); r.pass(2 * Tick) },
		"interrupted": func(r *rig) { r.Interrupt() },
		"closed":      func(r *rig) { r.Close() },
	} {
		r := newRig(t, accepted)
		if before(r); r.Park() {
			t.Errorf("%s, and parked", name)
		}
	}
	for _, k := range []kind{tcp, piped} {
		if r := newRig(t, k); r.Parks() || r.Park() {
			t.Error("parked without a listener")
		}
	}
}

// The end of a wait races with what is awaited: one of them starts the owner.
func TestOneStartForAllReasons(t *testing.T) {
	r := newRig(t, accepted)
	if !r.Parks() {
		t.Skip("this system has nowhere to park")
	}
	started := r.owner.(*owner).started
	var b Buffer
	for range 300 {
		if !r.Park() {
			t.Fatal("not parked")
		}
		var reasons sync.WaitGroup
		reasons.Go(func() { r.peer.Write([]byte("x")) })
		reasons.Go(func() { r.EndRead() })
		<-started
		reasons.Wait()
		r.LimitRead(0)
		if err := r.ReadInto(&b); err != nil || b.Len() != 1 {
			t.Fatalf("read %d bytes, %v", b.Len(), err)
		}
		b.Release()
		if len(started) > 0 {
			t.Fatal("started twice")
		}
	}
}

func TestABurstOfConnections(t *testing.T) {
	clock := NewClock()
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
	g := listen(t, NewClock())
	for range 200 {
		first := g.dial(t)
		io.WriteString(first, "first")
		o := <-g.opened
		<-o.started
		if o.Abort(); o.Peek() != Broken || o.Park() || o.CloseWrite() != nil {
			t.Fatal("a closed connection is not done with")
		}
		second := g.dial(t)
		next := <-g.opened
		io.WriteString(second, "second")
		<-next.started
		var b Buffer
		if err := next.ReadInto(&b); err != nil || string(b.Bytes()) != "second" {
			t.Fatalf("read %q, %v", b.Bytes(), err)
		}
		b.Release()
		o.Write([]byte("stale"))
		o.Interrupt()
		next.Write([]byte("ok"))
		next.Close()
		if got, err := io.ReadAll(second); err != nil || string(got) != "ok" {
			t.Fatalf("the peer got %q, %v", got, err)
		}
		first.Close()
		second.Close()
	}
}

func TestAClosedListener(t *testing.T) {
	g := listen(t, NewClock())
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
}

func TestAnAcceptedConnectionDoesNotAllocate(t *testing.T) {
	r := newRig(t, accepted)
	if !r.Parks() {
		t.Skip("this system has nowhere to park")
	}
	started := r.owner.(*owner).started
	h := &handler{ready: func(p []byte) Next {
		if len(p) > 0 {
			r.Write(p)
			return Stop
		}
		return Wait
	}}
	in, out := make([]byte, 100), make([]byte, 100)
	round := func() {
		r.LimitRead(patience)
		r.Park()
		r.peer.Write(in)
		<-started
		r.Loop(h)
		io.ReadFull(r.peer, out)
	}
	if n := testing.AllocsPerRun(100, round); n > 1 { // one for the loop
		t.Errorf("%v allocations a round", n)
	}
}
