package socket

import (
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a connection whose waits the clock limits. After Share one goroutine
// may read and another write; what may be called by any is said there.
type Conn struct {
	conn   net.Conn        // nil where the descriptor is our own
	fd     int             // our own descriptor, else -1
	file   *os.File        // of fd, once the poller of Go's runtime watches it
	raw    syscall.RawConn // of conn or file; nil where there is no descriptor to be used
	remote net.Addr
	lot    *lot // where it can be parked; nil where it can't
	owner  Owner
	clock  *Clock
	stall  time.Duration // for each write; the writer's own
	in     *list         // of the clock's; its own
	place  int           // in that list

	reads, writes limit
	loop          uintptr // the descriptor plus 1 within Loop, else 0
	met           bool    // a wait for something to read has begun before
	reading       reading
	writing       writing
	blind         atomic.Bool // a wait has begun without a read; see Conn.look

	// Made once, for what is made once takes no memory later.
	onRead func(fd uintptr) bool
	onPeek func(fd uintptr)

	mu          sync.Mutex
	peeking     State
	parked      bool // nobody's but the lot's
	roused      bool // a wait was ended by look
	interrupted bool
	closed      bool
}

// limit is when a wait must end, as the clock counts; 0 is never.
type limit struct{ due atomic.Int64 }

// overdue stands where a limit has ended its wait.
const overdue = -1

// long ago, in terms of deadlines
var past = time.Unix(1, 0)

// New returns conn under the watch of the clock, until it is closed. stall is
// how long a write may make no progress.
func New(conn net.Conn, clock *Clock, stall time.Duration) *Conn {
	c := newConn(clock, stall)
	c.attach(conn)
	clock.add(c)
	return c
}

func newConn(clock *Clock, stall time.Duration) *Conn {
	return &Conn{fd: -1, clock: clock, stall: stall}
}

func (c *Conn) attach(conn net.Conn) {
	c.conn, c.remote, c.raw = conn, conn.RemoteAddr(), rawConn(conn)
	c.onRead, c.onPeek = c.read, c.peek
}

// SetStall changes how long a write may make no progress. It must not be called
// while one is under way.
func (c *Conn) SetStall(d time.Duration) { c.stall = d }

// RemoteAddr returns the address of the peer.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Close ends the connection. After Share any goroutine may call it, but not
// within Loop, for which it waits; only the first call counts.
func (c *Conn) Close() error {
	c.mu.Lock()
	was := c.closed
	c.closed = true
	c.mu.Unlock() // what it waits for may need it
	if was {
		return nil
	}
	c.clock.remove(c)
	if c.lot != nil {
		c.lot.forget(c.fd)
	}
	switch {
	case c.conn != nil:
		return c.conn.Close()
	case c.file != nil:
		return c.file.Close()
	default:
		return sysClose(c.fd)
	}
}

// Abort ends the connection in a way that its peer can't take for a proper end,
// where that is known for it.
func (c *Conn) Abort() error {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // what counts is that it closes
	} else if c.fd >= 0 {
		c.own(sysResetOnClose)
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

// promote has the runtime's poller watch a descriptor of our own, so that a
// goroutine can wait for it.
func (c *Conn) promote() {
	if c.raw != nil || c.fd < 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed { // the descriptor may be another's
		return
	}
	c.file = os.NewFile(uintptr(c.fd), "client")
	c.raw, _ = c.file.SyscallConn() // of a file that is open
	if c.onRead = c.read; c.interrupted {
		_ = c.file.SetDeadline(past)
	} else if c.reads.due.Load() == overdue {
		_ = c.file.SetReadDeadline(past)
	}
}

// Share makes the connection ready for one goroutine that reads and another that
// writes. Until then it is for one alone.
func (c *Conn) Share() { c.promote() }

// Parks reports whether Park can do anything with the connection.
func (c *Conn) Parks() bool { return c.lot != nil }

// Park leaves the connection to its listener until there is something to read,
// or its limit for reading is over: then its owner is started. It reports
// whether it has; the caller must not touch the connection any more then.
func (c *Conn) Park() bool {
	return c.lot != nil && c.park(epollMod)
}

func (c *Conn) park(op int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.interrupted || c.closed || c.reads.due.Load() == overdue {
		return false
	}
	// Under the lock: who finds it parked finds it armed.
	if c.parked = c.lot.control(op, c.fd, parkEvents) == nil; c.parked {
		c.clock.park(c)
	}
	return c.parked
}

// unpark takes the connection back, and reports whether it was parked: whoever
// gets it back has to start its owner.
func (c *Conn) unpark() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.parked
	if c.parked = false; was && !c.closed {
		c.clock.add(c)
	}
	return was
}

// wake starts the owner of a connection that is parked.
func (c *Conn) wake() {
	if c.unpark() {
		c.owner.Start()
	}
}

func (c *Conn) setReadDeadline(t time.Time) {
	switch { // they fail where the connection is closed
	case c.conn != nil:
		_ = c.conn.SetReadDeadline(t)
	case c.file != nil:
		_ = c.file.SetReadDeadline(t)
	}
}

func (c *Conn) setWriteDeadline(t time.Time) {
	switch {
	case c.conn != nil:
		_ = c.conn.SetWriteDeadline(t)
	case c.file != nil:
		_ = c.file.SetWriteDeadline(t)
	}
}

// LimitRead limits the wait for something to read to d from now on, whether it
// has begun or not. 0 lifts the limit.
func (c *Conn) LimitRead(d time.Duration) {
	if c.reads.due.Swap(c.due(d)) == overdue {
		c.lift(&c.reads, c.setReadDeadline)
	}
}

func (c *Conn) limitWrite(d time.Duration) {
	if c.writes.due.Swap(c.due(d)) == overdue {
		c.lift(&c.writes, c.setWriteDeadline)
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
func (c *Conn) lift(l *limit, set func(time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.interrupted && l.due.Load() != overdue {
		set(time.Time{})
	}
}

// expire ends the waits that are overdue.
func (c *Conn) expire(spent int64) {
	if due := c.reads.due.Load(); due > 0 && due <= spent {
		c.cut(&c.reads, due, c.setReadDeadline)
		c.wake()
	}
	if due := c.writes.due.Load(); due > 0 && due <= spent {
		c.cut(&c.writes, due, c.setWriteDeadline)
	}
	if c.blind.Load() {
		c.look()
	}
}

// cut holds the lock while it marks the limit, so that whoever finds the mark
// finds the deadline as well.
func (c *Conn) cut(l *limit, due int64, set func(time.Time)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.due.CompareAndSwap(due, overdue) {
		set(past)
	}
}

// EndRead ends the wait for something to read that is under way, or else the
// next, unless LimitRead is called before it. Any goroutine may call it.
func (c *Conn) EndRead() {
	c.mu.Lock()
	c.reads.due.Store(overdue)
	c.setReadDeadline(past)
	c.mu.Unlock()
	c.wake()
}

// Interrupt ends every wait on the connection, those to come too, with
// [os.ErrDeadlineExceeded]. Any goroutine may call it.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	c.interrupted = true
	c.setReadDeadline(past)
	c.setWriteDeadline(past)
	c.mu.Unlock()
	c.wake()
}

// ended reports whether a wait that begins now ends at once.
func (c *Conn) ended(l *limit) bool {
	if l.due.Load() == overdue {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.interrupted
}
