package socket

import (
	"io"
	"net"
	"sync"
	"testing"
)

// gate is a listener and who owns what it accepts.
type gate struct {
	*Listener
	opened chan *owner
}

// owner does with its connection what the test tells it to, and counts what it is
// told.
type owner struct {
	*Conn
	started chan struct{} // at each call of Serve
	acts    chan func() (parked bool)
	acted   chan struct{}
	ticks   int
}

// Serve is part of [Owner].
func (o *owner) Serve() {
	o.started <- struct{}{}
	for {
		o.Leave()
		act, ok := <-o.acts
		if !ok {
			return
		}
		parked := act()
		o.acted <- struct{}{}
		if parked {
			return
		}
	}
}

// Tick is part of [Owner].
func (o *owner) Tick() { o.ticks++ }

// do has the task of the connection, which was started, do something.
func (o *owner) do(f func() (parked bool)) {
	o.acts <- f
	<-o.acted
}

// dismiss has the task end, after the connection was closed.
func (o *owner) dismiss() { close(o.acts) }

// listen starts a gate that is open as long as the test.
func listen(t *testing.T, c *Clock) *gate {
	g := &gate{opened: make(chan *owner, 1000)}
	g.Listener = serve(t, c, func(c *Conn) Owner {
		o := &owner{Conn: c, started: make(chan struct{}, 1000), acts: make(chan func() bool), acted: make(chan struct{})}
		g.opened <- o
		return o
	})
	return g
}

// serve has a listener accept as long as the test.
func serve(t *testing.T, c *Clock, open func(*Conn) Owner) *Listener {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l, err := Listen(plain, ListenerOptions{Clock: c, Stall: stall, Open: open})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := l.Serve(); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	t.Cleanup(func() {
		l.Close()
		l.End()
		serving.Wait()
	})
	return l
}

func (g *gate) dial(t *testing.T) net.Conn { return dial(t, g.Listener) }

func dial(t *testing.T, l net.Listener) net.Conn {
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// leave closes the connection, and ends its task.
func (r *rig) leave() {
	if o := r.owner; o != nil {
		if r.parked {
			r.Interrupt()
			<-o.started
		}
		defer o.dismiss()
	}
	r.Close()
}

// act does something in the task of the connection, where it has one. Parking
// counts as done.
func (r *rig) act(f func() (parked bool)) {
	o := r.owner
	if o == nil {
		f()
		return
	}
	o.do(func() bool {
		o.Unshare()
		if r.parked = f(); !r.parked {
			o.Share()
		}
		return r.parked
	})
}

// back returns once a connection that was parked is served again.
func (r *rig) back() {
	<-r.owner.started
	r.parked = false
	r.owner.do(func() bool { r.Share(); return false })
}

// loop is Loop, until it ends.
func (r *rig) loop(h Handler) (err error) {
	for {
		r.act(func() (parked bool) {
			parked, err = r.Loop(h)
			return parked
		})
		if !r.parked {
			return err
		}
		r.back()
	}
}

// park parks the connection, and reports whether it could be.
func (r *rig) park() bool {
	if r.owner == nil {
		return false
	}
	r.act(func() (parked bool) {
		parked, _ = r.Loop(listener())
		return parked
	})
	return r.parked
}

// hear reads in a loop until something was read or, where an error is wanted,
// until it ends.
func (r *rig) hear(want error) error {
	return r.loop(&handler{ready: func(p []byte) Next {
		if want == nil && len(p) > 0 {
			return Stop
		}
		return Wait
	}})
}

// sayOnce has the peer say a byte, and returns when it was read.
func (r *rig) sayOnce(t *testing.T) {
	t.Helper()
	io.WriteString(r.peer, "x")
	if r.parked {
		r.back()
	}
	if err := r.hear(nil); err != nil {
		t.Error(err)
	}
}
