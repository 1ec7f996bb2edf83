package proxy

import (
	"context"
	"time"

	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// waiting is for what a lane waits.
type waiting struct {
	backend *upstream.Conn
	dialing context.CancelFunc // ends the wait for a connection
	stopped bool               // it is not to wait any more
}

func (w *waiting) end() {
	if w.backend != nil {
		w.backend.Interrupt()
	}
	if w.dialing != nil {
		w.dialing()
	}
}

// wait makes the end of the client, or of the lane, that of a wait for a backend:
// for a connection or on one. It reports whether there is reason to wait.
func (c *conn) wait(l Lane, dialing context.CancelFunc, backend *upstream.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &c.waits[l]
	w.dialing, w.backend = dialing, backend
	return !c.gone && !c.expired && !w.stopped
}

// limit limits the request under way, as a whole. 0 lifts the limit.
func (c *conn) limit(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadline, c.expired = 0, false; d > 0 {
		c.deadline = c.settings.Clock.Now() + d + socket.Tick // the clock may be one behind
	}
}

// over returns why nothing more is to be done for the request under way: None
// where there is no reason.
func (c *conn) over() upstream.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		return upstream.ClientGone
	case c.expired:
		return upstream.Expired
	default:
		return upstream.None
	}
}

// stop ends the waits of a lane, those to come too, until unite.
func (c *conn) stop(l Lane) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits[l].stopped = true
	c.waits[l].end()
}

// unite has only the first lane go on, which waits for the backend.
func (c *conn) unite(backend *upstream.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = [2]waiting{{backend: backend}}
}

// waits reports whether a lane waits for a backend.
func (w *waiting) waits() bool { return w.backend != nil || w.dialing != nil }

// expire ends what is done for a request that takes too long.
func (c *conn) expire() {
	c.expired = true
	for i := range c.waits {
		c.waits[i].end()
	}
}
