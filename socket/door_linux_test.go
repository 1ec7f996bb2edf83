package socket

import (
	"net"
	"syscall"
	"testing"
)

// nobody owns connections that nothing becomes of.
type nobody struct{}

func (nobody) Serve() {}
func (nobody) Tick()  {}

// Who has connected before the end is let in, though nobody has looked; and where
// another process has the socket, too, it stays open, and nothing of it is heard
// here any more.
func TestTheEndOfAccepting(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := duplicate(t, plain.(*net.TCPListener))
	var opened []*Conn
	l, err := Listen(plain, ListenerOptions{
		Clock: newClock(t), Open: func(c *Conn) Owner { opened = append(opened, c); return nobody{} },
	})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2*acceptMax + 1
	l.mu.Lock() // nobody gets to look
	if err := l.door.open(); err != nil {
		t.Fatal(err)
	}
	for range n {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	l.mu.Unlock()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if len(opened) != n {
		t.Errorf("%d of %d were let in", len(opened), n)
	}
	late, err := net.Dial("tcp", other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	var events [8]syscall.EpollEvent
	watched := l.door.loop
	if n, err := syscall.EpollWait(watched.epfd, events[:], 0); n > 0 && l.door.fd == int(events[0].Fd) {
		t.Errorf("%d events are heard of a socket that is another's, %v", n, err)
	}
	if watched.known[l.door.fd] != nil {
		t.Error("the loop holds on to what was closed")
	}
	if conn, err := other.Accept(); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
	for _, c := range opened {
		c.Close()
	}
	l.End()
}

// duplicate returns a listener on the same socket, as another process would have.
func duplicate(t *testing.T, l *net.TCPListener) net.Listener {
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	return other
}

// Who has connected to a listener that never served is left to whoever else has the
// socket; no loop need run.
func TestTheEndOfAListenerThatNeverServed(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	other := duplicate(t, plain.(*net.TCPListener))
	l, err := Listen(plain, ListenerOptions{Clock: NewClock(), Open: func(*Conn) Owner { t.Error("somebody is let in"); return nobody{} }})
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, l)
	defer client.Close()
	if err := l.Discard(); err != nil {
		t.Error(err)
	}
	conn, err := other.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
