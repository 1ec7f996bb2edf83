package socket

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// handler is a Handler of functions. Without room it has room for much.
type handler struct {
	room  func() []byte
	ready func(p []byte) Next // what was read; nil for nothing

	memory []byte
}

func (h *handler) Room() []byte {
	switch {
	case h.room != nil:
		h.memory = h.room()
	case h.memory == nil:
		h.memory = make([]byte, 1<<10)
	}
	return h.memory
}

func (h *handler) Ready(n int) Next { return h.ready(h.memory[:n:n]) }

// listener hears nothing.
func listener() *handler { return &handler{ready: func([]byte) Next { return Wait }} }

// hears returns a handler that wants always the same, until it has heard that
// much, and what it has heard.
func hears(always Next, want int) (h *handler, heard *bytes.Buffer) {
	heard = new(bytes.Buffer)
	return &handler{ready: func(p []byte) Next {
		if heard.Write(p); heard.Len() >= want {
			return Stop
		}
		return always
	}}, heard
}

func TestLoop(t *testing.T) {
	const much = 1 << 30
	hello := func(r *rig) { io.WriteString(r.peer, "hello") }
	tests := []struct {
		name string
		peer func(r *rig)
		stop int // when that much was read
		want string
		err  error
	}{
		{"stopped at once", func(*rig) {}, 0, "", nil},
		{"stopped", hello, 5, "hello", nil},
		{"ended at once", func(r *rig) { r.peer.Close() }, much, "", io.EOF},
		{"said something twice", func(r *rig) { hello(r); hello(r) }, 10, "hellohello", nil},
		{"said much", func(r *rig) { io.WriteString(r.peer, strings.Repeat("hello", 1000)) }, 5000, strings.Repeat("hello", 1000), nil},
		{"said as much as there is room for", func(r *rig) { io.WriteString(r.peer, strings.Repeat("x", 1<<10)) }, 1 << 10, strings.Repeat("x", 1<<10), nil},
		{"said as much as there is room for, and ended", func(r *rig) {
			io.WriteString(r.peer, strings.Repeat("x", 1<<10))
			r.peer.Close()
		}, much, strings.Repeat("x", 1<<10), io.EOF},
	}
	for _, tt := range tests {
		for name, next := range map[string]Next{"Wait": Wait, "More": More} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				each(t, func(t *testing.T, r *rig) {
					r.peers.Go(func() { tt.peer(r) })
					h, heard := hears(next, tt.stop)
					if err := r.loop(h); !errors.Is(err, tt.err) {
						t.Errorf("ended with %v, want %v", err, tt.err)
					}
					equal(t, "heard", heard.Bytes(), []byte(tt.want))
				})
			})
		}
	}
}

func TestLoopOverAReset(t *testing.T) {
	r := newRig(t, tcp)
	h := &handler{ready: func(p []byte) Next {
		if len(p) > 0 {
			r.peers.Go(r.reset)
		}
		return Wait
	}}
	r.says("hello")
	if err := r.loop(h); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("ended with %v", err)
	}
}

// A handler may set the limit anew with all that it hears, and must be heard
// where the old one has expired meanwhile.
func TestLimitsWithinALoop(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		rounds := 0
		h := &handler{}
		h.ready = func(p []byte) Next {
			if len(p) > 0 {
				rounds++
				r.pass(10 * Tick) // it takes its time
			}
			r.LimitRead(Tick)
			if len(p) > 0 && rounds < 5 {
				r.says("again")
			} else if len(p) > 0 {
				r.pass(2 * Tick)
			}
			return Wait
		}
		r.says("hello")
		if err := r.loop(h); !errors.Is(err, os.ErrDeadlineExceeded) || rounds != 5 {
			t.Errorf("ended with %v after %d rounds", err, rounds)
		}
	})
}

// What is written within the loop may not be taken at once.
func TestLoopWrites(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		huge := pattern(4 << 20)
		sent := append([]byte("hello"), huge...)
		r.peers.Go(func() { io.WriteString(r.peer, "hello") })
		got := make(chan []byte, 1)
		r.peers.Go(func() { got <- r.received(t, len(sent)) })
		h := &handler{ready: func(p []byte) Next {
			if len(p) == 0 {
				return Wait
			}
			if n, err := r.Write(p); n != 5 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			if n, err := r.WriteBoth(huge[:1000], huge[1000:]); n != len(huge) || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			return Stop
		}}
		if err := r.loop(h); err != nil {
			t.Error(err)
		}
		equal(t, "the peer got", <-got, sent)
	})
}

// No edge is lost, however what is sent falls into pieces on either side.
func TestLoopLosesNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		sent := pattern(1 << 20)
		sizes, rooms := rand.New(rand.NewPCG(1, 2)), rand.New(rand.NewPCG(3, 4))
		r.peers.Go(func() {
			for left := sent; len(left) > 0; {
				n := min(len(left), 1+sizes.IntN(300))
				r.peer.Write(left[:n])
				left = left[n:]
			}
		})
		var heard bytes.Buffer
		memory := make([]byte, 400)
		h := &handler{
			room: func() []byte { return memory[:1+rooms.IntN(len(memory))] },
			ready: func(p []byte) Next {
				if heard.Write(p); heard.Len() == len(sent) {
					return Stop
				}
				return Next(rooms.IntN(int(Stop))) // Wait or More
			},
		}
		if err := r.loop(h); err != nil {
			t.Error(err)
		}
		equal(t, "heard", heard.Bytes(), sent)
	})
}

// A loop may follow on another way of reading, and the other way round.
func TestLoopsTakeTurns(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		sent := []byte("one two six ten")
		r.peers.Go(func() {
			for piece := range slices.Chunk(sent, 3) {
				r.peer.Write(piece)
			}
		})
		var heard []byte
		var b Buffer
		defer b.Release()
		for len(heard) < len(sent) {
			h, more := hears(Wait, 1)
			if err := r.loop(h); err != nil {
				t.Fatal(err)
			}
			heard = append(heard, more.Bytes()...)
			if len(heard) == len(sent) {
				break
			}
			if err := r.ReadInto(&b); err != nil {
				t.Fatal(err)
			}
			heard = append(heard, b.Bytes()...)
			b.Release()
		}
		equal(t, "heard", heard, sent)
	})
}

func TestALoopDoesNotAllocate(t *testing.T) {
	test := func(t *testing.T, r *rig) {
		in, out := make([]byte, 100), make([]byte, 100)
		h := &handler{}
		h.ready = func(p []byte) Next {
			r.LimitRead(patience)
			if len(p) > 0 {
				r.WriteBoth(out, p)
			}
			return Wait
		}
		r.peers.Go(func() { r.loop(h) })
		answer := make([]byte, 200)
		if n := testing.AllocsPerRun(100, func() {
			r.peer.Write(in)
			io.ReadFull(r.peer, answer)
		}); n > 0 {
			t.Errorf("%v allocations a round", n)
		}
		r.peer.Close()
		r.peers.Wait()
	}
	t.Run("tcp", func(t *testing.T) { test(t, newRig(t, tcp)) })
	t.Run("pipe", func(t *testing.T) { test(t, newRig(t, piped)) })
}
