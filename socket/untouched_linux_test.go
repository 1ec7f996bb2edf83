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

func TestUntouched(t *testing.T) {
	tests := []struct {
		name string
		do   func(r *rig)
		want bool
	}{
		{"an exchange", func(*rig) {}, true},
		{"bytes", func(r *rig) { io.WriteString(r.peer, "unasked") }, false},
		{"the end", func(r *rig) { r.peer.Close() }, false},
		{"half of the end", func(r *rig) { r.peer.(*net.TCPConn).CloseWrite() }, false},
		{"a reset", func(r *rig) { r.reset() }, false},
		{"moved", func(r *rig) { r.move(nil) }, true},
	}
	for _, tt := range tests {
		r := newRig(t, tcp)
		if r.Untouched() {
			t.Error("known before anybody has waited")
		}
		var b Buffer
		for range 3 {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 5)); io.WriteString(r.peer, "answer") })
			if _, err := r.Exchange([]byte("hello"), nil, &b, false); err != nil {
				t.Fatal(err)
			}
			r.peers.Wait()
			b.Release()
		}
		if !r.Untouched() {
			t.Errorf("%s: touched before", tt.name)
		}
		tt.do(r)
		eventually(t, tt.name, func() bool { return r.Untouched() == tt.want })
	}
	if newRig(t, piped).Untouched() {
		t.Error("known without a descriptor")
	}
}

// An event that is meant for another connection is no reason for anything.
func TestSpuriousEvents(t *testing.T) {
	const all = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	for name, k := range map[string]kind{"tcp": tcp, "accepted": accepted} {
		r := newRig(t, k)
		if r.owner == nil {
			r.Join(nil)
		}
		for range 100 {
			var waiting sync.WaitGroup
			waiting.Go(func() {
				r.happened(nil, all)
				eventually(t, "a wait", func() bool { return r.reads.state.Load() == waited })
				r.happened(nil, all)
				eventually(t, "another wait", func() bool { return r.reads.state.Load() == waited })
				io.WriteString(r.peer, "x")
			})
			var b Buffer
			if err := r.ReadInto(&b); err != nil || string(b.Bytes()) != "x" {
				t.Errorf("%s: read %q, %v", name, b.Bytes(), err)
			}
			b.Release()
			waiting.Wait()
		}
		if r.owner == nil {
			continue
		}
		if !r.park() {
			t.Fatal("not parked")
		}
		r.happened(nil, all) // it is served, and finds nothing
		r.back()
		r.sayOnce(t)
		r.EndRead()
		if err := r.hear(io.EOF); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
	}
}

// All the events of a moment are dealt with, however many there are and however
// long each takes.
func TestMoreThanASprint(t *testing.T) {
	clock := newClock(t)
	l, opened := echoes(t, clock, nil)
	const n = 3*acceptMax + 100
	var peers []net.Conn
	for range n {
		peers = append(peers, dial(t, l))
	}
	var asking sync.WaitGroup
	for _, peer := range peers {
		asking.Go(func() {
			asks(t, peer, make([]byte, 3))
			peer.Close()
		})
		<-opened
	}
	asking.Wait()
	eventually(t, "the ends", func() bool {
		clock.mu.Lock()
		defer clock.mu.Unlock()
		return len(clock.conns) == 0
	})
}

// What comes before a request is no answer to it: then that is not sent.
func TestExchangeOnWhatWasTouched(t *testing.T) {
	each := func(t *testing.T, test func(t *testing.T, ask func() (int, error), peer net.Conn)) {
		t.Run("by itself", func(t *testing.T) {
			r := newRig(t, tcp)
			test(t, func() (int, error) { return r.Exchange([]byte("hello"), nil, new(Buffer), true) }, r.peer)
		})
		t.Run("in a turn", func(t *testing.T) {
			clock := newClock(t)
			conn, peer := tcp(t, clock)
			defer conn.Close()
			defer peer.Close()
			l, opened := echoes(t, clock, func(e *echo) {
				e.before = func(e *echo) {
					conn.Join(e.Conn)
					test(t, func() (int, error) { return conn.Exchange([]byte("hello"), nil, new(Buffer), true) }, peer)
				}
			})
			client := dial(t, l)
			asks(t, client, make([]byte, 3))
			client.Close()
			<-(<-opened).over
		})
	}
	for name, touch := range map[string]func(net.Conn){
		"said":   func(peer net.Conn) { io.WriteString(peer, "unasked") },
		"closed": func(peer net.Conn) { peer.Close() },
		"reset":  func(peer net.Conn) { peer.(*net.TCPConn).SetLinger(0); peer.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, ask func() (int, error), peer net.Conn) {
				touch(peer)
				if n, err := ask(); n != 0 || !errors.Is(err, ErrTouched) {
					t.Errorf("wrote %d bytes, %v", n, err)
				}
			})
		})
	}
}

// Of a connection that was spliced from nobody knows whether more is there. It is used
// again all the same.
func TestExchangeAfterASplice(t *testing.T) {
	r := newRig(t, tcp)
	r.more = true
	r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 5)); io.WriteString(r.peer, "answer") })
	var b Buffer
	if n, err := r.Exchange([]byte("hello"), nil, &b, true); n != 5 || err != nil || string(b.Bytes()) != "answer" {
		t.Errorf("wrote %d bytes, read %q, %v", n, b.Bytes(), err)
	}
	b.Release()
}
