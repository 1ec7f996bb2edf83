package socket

import (
	"context"
	"io"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// echo is an owner that answers each byte, and parks after each answer. It asks a
// backend first where it has one. It writes in one piece and in two by turns.
type echo struct {
	*Conn
	backend *Conn
	asked   Buffer
	whole   bool          // it writes in one piece always
	before  func(e *echo) // each answer
	memory  [64]byte
	serves  atomic.Int64
	over    chan error // gets why it has ended
}

func newEcho(c *Conn) *echo { return &echo{Conn: c, over: make(chan error, 1)} }

// Serve is part of [Owner].
func (e *echo) Serve() {
	e.serves.Add(1)
	if parked, err := e.Loop(e); !parked {
		e.Close()
		e.over <- err
	}
}

// Tick is part of [Owner].
func (*echo) Tick() {}

// Room is part of [Handler].
func (e *echo) Room() []byte { return e.memory[:] }

// Ready is part of [Handler].
func (e *echo) Ready(n int) Next {
	if n == 0 {
		return Wait
	}
	if e.before != nil {
		e.before(e)
	}
	p, cut := e.memory[:n], n
	if !e.whole && e.serves.Load()%2 == 0 {
		cut = 1
	}
	if e.backend != nil {
		if _, err := e.backend.Exchange(p[:cut], p[cut:], &e.asked, true); err != nil {
			return Stop
		}
		p = e.asked.Bytes()
	}
	_, err := e.WriteBoth(p[:cut], p[cut:])
	if e.asked.Empty(); err != nil {
		return Stop
	}
	return Wait
}

// echoes has a listener accept echoes as long as the test.
func echoes(t *testing.T, c *Clock, prepare func(*echo)) (l *Listener, opened chan *echo) {
	opened = make(chan *echo, 100)
	return serve(t, c, func(c *Conn) Owner {
		e := newEcho(c)
		if prepare != nil {
			prepare(e)
		}
		opened <- e
		return e
	}), opened
}

// asks has a peer ask once, and fails without the answer.
func asks(t *testing.T, peer net.Conn, p []byte) {
	peer.SetDeadline(time.Now().Add(patience))
	if _, err := peer.Write([]byte("ask")); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(peer, p[:3]); err != nil || string(p[:3]) != "ask" {
		t.Errorf("answered %q, %v", p[:3], err)
	}
}

// A request may come at the very moment at which its connection is parked; and an
// end, or a look of the clock.
func TestNoEdgeIsLostInParking(t *testing.T) {
	const peers, rounds = 4, 2000
	clock := newClock(t)
	l, opened := echoes(t, clock, nil)
	stop := make(chan struct{})
	var looking, asking sync.WaitGroup
	looking.Go(func() {
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for now := Tick; ; now += Tick {
			select {
			case <-stop:
				return
			case <-often.C:
				clock.sweep(now, nil) // they begin to doze
			}
		}
	})
	for range peers {
		peer := dial(t, l)
		asking.Go(func() {
			defer peer.Close()
			p := make([]byte, 3)
			for range rounds {
				if asks(t, peer, p); t.Failed() {
					return
				}
			}
		})
	}
	asking.Wait()
	for range peers {
		e := <-opened
		if err := <-e.over; err != io.EOF {
			t.Errorf("ended with %v", err)
		}
		if n := e.serves.Load(); n < rounds/2 && !t.Failed() {
			t.Errorf("served %d times for %d requests: it does not park", n, rounds)
		}
	}
	close(stop)
	looking.Wait()
}

// backendOf returns a connection that is answered by an echo of the runtime's.
func backendOf(t *testing.T, c *Clock) (*Conn, net.Conn) {
	conn, peer := tcp(t, c)
	var answering sync.WaitGroup
	answering.Go(func() {
		p := make([]byte, 64)
		for n, err := peer.Read(p); err == nil; n, err = peer.Read(p) {
			peer.Write(p[:n])
		}
	})
	t.Cleanup(func() { conn.Close(); peer.Close(); answering.Wait() })
	return conn, peer
}

// A request is served while another one blocks, after Leave, for which the same
// loop waits.
func TestWhoLeavesHoldsNobody(t *testing.T) {
	clock := alone(t)
	hold, held := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	l, opened := echoes(t, clock, func(e *echo) {
		e.backend, _ = backendOf(t, clock)
		e.before = func(e *echo) {
			if first.CompareAndSwap(false, true) {
				e.Leave()
				e.Leave() // has no effect
				close(held)
				<-hold
			}
			e.backend.Join(e.Conn)
		}
	})
	slow, fast := dial(t, l), dial(t, l)
	slow.Write([]byte("ask"))
	<-held
	p := make([]byte, 3)
	for range 100 {
		asks(t, fast, p)
	}
	close(hold)
	if _, err := io.ReadFull(slow, p); err != nil || string(p) != "ask" {
		t.Errorf("who was held got %q, %v", p, err)
	}
	for range 100 {
		asks(t, slow, p) // it takes turns again
	}
	slow.Close()
	fast.Close()
	for range 2 {
		<-(<-opened).over
	}
}

// Who has very much to move lets others go on in between.
func TestNobodyKeepsTheTurn(t *testing.T) {
	clock := alone(t)
	began, asked := make(chan struct{}), make(chan struct{})
	var first, through atomic.Bool
	l, opened := echoes(t, clock, func(e *echo) {
		backend, peer := tcp(t, clock)
		t.Cleanup(func() { backend.Close(); peer.Close() })
		e.before = func(e *echo) {
			if !first.CompareAndSwap(false, true) {
				if through.Load() {
					t.Error("the other one was through before it was this one's turn")
				}
				return
			}
			close(began)
			<-asked
			backend.Join(e.Conn)
			b := Buffer{Wide: true}
			defer b.Release()
			for range 3 * turnMax / len(b.Room()) { // all of it is there, so that it never waits
				io.CopyN(peer, zeros{}, int64(len(b.Room())))
				backend.more = true
				if err := backend.ReadInto(&b); err != nil {
					t.Error(err)
				}
				b.Empty()
			}
			through.Store(true)
		}
	})
	p := make([]byte, 3)
	large, small := dial(t, l), dial(t, l)
	io.WriteString(large, "ask")
	<-began
	io.WriteString(small, "ask")
	close(asked)
	for _, peer := range []net.Conn{small, large} {
		if _, err := io.ReadFull(peer, p); err != nil {
			t.Error(err)
		}
		peer.Close()
	}
	for range 2 {
		<-(<-opened).over
	}
}

// zeros is a reader that does not end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// A connection that is shared goes both ways at once, and parks afterwards.
func TestShareAndPark(t *testing.T) {
	clock := newClock(t)
	sent := pattern(4 << 20)
	l, opened := echoes(t, clock, func(e *echo) {
		shares := true
		e.before = func(e *echo) {
			if !shares {
				return
			}
			shares = false
			e.Share()
			defer e.Unshare()
			var writing sync.WaitGroup
			writing.Go(func() {
				if _, err := e.Write(sent); err != nil {
					t.Error(err)
				}
			})
			var b Buffer
			defer b.Release()
			for n := 0; n < len(sent); n += b.Len() {
				b.Release()
				if err := e.ReadInto(&b); err != nil {
					t.Error(err)
					break
				}
			}
			writing.Wait()
		}
	})
	peer := dial(t, l)
	peer.SetDeadline(time.Now().Add(patience))
	io.WriteString(peer, "ask")
	e := <-opened
	var writing sync.WaitGroup
	eventually(t, "the first request", func() bool { return e.Peek() == Silent && e.serves.Load() == 1 })
	writing.Go(func() { peer.Write(sent) })
	got := make([]byte, len(sent)+3)
	if _, err := io.ReadFull(peer, got); err != nil {
		t.Error(err)
	}
	writing.Wait()
	equal(t, "the peer got", got[:len(sent)], sent)
	for range 10 {
		eventually(t, "the connection to be parked", func() bool { return e.reads.state.Load() == left })
		asks(t, peer, got)
	}
	peer.Close()
	<-e.over
}

// A connection to a backend is used with clients of each loop in turn, and what was
// there before the move is not lost.
func TestJoin(t *testing.T) {
	clock := newClock(t)
	backend, peer := tcp(t, clock)
	defer peer.Close()
	defer backend.Close()
	homes := map[int]bool{}
	var b Buffer
	for i := range 50 {
		client := newConn(clock, stall) // as if it were a client's, that has no task
		client.loop = clock.loops()[i%len(clock.loops())]
		early := i%3 == 0
		if early {
			io.WriteString(peer, "early")
			eventually(t, "the bytes", func() bool { return backend.Peek() == Readable })
		}
		if err := backend.Join(client); err != nil {
			t.Fatal(err)
		}
		if backend.loop != client.loop {
			t.Error("it waits elsewhere")
		}
		homes[backend.Home()] = true
		if !early {
			io.WriteString(peer, "later")
		}
		backend.LimitRead(patience)
		if err := backend.ReadInto(&b); err != nil || b.Len() != 5 {
			t.Fatalf("round %d: read %q, %v", i, b.Bytes(), err)
		}
		b.Release()
		if err := backend.Join(nil); err != nil || backend.loop != client.loop {
			t.Error("it moves for nobody's sake")
		}
	}
	if len(homes) != len(clock.loops()) {
		t.Errorf("%d homes of %d loops", len(homes), len(clock.loops()))
	}
}

// Serving needs no memory but its buffers, with a backend and without.
func TestServingDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	for name, backed := range map[string]bool{"parking": false, "and a backend": true} {
		t.Run(name, func(t *testing.T) {
			clock := newClock(t)
			l, opened := echoes(t, clock, func(e *echo) {
				if backed {
					e.backend, _ = backendOf(t, clock)
					e.before = func(e *echo) { e.backend.Join(e.Conn) }
				}
			})
			peer := dial(t, l)
			in, out := []byte("ask"), make([]byte, 3)
			e := <-opened
			if n := testing.AllocsPerRun(200, func() {
				peer.Write(in)
				io.ReadFull(peer, out)
				for e.reads.state.Load() != left {
					runtime.Gosched()
				}
			}); n > 0 {
				t.Errorf("%v allocations a request", n)
			}
			peer.Close()
			<-e.over
		})
	}
}

// A clock that runs serves, ends what is overdue, and leaves nothing behind.
func TestAClockThatRuns(t *testing.T) {
	clock := NewClock()
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { clock.Run(ctx) })
	l, opened := echoes(t, clock, func(e *echo) { e.LimitRead(3 * Tick) })
	peer := dial(t, l)
	asks(t, peer, make([]byte, 3))
	if rest, err := io.ReadAll(peer); len(rest) > 0 || err != nil {
		t.Errorf("then came %q, %v", rest, err)
	}
	<-(<-opened).over
	peer.Close()
	l.Close()
	stop()
	running.Wait()
	if len(clock.conns) > 0 {
		t.Errorf("%d connections are left", len(clock.conns))
	}
}
