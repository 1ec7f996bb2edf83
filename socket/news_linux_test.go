package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// server is an owner that does something once.
type server struct{ serve func() }

func (s server) Serve() { s.serve() }

func (server) Tick() {}

// News of something to read and that of the end of a limit may come as one. What there
// is to read is found by the next wait.
func TestNewsThatComesWithALimit(t *testing.T) {
	clock := alone(t)
	hold, held, ready, begin := make(chan struct{}), make(chan struct{}), make(chan struct{}), make(chan struct{})
	l, opened := echoes(t, clock, func(e *echo) {
		e.before = func(*echo) { close(held); <-hold } // as a long turn does
	})
	backend, peer := tcp(t, clock)
	defer peer.Close()
	results := make(chan error, 2)
	client := dial(t, serve(t, clock, func(c *Conn) Owner {
		return server{func() {
			defer c.Close()
			defer backend.Close()
			c.Leave()
			backend.Join(c)
			var b Buffer
			defer b.Release()
			io.WriteString(peer, "1")
			if err := backend.ReadInto(&b); err != nil {
				t.Error(err)
			}
			b.Empty()
			c.Leave()
			close(ready)
			<-begin
			backend.LimitRead(Tick)
			results <- backend.ReadInto(&b) // comes home, to a loop that is busy
			backend.LimitRead(time.Hour)
			results <- backend.ReadInto(&b)
		}}
	}))
	defer client.Close()
	io.WriteString(client, "x")
	<-ready
	other := dial(t, l)
	io.WriteString(other, "ask")
	<-held
	io.WriteString(peer, "data")
	eventually(t, "the data", func() bool { return backend.Peek() == Readable })
	close(begin)
	home := clock.loops()[0]
	eventually(t, "the task to ask for its turn", func() bool {
		home.mu.Lock()
		defer home.mu.Unlock()
		return len(home.posted) > 0
	})
	for now := Tick; now < 5*Tick; now += Tick {
		clock.sweep(now, nil)
	}
	close(hold)
	if err := <-results; !errors.Is(err, os.ErrDeadlineExceeded) && err != nil {
		t.Errorf("the first wait has ended with %v", err)
	}
	hung := time.AfterFunc(patience, func() { backend.EndRead() })
	defer hung.Stop()
	if err := <-results; err != nil {
		t.Errorf("what had come was not read: %v", err)
	}
	other.Close()
	<-(<-opened).over
}

// Who is told of an error of accepting may be stuck: that holds up neither those who
// wait in the same loop nor the end.
func TestNobodyHearsOfAnError(t *testing.T) {
	clock := alone(t)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	var told atomic.Int64
	opened := make(chan *echo, 10)
	l, err := Listen(plain, ListenerOptions{
		Clock: clock, Stall: stall,
		Open:   func(c *Conn) Owner { e := newEcho(c); opened <- e; return e },
		Failed: func(error, time.Duration) { told.Add(1); <-hang },
	})
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { l.Serve() })
	peer := dial(t, l)
	p := make([]byte, 3)
	asks(t, peer, p)
	l.mu.Lock()
	l.door.most, l.door.last = 0, 1 // descriptors are short
	l.mu.Unlock()
	other := dial(t, l)
	eventually(t, "the complaint", func() bool { return told.Load() > 0 })
	asks(t, peer, p)
	l.Close()
	serving.Wait()
	peer.Close()
	other.Close()
	<-(<-opened).over
	close(hang)
	l.End()
	if n := told.Load(); n != 1 {
		t.Errorf("told %d times while the first of them is stuck", n)
	}
}
