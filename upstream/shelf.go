package upstream

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rota-lb/rota/socket"
)

// idleTimeout is how long an unused connection is kept. Most servers close
// theirs after a minute or more, and it is better to be the one who closes.
const idleTimeout = 30 * time.Second

// shortIdleTimeout is the same while descriptors are short: somebody waits.
const shortIdleTimeout = 3 * socket.Tick

// maxIdle is how many unused connections are kept for one backend.
const maxIdle = 1024

// Conn is a connection to a backend. It is for one request at a time.
type Conn struct {
	*socket.Conn
	// Reused is whether it has carried a request before.
	Reused bool

	shelf  *shelf
	closed atomic.Bool
	since  time.Duration // it has been unused since then, by the clock
	// When a sweep has seen it unused and open, first and last; 0 is never.
	first, last time.Duration

	age           uint64 // of the shelf when the connection was made
	lent          bool
	after, before *Conn // in the list of those that are lent
}

// Keep gives a connection back that is ready for another request.
func (c *Conn) Keep(now time.Duration) {
	c.Reused, c.since, c.first, c.last = true, now, 0, 0
	c.LimitRead(0)
	if !c.shelf.put(c) {
		c.Close()
	}
}

// Close ends the connection. Only the first call counts.
func (c *Conn) Close() error {
	if s := c.shelf; s != nil && c.closed.CompareAndSwap(false, true) {
		s.open.Add(-1)
		s.mu.Lock()
		s.takeBack(c)
		s.mu.Unlock()
	}
	return c.Conn.Close()
}

// shelf has the unused connections to one address, the one used last on top:
// so that the others grow old and can go.
type shelf struct {
	open atomic.Int64 // connections, those in use and those about to be made included

	mu    sync.Mutex // never held over a wait
	conns []*Conn
	lent  *Conn  // the first of those that are in use
	age   uint64 // how often it was drained: nothing comes back from before
	left  bool   // nobody comes back

	// spared is the longest for which the backend was seen to leave an unused
	// connection alone; patience the shortest for which it did before it closed
	// one, and closed when it did that last, 0 where it has not.
	spared, patience, closed time.Duration

	// The sweep's:
	looks []look
	bare  time.Duration // since when there has been no connection; 0: there is one
}

// take returns a connection near the top that is still good. With sure, it has
// been unused for less than the backend is known to let connections be: what is
// written while it closes is lost, and nobody can tell whether it was read.
func (s *shelf) take(now time.Duration, sure bool, home int) *Conn {
	for {
		s.mu.Lock()
		i := s.nearest(home)
		if i >= 0 && sure && !s.spares(s.conns[i].unused(now), now) {
			i = len(s.conns) - 1 // it was used last
		}
		if i < 0 || sure && !s.spares(s.conns[i].unused(now), now) {
			s.mu.Unlock()
			return nil
		}
		c := s.conns[i]
		s.conns = slices.Delete(s.conns, i, i+1)
		s.link(c)
		s.mu.Unlock()
		if !sure && c.Untouched() || s.good(c, now) {
			return c
		}
		c.Close()
	}
}

// reach is how far from the top a connection of the same home is looked for.
const reach = 16

// nearest returns the place of the topmost connection of that home, or else of any;
// -1 where there is none.
func (s *shelf) nearest(home int) int {
	top := len(s.conns) - 1
	for i := top; i >= max(0, top-reach); i-- {
		if s.conns[i].Home() == home {
			return i
		}
	}
	return top
}

// good reports whether the backend has left the connection alone. What it says
// unasked would be taken for the response to the next request.
func (s *shelf) good(c *Conn, now time.Duration) bool {
	state := c.Peek()
	if state == socket.Ended || state == socket.Broken {
		s.mu.Lock()
		s.closing(c, now)
		s.mu.Unlock()
	}
	return state == socket.Silent
}

// unused is for how long nobody has used the connection, at most.
func (c *Conn) unused(now time.Duration) time.Duration { return now - c.since + socket.Tick }

// remembered is for how long it counts that a backend has closed a connection: it
// may have been for another reason than its patience, such as a restart.
const remembered = 5 * time.Minute

// spares reports whether the backend lets a connection be that long. Of one that
// nothing is known of yet, this can't be said.
func (s *shelf) spares(d, now time.Duration) bool {
	return d < s.spared && (s.closed == 0 || now-s.closed > remembered || d < s.patience)
}

// closing takes in that the backend has closed a connection, at some moment
// since that was last seen open.
func (s *shelf) closing(c *Conn, now time.Duration) {
	alone := max(0, c.last-c.since-socket.Tick)
	if s.closed == 0 || now-s.closed > remembered || alone < s.patience {
		s.patience = alone
	}
	s.closed = now
}

// makeRoom closes the connection that has been unused for longest, and reports
// whether there was one.
func (s *shelf) makeRoom() bool {
	s.mu.Lock()
	if len(s.conns) == 0 {
		s.mu.Unlock()
		return false
	}
	c := s.conns[0]
	s.conns = slices.Delete(s.conns, 0, 1)
	s.mu.Unlock()
	c.Close()
	return true
}

func (s *shelf) put(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeBack(c)
	if s.left || c.age != s.age || len(s.conns) == maxIdle {
		return false
	}
	s.conns = append(s.conns, c)
	return true
}

// lend has a new connection belong to the shelf.
func (s *shelf) lend(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.age = s.age
	s.link(c)
}

// link and takeBack keep the list of connections that are in use. They are
// called under the lock.
func (s *shelf) link(c *Conn) {
	c.lent, c.after, c.before = true, s.lent, nil
	if s.lent != nil {
		s.lent.before = c
	}
	s.lent = c
}

func (s *shelf) takeBack(c *Conn) {
	if !c.lent {
		return
	}
	if c.after != nil {
		c.after.before = c.before
	}
	if c.before != nil {
		c.before.after = c.after
	} else {
		s.lent = c.after
	}
	c.lent, c.after, c.before = false, nil, nil
}

func (s *shelf) close() {
	s.mu.Lock()
	s.left = true
	s.mu.Unlock()
	s.drain()
}

// drain closes the unused connections and those in use once they are back.
func (s *shelf) drain() {
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.age++
	s.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// cut interrupts the connections that are in use. None of them comes back: one
// that is just being given back would end the next wait on it, too.
func (s *shelf) cut() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.age++
	for c := s.lent; c != nil; c = c.after {
		c.Interrupt()
		n++
	}
	return n
}

// sweep closes connections that nobody has used for that long, or that the
// backend has closed. It is for one goroutine at a time.
func (s *shelf) sweep(now, limit time.Duration) {
	s.choose(now, limit)
	for i := range s.looks { // without the lock: each is a system call
		s.looks[i].state = s.looks[i].conn.Peek()
	}
	for _, c := range s.judge(now, limit) {
		c.Close()
	}
	clear(s.looks)
}

// forsaken reports whether there has been no connection for so long that nothing
// known of the backend counts: an attempt may have come after its address was left.
func (s *shelf) forsaken(now time.Duration) bool {
	if s.open.Load() > 0 {
		s.bare = 0
		return false
	}
	s.bare = cmp.Or(s.bare, now)
	return now-s.bare > remembered
}

// look is what a sweep sees of a connection.
type look struct {
	conn  *Conn
	place int           // on the shelf
	since time.Duration // as in Conn
	state socket.State
}

// Who has been unused for longer than often is looked at once a second, by one
// sweep of this many.
const (
	often  = time.Second
	sweeps = int(time.Second / socket.Tick)
)

// choose finds out whom this sweep looks at.
func (s *shelf) choose(now, limit time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks = s.looks[:0]
	for i, c := range s.conns {
		switch unused := now - c.since; {
		case unused < socket.Tick: // in use all the time
		case unused < often, c.unused(now) > limit, (int(now/socket.Tick)+i)%sweeps == 0:
			s.looks = append(s.looks, look{conn: c, place: i, since: c.since})
		}
	}
}

// judge takes those off the shelf that are to be closed. Who was lent since the
// look is left alone, and so is who is back again.
func (s *shelf) judge(now, limit time.Duration) (out []*Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.looks {
		c := l.conn
		if l.place >= len(s.conns) || s.conns[l.place] != c || c.since != l.since {
			continue
		}
		if l.state == socket.Ended || l.state == socket.Broken {
			s.closing(c, now)
		} else {
			c.first, c.last = cmp.Or(c.first, now), now
			s.spared = max(s.spared, now-c.first)
		}
		if l.state != socket.Silent || c.unused(now) > limit {
			out = append(out, c)
			s.conns[l.place] = nil
		}
	}
	if len(out) > 0 {
		s.conns = slices.DeleteFunc(s.conns, func(c *Conn) bool { return c == nil })
	}
	return out
}
