package socket

import (
	"bytes"
	"io"
	"testing"
)

func TestExchange(t *testing.T) {
	huge := pattern(4 << 20)
	tests := []struct {
		name       string
		head, body []byte
		held       string // in the buffer before
	}{
		{"head and body", []byte("head"), []byte("body"), ""},
		{"head", []byte("head"), nil, ""},
		{"body", nil, []byte("body"), ""},
		{"behind what is there", []byte("head"), []byte("body"), "held"},
		{"a huge body", []byte("head"), huge, ""},
		{"a huge head", huge, []byte("body"), ""},
		{"both huge", huge, huge, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig) {
				var b Buffer
				defer b.Release()
				sent := append(bytes.Clone(tt.head), tt.body...)
				for range 3 { // on a connection that was used before, too
					put(&b, []byte(tt.held))
					r.peers.Go(func() {
						equal(t, "the peer got", r.received(t, len(sent)), sent)
						io.WriteString(r.peer, "answer")
					})
					n, err := r.Exchange(tt.head, tt.body, &b, false)
					if n != len(sent) || err != nil {
						t.Fatalf("wrote %d, %v; want %d", n, err, len(sent))
					}
					equal(t, "the answer", b.Bytes(), []byte(tt.held+"answer"))
					b.Release()
				}
			})
		})
	}
}

// An answer may come while a request is still being written, from a peer that
// reads all the same.
func TestAnAnswerInTheMiddle(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		huge := pattern(4 << 20)
		r.peers.Go(func() {
			got := r.received(t, 1000)
			r.says("early")
			equal(t, "the peer got", append(got, r.received(t, len(huge)-1000)...), huge)
		})
		var b Buffer
		defer b.Release()
		if n, err := r.Exchange(nil, huge, &b, false); n != len(huge) || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		equal(t, "the answer", b.Bytes(), []byte("early"))
		r.peers.Wait()
	})
}

func TestReadInto(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		said := pattern(3 * Large)
		r.peers.Go(func() {
			for len(said) > 0 {
				n, err := r.peer.Write(said[:min(len(said), 10_000)])
				if err != nil {
					return
				}
				said = said[n:]
			}
			r.peer.Close()
		})
		want := pattern(3 * Large)
		var b Buffer
		defer b.Release()
		for {
			before := b.Len()
			err := r.ReadInto(&b)
			if err == io.EOF {
				break
			}
			if err != nil || b.Len() == before {
				t.Fatalf("read nothing, %v", err)
			}
			if len(want) < b.Len() || !bytes.Equal(b.Bytes(), want[:b.Len()]) {
				t.Fatalf("read %d bytes that were not said", b.Len())
			}
			if b.Len() > 100 { // keep something most of the time
				want = want[b.Len()-50:]
				b.Skip(b.Len() - 50)
				b.Compact()
			}
		}
		if b.Len() != len(want) {
			t.Errorf("%d bytes are missing", len(want)-b.Len())
		}
	})
}

func TestAnExchangeDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	each(t, func(t *testing.T, r *rig) {
		answer := make([]byte, 200)
		r.peers.Go(func() {
			for in := make([]byte, 20); ; {
				if _, err := io.ReadFull(r.peer, in); err != nil {
					return
				}
				r.peer.Write(answer)
			}
		})
		head, body := make([]byte, 10), make([]byte, 10)
		var b Buffer
		if n := testing.AllocsPerRun(100, func() {
			r.LimitRead(patience)
			if _, err := r.Exchange(head, body, &b, false); err != nil {
				t.Fatal(err)
			}
			for b.Len() < len(answer) {
				if err := r.ReadInto(&b); err != nil {
					t.Fatal(err)
				}
			}
			r.LimitRead(0)
			b.Release()
		}); n > 0 {
			t.Errorf("%v allocations", n)
		}
		r.peer.Close()
	})
}
