package socket

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestWriteBoth(t *testing.T) {
	huge := pattern(4 << 20)
	tests := []struct {
		name       string
		head, body []byte
	}{
		{"nothing", nil, nil},
		{"nothing, with memory", []byte{}, []byte{}},
		{"head", []byte("head"), nil},
		{"body", nil, []byte("body")},
		{"both", []byte("head"), []byte("body")},
		{"a huge head", huge, nil},
		{"a huge head and a body", huge, []byte("body")},
		{"a huge body", nil, huge},
		{"a huge body behind a head", []byte("head"), huge},
		{"both huge", huge, huge},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig) {
				sent := append(bytes.Clone(tt.head), tt.body...)
				r.peers.Go(func() {
					equal(t, "the peer got", r.received(t, len(sent)), sent)
				})
				if n, err := r.WriteBoth(tt.head, tt.body); n != len(sent) || err != nil {
					t.Errorf("wrote %d, %v; want %d", n, err, len(sent))
				}
				r.peers.Wait()
			})
		})
	}
}

// slowly are connections that take little at once.
var slowly = map[string]kind{"tcp": narrow(tcp), "accepted": narrow(accepted), "pipe": piped}

// sending is a write of a rig, under way or ended.
type sending struct {
	writing sync.WaitGroup
	over    atomic.Bool
	n       int
	err     error
}

// send has the rig write, and returns once that has a limit.
func (r *rig) send(t *testing.T, what []byte) *sending {
	s := new(sending)
	s.writing.Go(func() {
		s.n, s.err = r.Write(what)
		s.over.Store(true)
	})
	eventually(t, "a limit of the write", func() bool { return r.writes.limit.due.Load() > 0 })
	return s
}

// A peer may take its time for the whole, as long as it takes something now and
// then.
func TestASlowWriteIsNotCut(t *testing.T) {
	for name, pair := range slowly {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pair)
			sent := pattern(4 << 20)
			sending := r.send(t, sent)
			var got []byte
			p := make([]byte, 4<<10)
			for range 10 {
				r.pass(stall)
				// What is taken then gives the write its whole time again.
				renewed := r.clock.spent.Load() + int64(stall+Tick)
				for r.writes.limit.due.Load() != renewed {
					n, err := r.peer.Read(p)
					if err != nil {
						t.Fatalf("after %v: %v", r.now, err)
					}
					got = append(got, p[:n]...)
				}
			}
			got = append(got, r.received(t, len(sent)-len(got))...)
			sending.writing.Wait()
			if sending.n != len(sent) || sending.err != nil {
				t.Errorf("wrote %d of %d, %v", sending.n, len(sent), sending.err)
			}
			equal(t, "the peer got", got, sent)
			if r.writes.limit.due.Load() != 0 {
				t.Error("the limit stands after the write")
			}
		})
	}
}

// A write that stalls ends, not before its time, and tells how much was taken.
// The next one has its own time.
func TestAWriteThatStallsIsCut(t *testing.T) {
	for name, pair := range slowly {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, pair)
			sent := pattern(4 << 20)
			sending := r.send(t, sent)
			got := r.received(t, 1000)
			eventually(t, "the end of the write", func() bool {
				if due := r.writes.limit.due.Load(); due > 0 { // else it was cut, or goes on at the last moment
					r.pass(Tick)
					if now := r.clock.spent.Load(); r.writes.limit.due.Load() == overdue && now < due {
						t.Errorf("cut at %d, and due at %d", now, due)
					}
				}
				return sending.over.Load()
			})
			sending.writing.Wait()
			if !errors.Is(sending.err, os.ErrDeadlineExceeded) {
				t.Errorf("ended with %v", sending.err)
			}
			got = append(got, r.received(t, sending.n-1000)...)
			equal(t, "the peer got", got, sent[:sending.n])

			r.peers.Go(func() { equal(t, "the peer got next", r.received(t, 5), []byte("hello")) })
			if n, err := r.WriteBoth([]byte("he"), []byte("llo")); n != 5 || err != nil {
				t.Errorf("then wrote %d, %v", n, err)
			}
			r.peers.Wait()
		})
	}
}

// One goroutine may read while another writes.
func TestBothWaysAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		runs(t, r.clock)
		if r.owner == nil {
			r.Join(nil) // before two need it
		}
		r.Share()
		sent := pattern(4 << 20)
		r.peers.Go(func() {
			for p := make([]byte, 10_000); ; {
				n, err := r.peer.Read(p)
				if _, e := r.peer.Write(p[:n]); err != nil || e != nil {
					return
				}
			}
		})
		var writing sync.WaitGroup
		writing.Go(func() {
			for piece := range slices.Chunk(sent, 50_000) {
				r.LimitRead(patience)
				if _, err := r.WriteBoth(piece[:len(piece)/2], piece[len(piece)/2:]); err != nil {
					t.Error(err)
				}
			}
		})
		var got []byte
		var b Buffer
		for len(got) < len(sent) {
			if err := r.ReadInto(&b); err != nil {
				t.Fatal(err)
			}
			got = append(got, b.Bytes()...)
			b.Release()
		}
		writing.Wait()
		equal(t, "came back", got, sent)
	})
}
