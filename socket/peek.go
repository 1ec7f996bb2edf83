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
	switch {
	case c.closed:
		return Broken
	case c.fd >= 0:
		return sysPeek(uintptr(c.fd))
	default:
		return Silent
	}
}

// Untouched reports whether nothing has come since the last wait for something to
// read, as far as the loop has heard: it may be a moment behind. It takes no
// system call. False says nothing. It must not be called while somebody reads.
func (c *Conn) Untouched() bool {
	return c.conn == nil && !c.more && c.reads.state.Load() == quiet && c.loop != nil
}
