// Package socket is what the data path does with a connection: it reads without
// holding memory while nothing comes, writes without waiting where it can, and
// limits both by a clock that costs no system call per request. It works over
// any [net.Conn], and takes the short ways where there is a descriptor.
package socket

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Tick is how often a [Clock] looks at its connections. A limit is never cut
// short, but may last up to two ticks longer, and three where the connection is
// parked.
const Tick = 100 * time.Millisecond

// turns is in how many ticks the clock has looked at all that dozes.
const turns = 10

// Clock ends the waits of its connections that last too long. It is safe for
// concurrent use. One for the whole process is enough.
type Clock struct {
	began time.Time
	now   atomic.Int64 // since it began
	spent atomic.Int64 // the same as limits count it: see sweep
	short atomic.Int64 // until then descriptors are short

	mu      sync.Mutex
	conns   list        // each tick is for all of them
	dozing  [turns]list // each tick is for one of these
	watches []*func(now time.Duration)
	loops   func() []*loop // where connections wait
	doors   atomic.Uint32  // listeners there have been
}

// NewClock returns a clock that stands still until [Clock.Run].
func NewClock() *Clock {
	c := &Clock{began: time.Now()}
	c.spent.Store(1) // 0 stands for "no limit"
	c.loops = sync.OnceValue(func() []*loop { return newLoops(c) })
	return c
}

// Run keeps the clock going until ctx is done. Without it no limit holds, and
// nobody hears of anything. No connection may be left then.
func (c *Clock) Run(ctx context.Context) {
	defer c.runLoops()()
	ticker := time.NewTicker(Tick)
	defer ticker.Stop()
	var conns []*Conn
	for {
		select {
		case <-ticker.C:
			conns = c.sweep(time.Since(c.began), conns)
		case <-ctx.Done():
			return
		}
	}
}

// runLoops has connections wait, until end.
func (c *Clock) runLoops() (end func()) {
	var running sync.WaitGroup
	for _, l := range c.loops() {
		running.Go(l.run)
	}
	return func() {
		for _, l := range c.loops() {
			l.post(turn{end: true})
		}
		running.Wait()
	}
}

// leastBusy returns the loop with the fewest clients, near if that has an eighth more
// at most: to be served where one was accepted is cheapest.
func (c *Clock) leastBusy(near *loop) *loop {
	best := near
	for _, l := range c.loops() {
		switch {
		case best == nil, best == near && 8*l.load.Load() < 7*best.load.Load(),
			best != near && l.load.Load() < best.load.Load():
			best = l
		}
	}
	return best
}

// doorLoop returns the loop for the next listener.
func (c *Clock) doorLoop() *loop {
	loops := c.loops()
	return loops[int(c.doors.Add(1)-1)%len(loops)]
}

// Now returns the time since the clock was made, at most a [Tick] behind.
func (c *Clock) Now() time.Duration { return time.Duration(c.now.Load()) }

// shortage is for how long after Short descriptors count as short.
const shortage = time.Second

// Short tells that this process has no descriptor for what it should do.
func (c *Clock) Short() { c.short.Store(int64(c.Now() + shortage)) }

// IsShort reports whether descriptors have just been short, so that none should
// be held without need.
func (c *Clock) IsShort() bool { return int64(c.Now()) < c.short.Load() }

// Watch has f called at each [Tick], by the clock's goroutine, until stop is
// called; a call may be under way then. f must not block.
func (c *Clock) Watch(f func(now time.Duration)) (stop func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watches = append(slices.Clone(c.watches), &f)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.watches = slices.DeleteFunc(slices.Clone(c.watches), func(w *func(time.Duration)) bool { return w == &f })
	}
}

// list is connections that know their place in it.
type list []*Conn

// sweep looks once at each connection, but for most of those that are parked. It
// goes over a copy, for which it uses the given memory: who opens and closes
// connections must not wait for it.
//
// A sweep that comes late counts as one tick. Or else limits that were set just
// before it would be over too soon, and all others where this process, or its
// machine, stood still for a while: nobody could have kept them.
func (c *Clock) sweep(now time.Duration, conns []*Conn) []*Conn {
	passed := min(now-c.Now(), Tick)
	c.now.Store(int64(now))
	spent := c.spent.Add(int64(passed))
	c.mu.Lock()
	conns = append(conns[:0], c.conns...)
	awake := len(conns)
	conns = append(conns, c.dozing[turnOf(spent)]...)
	watches := c.watches
	c.mu.Unlock()
	for i, conn := range conns {
		conn.expire(spent)
		switch {
		case i >= awake || conn.owner == nil:
		case conn.reads.state.Load() == left:
			c.doze(conn)
		default:
			conn.owner.Tick()
		}
	}
	for _, watch := range watches {
		(*watch)(now)
	}
	clear(conns)
	return conns
}

// turnOf is whose turn it is at a moment, of those that doze.
func turnOf(spent int64) int { return int(spent / int64(Tick) % turns) }

func (c *Clock) add(conn *Conn) { c.put(conn, &c.conns, false) }

// doze has a connection that is parked looked at seldom, but then when its limit
// is over. It may be about to be started.
func (c *Clock) doze(conn *Conn) {
	c.put(conn, &c.dozing[turnOf(conn.reads.limit.due.Load()+int64(Tick))], true)
	if conn.reads.state.Load() != left {
		c.add(conn)
	}
}

func (c *Clock) remove(conn *Conn) { c.put(conn, nil, false) }

// put moves the connection into another list, out of all where that is nil.
func (c *Clock) put(conn *Conn, into *list, dozes bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn.gone {
		return // it was closed meanwhile
	}
	conn.gone = into == nil
	conn.dozes.Store(dozes)
	if from := conn.in; from != nil {
		last := len(*from) - 1
		(*from)[conn.place] = (*from)[last]
		(*from)[conn.place].place = conn.place
		(*from)[last] = nil
		*from = (*from)[:last]
	}
	if conn.in = into; into != nil {
		conn.place = len(*into)
		*into = append(*into, conn)
	}
}
