package socket

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"testing"
)

// A connection that is parked is served again by what ends its wait, once.
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
		{"the limit, dozing", func(r *rig) { r.LimitRead(5 * Tick); r.pass(20 * Tick) }, os.ErrDeadlineExceeded},
		{"EndRead", func(r *rig) { r.EndRead() }, os.ErrDeadlineExceeded},
		{"Interrupt", func(r *rig) { r.Interrupt() }, os.ErrDeadlineExceeded},
	}
	for _, tt := range tests {
		for name, before := range map[string]func(*testing.T, *rig){
			"at first": func(*testing.T, *rig) {},
			"again":    func(t *testing.T, r *rig) { r.park(); r.sayOnce(t) },
		} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				r := newRig(t, accepted)
				before(t, r)
				r.LimitRead(1)
				if !r.park() {
					t.Fatal("not parked")
				}
				if len(r.owner.started) > 0 {
					t.Fatal("started at once")
				}
				tt.wake(r)
				r.back()
				if err := r.hear(tt.want); !errors.Is(err, tt.want) {
					t.Errorf("ended with %v, want %v", err, tt.want)
				}
				if len(r.owner.started) > 0 {
					t.Error("started twice")
				}
			})
		}
	}
}

// What can't be waited for is not parked.
func TestWhatIsNotParked(t *testing.T) {
	for name, before := range map[string]func(r *rig){
		"ended":       func(r *rig) { r.EndRead() },
		"expired":     func(r *rig) { r.LimitRead(1); r.pass(2 * Tick) },
		"interrupted": func(r *rig) { r.Interrupt() },
		"closed":      func(r *rig) { r.Close() },
		// By another wait the news is taken, and stays in force.
		"ended, and known":       func(r *rig) { r.EndRead(); r.ReadInto(new(Buffer)) },
		"interrupted, and known": func(r *rig) { r.Interrupt(); r.ReadInto(new(Buffer)) },
	} {
		r := newRig(t, accepted)
		if before(r); r.park() {
			t.Errorf("%s, and parked", name)
		}
	}
	for _, k := range []kind{tcp, piped} {
		if newRig(t, k).park() {
			t.Error("parked without a listener")
		}
	}
}

// What ends a wait within a loop ends the next one of the loop as well.
func TestAnEndWithinALoop(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"EndRead":   func(r *rig) { r.EndRead() },
		"Interrupt": func(r *rig) { r.Interrupt() },
	} {
		r := newRig(t, accepted)
		h := &handler{ready: func(p []byte) Next {
			if len(p) > 0 {
				end(r)
				if err := r.ReadInto(new(Buffer)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%s: the wait within ended with %v", name, err)
				}
				r.more = false
				r.reads.state.Store(quiet) // as a wait that was under way has taken it
			}
			return Wait
		}}
		r.says("x")
		if err := r.loop(h); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: ended with %v", name, err)
		}
	}
}

// The end of a wait races with what is awaited: one of them starts the owner.
func TestOneStartForAllReasons(t *testing.T) {
	r := newRig(t, accepted)
	var b Buffer
	for range 300 {
		if !r.park() {
			t.Fatal("not parked")
		}
		var reasons sync.WaitGroup
		reasons.Go(func() { r.peer.Write([]byte("x")) })
		reasons.Go(func() { r.EndRead() })
		reasons.Go(func() { r.pass(Tick) })
		reasons.Wait()
		r.back()
		r.LimitRead(0)
		if err := r.ReadInto(&b); err != nil || b.Len() != 1 {
			t.Fatalf("read %d bytes, %v", b.Len(), err)
		}
		b.Release()
		if len(r.owner.started) > 0 {
			t.Fatal("started twice")
		}
	}
}
