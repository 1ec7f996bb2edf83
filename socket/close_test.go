package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// closes counts how often a connection is closed.
type closes struct {
	net.Conn
	n atomic.Int64
}

func (c *closes) Close() error {
	c.n.Add(1)
	return c.Conn.Close()
}

func TestCloseBySeveral(t *testing.T) {
	clock := NewClock()
	for range 100 {
		ours, theirs := net.Pipe()
		counted := &closes{Conn: ours}
		c, _ := New(counted, clock, stall)
		other, _ := New(theirs, clock, stall)
		var closing sync.WaitGroup
		for range 4 {
			closing.Go(func() { c.Close() })
			closing.Go(func() { c.Abort() })
			closing.Go(func() { clock.sweep(Tick, nil) })
		}
		closing.Wait()
		if n := counted.n.Load(); n != 1 {
			t.Fatalf("closed %d times", n)
		}
		if len(clock.conns) != 1 || clock.conns[0] != other {
			t.Fatalf("%d connections are watched, want the other one", len(clock.conns))
		}
		other.Close()
	}
}

// Without a descriptor whoever waits hears that the connection was closed.
func TestCloseEndsPlainWaits(t *testing.T) {
	waits := map[string]func(r *rig) error{
		"ReadInto": func(r *rig) error { return r.ReadInto(new(Buffer)) },
		"Loop":     func(r *rig) error { return r.loop(listener()) },
		"Write":    func(r *rig) error { _, err := r.Write(make([]byte, 1<<20)); return err },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, piped)
			var waiting sync.WaitGroup
			waiting.Go(func() {
				if err := wait(r); err == nil || isAny(err, []error{io.EOF, os.ErrDeadlineExceeded}) {
					t.Errorf("ended with %v", err)
				}
			})
			r.Close()
			waiting.Wait()
		})
	}
}

// Who takes what a loop brings may end its connection.
func TestCloseWithinALoop(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		h := &handler{ready: func(p []byte) Next {
			if len(p) > 0 {
				r.LimitRead(1)
				r.Close()
				r.pass(3 * Tick)
				r.Interrupt()
			}
			return Wait
		}}
		r.says("x")
		if err := r.loop(h); !isAny(err, []error{net.ErrClosed, io.ErrClosedPipe}) {
			t.Errorf("ended with %v", err)
		}
	})
}

func TestHowAConnectionEnds(t *testing.T) {
	tests := []struct {
		name string
		end  func(r *rig)
		want error // that the peer hears
	}{
		{"Close", func(r *rig) { r.Close() }, io.EOF},
		{"CloseWrite", func(r *rig) { r.CloseWrite() }, io.EOF},
		{"Abort", func(r *rig) { r.Abort() }, syscall.ECONNRESET},
		{"Close, Abort", func(r *rig) { r.Close(); r.Abort() }, io.EOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tcp)
			tt.end(r)
			if _, err := r.peer.Read(make([]byte, 1)); !errors.Is(err, tt.want) {
				t.Errorf("the peer hears of %v, want %v", err, tt.want)
			}
		})
	}
}

// After CloseWrite there is still something to read. Where it can't be, nothing
// happens.
func TestCloseWriteLeavesReading(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		if err := r.CloseWrite(); err != nil {
			t.Error(err)
		}
		if r.ended(t) {
			t.Error("reading has ended as well")
		}
	})
}

// A client may try to hold on to us with a limit of its own.
func TestLimitsOfAClosedConnection(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.LimitRead(1)
		r.Close()
		r.pass(10 * Tick)
		r.LimitRead(1)
		r.EndRead()
		r.Interrupt()
		if err := r.ReadInto(new(Buffer)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	})
}
