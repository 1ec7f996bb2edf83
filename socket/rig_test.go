package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// stall is how long the writes of a rig may make no progress.
const stall = 3 * Tick

// rig is a connection, its peer, and a clock that the test moves.
type rig struct {
	*Conn
	peer   net.Conn
	clock  *Clock
	now    time.Duration
	peers  sync.WaitGroup // what the peer does
	owner  *owner         // where it was accepted
	parked bool
}

func newRig(t *testing.T, k kind) *rig {
	r := &rig{clock: newClock(t)}
	r.Conn, r.peer = k(t, r.clock)
	r.owner, _ = r.Conn.owner.(*owner)
	// Where nothing comes, the test fails and does not hang.
	hung := time.AfterFunc(patience, func() { r.Interrupt(); r.peer.SetDeadline(past) })
	t.Cleanup(func() {
		if !hung.Stop() {
			t.Error("something did not come")
		}
		r.leave()
		r.peer.Close()
		r.peers.Wait()
	})
	return r
}

// pass lets time pass, tick by tick.
func (r *rig) pass(d time.Duration) {
	for ; d > 0; d -= Tick {
		r.now += Tick
		r.clock.sweep(r.now, nil)
	}
}

// says has the peer say something, which may have to wait until it is heard.
func (r *rig) says(text string) {
	r.peers.Go(func() { io.WriteString(r.peer, text) })
}

// reset has the peer break the connection.
func (r *rig) reset() {
	r.peer.(*net.TCPConn).SetLinger(0)
	r.peer.Close()
}

// kind is a way to a connection and its peer.
type kind func(*testing.T, *Clock) (*Conn, net.Conn)

// piped is without a descriptor.
func piped(_ *testing.T, c *Clock) (*Conn, net.Conn) {
	ours, theirs := net.Pipe()
	conn, _ := New(ours, c, stall)
	return conn, theirs
}

// tcp is one that we have opened.
func tcp(t *testing.T, c *Clock) (*Conn, net.Conn) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := New(ours, c, stall)
	if err != nil {
		t.Fatal(err)
	}
	return conn, theirs
}

// accepted is the connection of a client. Its task is away, so that the goroutine of
// the test may use it.
func accepted(t *testing.T, c *Clock) (*Conn, net.Conn) {
	l := listen(t, c)
	theirs := l.dial(t)
	o := <-l.opened
	o.EndRead()
	<-o.started
	o.do(func() bool { o.Share(); return false })
	o.LimitRead(0)
	return o.Conn, theirs
}

// narrow makes a kind that has little room for what is under way.
func narrow(k kind) kind {
	return func(t *testing.T, c *Clock) (*Conn, net.Conn) {
		ours, theirs := k(t, c)
		if tcp, ok := ours.conn.(*net.TCPConn); ok {
			tcp.SetWriteBuffer(64 << 10)
		} else {
			syscall.SetsockoptInt(ours.fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 64<<10)
		}
		return ours, theirs
	}
}

// each runs a test over each kind of connection.
func each(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("tcp", func(t *testing.T) { test(t, newRig(t, tcp)) })
	t.Run("accepted", func(t *testing.T) { test(t, newRig(t, accepted)) })
	t.Run("pipe", func(t *testing.T) { test(t, newRig(t, piped)) })
}

// eventually waits for what others do.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !f(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// pattern is n bytes of which no two pieces of some length are the same.
func pattern(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// received takes what the peer gets until it is n bytes.
func (r *rig) received(t *testing.T, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if n, err := io.ReadFull(r.peer, p); err != nil {
		t.Errorf("the peer got %d of %d bytes, then %v", n, len(p), err)
	}
	return p
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if bytes.Equal(got, want) {
		return
	}
	if len(want) > 100 {
		t.Errorf("%s: %d bytes that are not the %d expected", what, len(got), len(want))
	} else {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

// newClock returns a clock that the test moves, while its loops run by themselves.
func newClock(t *testing.T) *Clock {
	c := NewClock()
	t.Cleanup(c.runLoops())
	return c
}

// alone has all that the test does wait in one loop.
func alone(t *testing.T) *Clock {
	clock := newClock(t)
	all := clock.loops
	clock.loops = func() []*loop { return all()[:1] }
	t.Cleanup(func() { clock.loops = all })
	return clock
}

// runs has the time of the clock pass by itself, as long as the test.
func runs(t *testing.T, c *Clock) {
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		ticker := time.NewTicker(Tick)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				c.sweep(time.Since(c.began), nil)
			case <-stop:
				return
			}
		}
	})
	t.Cleanup(func() { close(stop); running.Wait() })
}

// skipUnderRace skips a test of allocations where pools lose things on purpose.
func skipUnderRace(t *testing.T) {
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		t.Skip("the race detector has pools drop things")
	}
}

func isAny(err error, of []error) bool {
	for _, e := range of {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
