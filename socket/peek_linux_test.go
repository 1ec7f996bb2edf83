package socket

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

func TestPeek(t *testing.T) {
	hello := func(_ *testing.T, r *rig) { r.peer.Write([]byte("hello")) }
	tests := []struct {
		name string
		do   func(t *testing.T, r *rig)
		want State
	}{
		{"nothing", func(*testing.T, *rig) {}, Silent},
		{"bytes", hello, Readable},
		{"the end", func(_ *testing.T, r *rig) { r.peer.Close() }, Ended},
		{"half of the end", func(_ *testing.T, r *rig) { r.peer.(*net.TCPConn).CloseWrite() }, Ended},
		{"bytes and the end", func(t *testing.T, r *rig) {
			hello(t, r)
			r.peer.Close()
			r.awaitState(t, tcpCloseWait)
		}, Readable},
		{"a reset", func(_ *testing.T, r *rig) { r.reset() }, Broken},
		{"closed by us", func(_ *testing.T, r *rig) { r.Close() }, Broken},
		{"all read", func(t *testing.T, r *rig) { hello(t, r); r.ReadInto(new(Buffer)) }, Silent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tcp)
			tt.do(t, r)
			eventually(t, "the state", func() bool { return r.Peek() == tt.want })
		})
	}
	t.Run("pipe", func(t *testing.T) {
		r := newRig(t, piped)
		for _, do := range []func(){func() {}, func() { r.says("hello") }, func() { r.peer.Close() }} {
			if do(); r.Peek() != Silent {
				t.Error("it saw something without a descriptor")
			}
		}
		if r.Close(); r.Peek() != Broken {
			t.Error("a connection that we have closed is not broken")
		}
	})
}

// Who peeks takes nothing from who reads.
func TestPeekTakesNothing(t *testing.T) {
	r := newRig(t, tcp)
	for range 3 {
		r.says("hello")
		eventually(t, "the bytes", func() bool { return r.Peek() == Readable })
		var b Buffer
		if err := r.ReadInto(&b); err != nil || string(b.Bytes()) != "hello" {
			t.Errorf("read %q, %v", b.Bytes(), err)
		}
		b.Release()
	}
	r.peer.Close()
	eventually(t, "the end", func() bool { return r.Peek() == Ended })
	if err := r.ReadInto(new(Buffer)); err != io.EOF {
		t.Errorf("ended with %v", err)
	}
}

// One peeks while others read and write.
func TestPeekingMeanwhile(t *testing.T) {
	r := newRig(t, tcp)
	r.peers.Go(func() { io.Copy(r.peer, r.peer) })
	var peeking sync.WaitGroup
	var over atomic.Bool
	peeking.Go(func() {
		for !over.Load() {
			if s := r.Peek(); s == Ended || s == Broken {
				t.Errorf("state %d", s)
			}
		}
	})
	var b Buffer
	for range 1000 {
		if _, err := r.Exchange([]byte("hello"), nil, &b, false); err != nil {
			t.Error(err)
			break
		}
		b.Release()
	}
	over.Store(true)
	peeking.Wait()
}
