//go:build linux && !no_io_uring

package socket

import (
	"bytes"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// openRing skips where the kernel has none for us.
func openRing(t *testing.T) *ring {
	r := newRing()
	if r == nil {
		t.Skip("no io_uring here")
	}
	return r
}

func TestRing(t *testing.T) {
	r := openRing(t)
	defer r.close()
	clock := newClock(t)
	const peers = 3*ringSize + 7
	var mails []*mail
	var ends []net.Conn
	for i := range peers {
		c, peer := narrow(tcp)(t, clock)
		defer c.Close()
		defer peer.Close()
		mails, ends = append(mails, &mail{conn: c, bytes: []byte{byte(i), byte(i >> 8), 'x'}}), append(ends, peer)
	}
	closed, full, large := mails[3], mails[5], mails[ringSize+1]
	if err := closed.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for n := 1; n > 0; {
		n, _, _ = sysWriteBoth(uintptr(full.conn.fd), pattern(1<<20), nil)
	}
	full.bytes, large.bytes = pattern(8<<20), pattern(8<<20)
	for range 2 {
		if !r.do(mails, send) {
			t.Fatal("it could not send")
		}
		for i, m := range mails {
			ok := m.n == len(m.bytes) && !m.again && m.err == nil
			switch m {
			case closed:
				ok = m.n == 0 && m.err == syscall.EPIPE
			case full:
				ok = m.n < len(m.bytes) && m.again && m.err == nil
			case large:
				ok = m.n > 0 && m.n < len(m.bytes) && m.again && m.err == nil
			}
			if !ok || !m.done {
				t.Errorf("mail %d: %d bytes, again: %t, done: %t, %v", i, m.n, m.again, m.done, m.err)
			}
			if m == closed || m == full {
				continue
			}
			got := make([]byte, m.n)
			if _, err := io.ReadFull(ends[i], got); err != nil || !bytes.Equal(got, m.bytes[:m.n]) {
				t.Fatalf("mail %d: another one arrived, %v", i, err)
			}
			*m = mail{conn: m.conn, bytes: m.bytes}
		}
		*closed, *full = mail{conn: closed.conn, bytes: closed.bytes}, mail{conn: full.conn, bytes: full.bytes}
	}
}

func TestRingLooks(t *testing.T) {
	r := openRing(t)
	defer r.close()
	clock := newClock(t)
	var mails []*mail
	for i := range ringSize + 7 {
		c, peer := tcp(t, clock)
		defer c.Close()
		defer peer.Close()
		mails = append(mails, &mail{conn: c, bytes: []byte("x"), clean: true})
		switch i % 3 {
		case 1:
			io.WriteString(peer, "unasked")
		case 2:
			peer.Close()
		}
	}
	for range 2 { // it takes nothing away
		for i, m := range mails {
			eventually(t, "what the peer does", func() bool { return i%3 == 0 || m.conn.Peek() != Silent })
			m.err = nil
		}
		if !r.do(mails, look) {
			t.Fatal("it could not look")
		}
		for i, m := range mails {
			if touched := m.err == ErrTouched; touched != (i%3 > 0) || !m.done {
				t.Errorf("mail %d: done: %t, %v", i, m.done, m.err)
			}
		}
	}
}

// crowd has n peers ask at the same time: they are answered in one turn of a loop,
// but for the first, which is answered in the one before. Then that asks again. turn
// is told of each of these n+1 in the loop's time, before it is answered.
func crowd(t *testing.T, n int, backed bool, turn func(i int, l *loop, peers []net.Conn)) {
	openRing(t).close()
	clock := alone(t)
	var asked atomic.Int64
	var peers []net.Conn
	var known sync.Mutex // the loop knows them, too
	hold, held := make(chan struct{}), make(chan struct{})
	l, opened := echoes(t, clock, func(e *echo) {
		e.whole = true
		if backed {
			e.backend, _ = backendOf(t, clock)
		}
		e.before = func(e *echo) {
			if backed {
				e.backend.Join(e.Conn)
			}
			i := int(asked.Add(1)) - n
			if i > 0 {
				known.Lock()
				turn(i, e.loop, peers)
				known.Unlock()
			}
			if i == 1 {
				close(held)
				<-hold
			}
		}
	})
	p := make([]byte, 3)
	known.Lock()
	for range n {
		peers = append(peers, dial(t, l))
	}
	known.Unlock()
	for _, peer := range peers {
		asks(t, peer, p)
	}
	for i, peer := range peers {
		if io.WriteString(peer, "ask"); i == 0 {
			<-held
		}
	}
	close(hold)
	for _, peer := range peers {
		if _, err := io.ReadFull(peer, p); err != nil || string(p) != "ask" {
			t.Errorf("answered %q, %v", p, err)
		}
	}
	asks(t, peers[0], p)
	for _, peer := range peers {
		peer.Close()
		<-(<-opened).over
	}
}

// What is written in a turn goes out at its end, together.
func TestRingGathers(t *testing.T) {
	const n = 8
	crowd(t, n, false, func(i int, _ *loop, peers []net.Conn) {
		if i != n {
			return
		}
		for i, peer := range peers[1:] {
			raw, _ := peer.(*net.TCPConn).SyscallConn()
			raw.Control(func(fd uintptr) {
				if sysPeek(fd) != Silent {
					t.Errorf("peer %d has its answer before the turn has ended", i+1)
				}
			})
		}
	})
}

// Where the ring fails, each writes for itself from then on.
func TestRingFails(t *testing.T) {
	const n = 8
	crowd(t, n, true, func(i int, l *loop, _ []net.Conn) {
		switch {
		case i == 1: // its descriptor is that of something else
			if err := syscall.Dup3(l.bell, l.ring.fd, syscall.O_CLOEXEC); err != nil {
				t.Error(err)
			}
		case i == n+1 && l.ring != nil:
			t.Error("it is still in use")
		}
	})
}
