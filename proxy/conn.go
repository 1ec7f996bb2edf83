package proxy

import (
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// halfClosed is for how many ticks a client that sends no more may wait for its
// response. It may be there still, to read it; most that do this have left.
const halfClosed = 5

// conn is the connection of a client. It has a goroutine while a request is under
// way, which serves most of them within the loop that reads: see [conn.Ready].
// What would have to read within the loop is served between two of them.
type conn struct {
	*socket.Conn
	server   *Server
	settings *settings // of the request that is under way, or of the last
	peer     peer
	exchange *exchange // nil between requests; the goroutine's own
	broken   bool      // to end so that nobody takes it for a proper end
	talking  bool      // the client may be sending what nobody will read

	watched atomic.Bool // whether tick has something to look at
	mu      sync.Mutex
	busy    bool // there is a request, or a part of one
	gone    bool // nobody waits for the response any more
	told    bool // what the client sends is not served any more

	last  time.Duration // no request is awaited after it, as the clock counts; 0 while they are
	waits [2]waiting    // of each lane

	deadline time.Duration // of the request as a whole, as the clock counts; 0 is none
	expired  bool          // it is over

	half   int // for how many ticks the client has sent no more
	waited int // for how many ticks the request has waited for a backend
}

func newConn(s *Server, plain *socket.Conn) *conn {
	c := &conn{Conn: plain, server: s}
	c.renew()
	c.LimitRead(c.settings.ReadTimeout)
	return c
}

// renew takes over what the next request goes by.
func (c *conn) renew() {
	if s := c.server.settings.Load(); s != c.settings {
		c.settings = s
		c.peer = s.rules.peer(c.RemoteAddr())
		c.SetStall(s.WriteTimeout)
	}
}

// Serve is part of [socket.Owner]. It serves the connection until it ends or is
// parked.
func (c *conn) Serve() {
	defer c.server.rescue(func() {
		c.Leave()
		if c.exchange != nil {
			c.exchange.dropBackend()
		}
		c.Abort()
		c.server.forget(c)
	})
	for {
		parked, err := c.Loop(c)
		if parked {
			return
		}
		if !c.goOn(err) {
			break
		}
	}
	c.free()
	c.Close()
	c.server.forget(c)
}

// goOn does what can't be done within the loop that reads, and reports whether
// the connection goes on.
func (c *conn) goOn(err error) bool {
	x := c.exchange
	switch {
	case x == nil:
		return errors.Is(err, os.ErrDeadlineExceeded) && c.waitOn()
	case err == nil && !x.over:
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.left() && x.overdue():
		// The rest of a request does not come, or not at once.
	default:
		if err != nil && !x.over {
			x.cut(err)
		}
		c.linger()
		return false
	}
	if x.serveSlowly() {
		return true
	}
	c.linger()
	return false
}

// waitOn reports whether a wait for a request goes on that was ended: at a stop,
// until the last call is over. What has come in time is served, though nobody had
// the time to look.
func (c *conn) waitOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := time.Duration(0)
	if c.server.calling.Load() {
		limit = c.lastCall()
	}
	if c.Peek() == socket.Readable {
		limit = c.settings.ReadTimeout
	}
	if c.gone || limit <= 0 {
		return false
	}
	c.LimitRead(limit)
	return true
}

// lastCall returns for how long a request may still come. It is called with the
// lock.
func (c *conn) lastCall() time.Duration {
	now := c.server.options().Clock.Now()
	if c.last == 0 {
		c.last = now + lingering
	}
	return c.last - now
}

// Room is part of [socket.Handler].
func (c *conn) Room() []byte {
	if c.exchange == nil {
		c.exchange = newExchange(c)
	}
	return c.exchange.room()
}

// Ready is part of [socket.Handler]. It serves what is there.
func (c *conn) Ready(n int) socket.Next {
	x := c.exchange
	if x == nil {
		return socket.Wait
	}
	if n > 0 && x.in.Len() == 0 && !c.begin() {
		x.over = true
		return socket.Stop
	}
	x.in.Filled(n)
	for x.in.Len() > 0 {
		switch x.step() {
		case incomplete:
			return socket.More
		case elsewhere:
			return socket.Stop
		}
	}
	c.rest()
	return socket.Wait
}

// rest waits for another request, without its memory.
func (c *conn) rest() {
	c.free()
	c.LimitRead(c.settings.IdleTimeout)
	c.idle()
}

// free gives the memory of a request back.
func (c *conn) free() {
	if c.exchange != nil {
		c.exchange.free()
		c.exchange = nil
	}
}

// idle tells that no request is under way.
func (c *conn) idle() {
	c.mu.Lock()
	c.busy = false
	c.mu.Unlock()
	if c.server.calling.Load() {
		c.shut()
	}
}

// begin reports whether a request may begin.
func (c *conn) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.busy, c.half, c.waited = true, 0, 0
	if !c.watched.Load() {
		c.watched.Store(true)
	}
	return !c.gone
}

// shut ends the connection if nothing is under way, and nothing comes for a while.
// A client that has just connected, or that uses the connection often, may be
// about to ask; and a request that meets a connection that just closes is lost.
func (c *conn) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.busy:
	case c.told:
		c.gone = true
		c.Interrupt()
	default:
		c.LimitRead(max(1, c.lastCall()))
	}
}

// leave ends the connection with whatever is under way.
func (c *conn) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abandon()
	c.Interrupt()
}

// abandon ends what is done for a client that is gone.
func (c *conn) abandon() {
	c.gone = true
	for i := range c.waits {
		c.waits[i].end()
	}
}

// left reports whether the client is gone, or was sent away.
func (c *conn) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// Tick is part of [socket.Owner]. It looks after a client that nobody reads from,
// since a backend is waited for.
func (c *conn) Tick() {
	if !c.watched.Load() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy && (c.waits[first].waits() || c.waits[second].waits()) {
		if c.watchWaiting(); c.deadline > 0 && c.server.options().Clock.Now() >= c.deadline {
			c.expire()
		}
	}
}

// looks reports whether a client is looked at by the n-th tick of its wait. A
// look is a system call, and there may be many who wait for long.
func looks(n int) bool { return n <= 10 || n%10 == 0 }

func (c *conn) watchWaiting() {
	if c.waited++; c.half == 0 && !looks(c.waited) {
		return
	}
	switch c.Peek() {
	case socket.Broken:
		c.abandon()
		c.Interrupt()
	case socket.Ended:
		if c.half++; c.half >= halfClosed {
			c.abandon()
		}
	default:
		c.half = 0
	}
}

// lingering is how long a client that is told off may pause in sending, and one may
// go on being silent that is not awaited any more.
const lingering = time.Second

// linger lets the client read the last response before the connection ends: to
// close it while the client is sending would take the response away (RFC 9112
// §9.6).
func (c *conn) linger() {
	c.free()
	if c.broken {
		c.Abort()
		return
	}
	if !c.talking && c.Peek() != socket.Readable {
		return
	}
	c.mu.Lock()
	c.told = true
	c.mu.Unlock()
	if c.idle(); c.left() || c.CloseWrite() != nil {
		return
	}
	c.watched.Store(false) // it reads for itself
	clock := c.settings.Clock
	var discard socket.Buffer
	defer discard.Release()
	for end := clock.Now() + maxLinger; clock.Now() < end; {
		c.LimitRead(lingering)
		if err := c.ReadInto(&discard); err != nil {
			return
		}
		discard.Release()
	}
}

// maxLinger is for how long what nobody wants is read, so that a client which first
// sends all of a body, and then looks what became of it, finds the answer.
const maxLinger = 30 * time.Second

// clientFault tells what an error in reading from or writing to a client says.
func clientFault(err error) upstream.Fault {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return upstream.ClientStalled
	case err == io.EOF:
		return upstream.ClientBody
	default:
		return upstream.ClientGone
	}
}
