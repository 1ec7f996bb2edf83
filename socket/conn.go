package socket

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a connection whose waits the clock limits. Where there is a descriptor
// the connection waits in one of the clock's loops, else it is what a [net.Conn]
// makes of it. After Share one goroutine may read and another write; what may be
// called by any is said there.
type Conn struct {
	conn   net.Conn // nil where the descriptor is our own
	fd     int      // our own descriptor, else -1, as after Close
	remote net.Addr
	owner  Owner // of a client's connection
	clock  *Clock
	stall  time.Duration // for each write; the writer's own
	in     *list         // of the clock's; its own, as the two below
	place  int           // in that list
	gone   bool          // in none any more

	loop *loop // where it waits; nil before Join, and without a descriptor
	task *task // who uses it, where that takes turns with a loop
	more bool  // there may be something to read without another event; the reader's own

	ended atomic.Bool // the peer has sent its last, or the connection is broken
	dozes atomic.Bool // the clock looks at it seldom

	reads, writes side
	interrupted   atomic.Bool

	mu     sync.Mutex
	closed bool
}

// side is one of the two directions of a connection.
type side struct {
	limit limit
	waits
}

// limit is when a wait must end, as the clock counts; 0 is never.
type limit struct{ due atomic.Int64 }

// overdue stands where a limit has ended its wait.
const overdue = -1

// long ago, in terms of deadlines
var past = time.Unix(1, 0)

// New returns conn under the watch of the clock, until it is closed. stall is
// how long a write may make no progress. After an error conn is closed.
func New(conn net.Conn, clock *Clock, stall time.Duration) (*Conn, error) {
	c := newConn(clock, stall)
	c.remote = conn.RemoteAddr()
	fd, err := ownDescriptor(conn, clock)
	switch {
	case err != nil:
		return nil, errors.Join(err, conn.Close())
	case fd >= 0:
		// The runtime's poller must not hear of what our own waits for.
		c.fd, err = fd, conn.Close()
	default:
		c.conn = conn
	}
	clock.add(c)
	return c, err
}

func newConn(clock *Clock, stall time.Duration) *Conn {
	return &Conn{fd: -1, clock: clock, stall: stall}
}

// SetStall changes how long a write may make no progress. It must not be called
// while one is under way.
func (c *Conn) SetStall(d time.Duration) { c.stall = d }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Close ends the connection. It must not be called while another goroutine reads
// or writes; only the first call counts.
func (c *Conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock() // what it waits for may need it
	if was {
		return nil
	}
	c.clock.remove(c)
	if c.conn != nil {
		return c.conn.Close()
	}
	if c.loop != nil {
		c.loop.forget(c)
	}
	fd := c.fd
	c.fd = -1 // the number may be another connection's at once
	return sysClose(fd)
}

// Abort ends the connection in a way that its peer can't take for a proper end,
// where that is known for it.
func (c *Conn) Abort() error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what counts is that it closes
	} else {
		_ = c.own(sysResetOnClose)
	}
	return c.Close()
}

// CloseWrite tells the peer that nothing more will be sent.
func (c *Conn) CloseWrite() error {
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return c.own(sysShutdown)
}

// KeepAlive has the kernel probe a peer that is silent, every so often.
func (c *Conn) KeepAlive(every time.Duration) error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		return tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: every, Interval: every, Count: 3})
	}
	return c.own(func(fd int) error { return sysKeepAlive(fd, every) })
}

// own does something with a descriptor of our own that is open.
func (c *Conn) own(do func(fd int) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 || c.closed {
		return nil
	}
	return do(c.fd)
}

// LimitRead limits the wait for something to read to d from now on, whether it
// has begun or not. 0 lifts the limit.
func (c *Conn) LimitRead(d time.Duration) {
	if c.reads.limit.due.Swap(c.due(d)) == overdue && c.conn != nil {
		c.lift(&c.reads.limit, c.conn.SetReadDeadline)
	}
}

func (c *Conn) limitWrite(d time.Duration) {
	if c.writes.limit.due.Swap(c.due(d)) == overdue && c.conn != nil {
		c.lift(&c.writes.limit, c.conn.SetWriteDeadline)
	}
}

func (c *Conn) due(d time.Duration) int64 {
	if d == 0 {
		return 0
	}
	return c.clock.spent.Load() + int64(d+Tick)
}

// lift undoes what cut has done, unless the connection was interrupted, or the
// limit that was set since has ended its wait as well.
func (c *Conn) lift(l *limit, set func(time.Time) error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.interrupted.Load() && l.due.Load() != overdue {
		_ = set(time.Time{}) // it fails where the connection is closed
	}
}

// expire ends the waits that are overdue.
func (c *Conn) expire(spent int64) {
	if due := c.reads.limit.due.Load(); due > 0 && due <= spent {
		c.cut(&c.reads, due)
	}
	if due := c.writes.limit.due.Load(); due > 0 && due <= spent {
		c.cut(&c.writes, due)
	}
}

// cut holds the lock while it marks the limit, so that whoever finds the mark
// finds the deadline as well.
func (c *Conn) cut(s *side, due int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.limit.due.CompareAndSwap(due, overdue) {
		c.rouse(s)
	}
}

// EndRead ends the wait for something to read that is under way, or else the
// next, unless LimitRead is called before it. Any goroutine may call it.
func (c *Conn) EndRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads.limit.due.Store(overdue)
	c.rouse(&c.reads)
}

// Interrupt ends every wait on the connection, those to come too, with
// [os.ErrDeadlineExceeded]. Any goroutine may call it.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.interrupted.Store(true)
	c.rouse(&c.reads)
	c.rouse(&c.writes)
}

// rouse has who waits find out that it has to end. It is called with the lock.
func (c *Conn) rouse(s *side) {
	switch {
	case c.conn == nil:
		s.wake(c, nil)
	case s == &c.reads:
		_ = c.conn.SetReadDeadline(past) // it fails where the connection is closed
	default:
		_ = c.conn.SetWriteDeadline(past)
	}
}

// wait waits until there is news of a side, which may turn out to be none. It is
// for connections with a descriptor.
func (c *Conn) wait(s *side) error {
	if err := c.over(s); err != nil {
		return err
	}
	if c.loop == nil {
		if err := c.Join(nil); err != nil {
			return err
		}
	}
	c.block(&s.waits)
	return c.overAfter(s)
}

// overAfter is over for who has taken news, which may have been of something to read,
// too. What is known of that is the reader's own.
func (c *Conn) overAfter(s *side) error {
	err := c.over(s)
	if err != nil && s == &c.reads {
		c.more = true
	}
	return err
}

// over returns why a wait ends at once, nil where it does not. Who reads asks
// before it looks, too: a peer that says enough leaves nothing to wait for.
func (c *Conn) over(s *side) error {
	switch {
	case c.fd < 0:
		return c.opError("wait", net.ErrClosed)
	case s.limit.due.Load() == overdue || c.interrupted.Load():
		return os.ErrDeadlineExceeded
	default:
		return nil
	}
}

func (c *Conn) opError(op string, err error) error {
	if c.fd < 0 {
		err = net.ErrClosed // what there is no descriptor for
	}
	return &net.OpError{Op: op, Net: "tcp", Addr: c.remote, Err: err}
}
