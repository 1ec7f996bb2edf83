package socket

// State is what can be known of a connection without taking anything from it.
type State uint8

const (
	// Silent: it stands, and there is nothing to read.
	Silent State = iota
	// Readable: there is something to read.
	Readable
	// Ended: the peer will send nothing more.
	Ended
	// Broken: it was reset, or closed by us.
	Broken
)

// Peek looks at the connection. It may be called by any goroutine. Without a
// descriptor it sees nothing, which is Silent.
func (c *Conn) Peek() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state()
}

func (c *Conn) state() State {
	switch {
	case c.closed:
		return Broken
	case c.fd >= 0:
		return sysPeek(uintptr(c.fd))
	case c.raw == nil:
		return Silent
	case c.raw.Control(c.onPeek) != nil:
		return Broken
	default:
		return c.peeking
	}
}

func (c *Conn) peek(fd uintptr) { c.peeking = sysPeek(fd) }
