package socket

import "io"

// Next is what a [Handler] wants.
type Next uint8

const (
	// Wait for something to read.
	Wait Next = iota
	// More is to come, or the end, and may be there already. Where Wait follows
	// on what was read, an end that came with it is not noticed.
	More
	// Stop ends the loop.
	Stop
)

// Handler takes what [Conn.Loop] reads.
type Handler interface {
	// Room returns the memory to read into, at least a byte. It is called when
	// there is something to read, so that waiting needs no memory.
	Room() []byte
	// Ready tells how many bytes were read into it: none at the beginning of the
	// loop, and where there was nothing after all.
	Ready(n int) Next
}

// Loop reads, and waits, until the handler says Stop or there is nothing more:
// then the error is [io.EOF]. While the handler says Wait, a connection that a
// [Listener] has accepted may be parked, which needs no goroutine: then the caller
// must not touch it any more, and its owner will serve it.
func (c *Conn) Loop(h Handler) (parked bool, err error) {
	if c.conn != nil {
		return false, c.loopPlain(h)
	}
	if err := c.over(&c.reads); err != nil {
		return false, err
	}
	for next := h.Ready(0); next != Stop; {
		if !c.more {
			if parked, err = c.await(next); parked || err != nil {
				return parked, err
			}
		}
		room := h.Room()
		if len(room) == 0 {
			return false, io.ErrShortBuffer // to read nothing would not end
		}
		n, err := c.read(room)
		if err != nil {
			return false, err
		}
		c.moves(n)
		next = h.Ready(n)
	}
	return false, nil
}

// await waits for something to read, or parks the connection.
func (c *Conn) await(next Next) (parked bool, err error) {
	t := c.task
	if next != Wait || t == nil || !t.home() {
		return false, c.wait(&c.reads)
	}
	if err = c.over(&c.reads); err != nil {
		return false, err // the news of it may have been taken by another wait
	}
	if c.task = nil; c.reads.await(left) {
		return true, nil
	}
	c.task = t
	return false, c.overAfter(&c.reads)
}

func (c *Conn) loopPlain(h Handler) error {
	if h.Ready(0) == Stop {
		return nil
	}
	for {
		n, err := c.conn.Read(h.Room())
		if n > 0 && h.Ready(n) == Stop {
			return nil
		}
		if err != nil {
			h.Ready(0) // it may have nothing after all
			return err
		}
	}
}

// read reads what is there, which may be nothing. A read that did not fill its
// memory has left nothing: what comes later is an event. Only an end may have come
// together with what was read.
func (c *Conn) read(room []byte) (n int, err error) {
	n, again, err := sysRead(uintptr(c.fd), room)
	c.more = n == len(room) || !again && c.ended.Load()
	if err == nil || err == io.EOF {
		return n, err
	}
	return n, c.opError("read", err)
}

// ReadInto waits for something to read, and puts it behind what is in the
// buffer, which must have room. While it waits, an empty buffer holds no memory.
// At the end the error is [io.EOF].
func (c *Conn) ReadInto(b *Buffer) error {
	if c.conn != nil {
		return c.readPlain(b)
	}
	if err := c.over(&c.reads); err != nil {
		return err
	}
	for {
		if !c.more {
			if b.Len() == 0 {
				b.Release()
			}
			if err := c.wait(&c.reads); err != nil {
				return err
			}
		}
		n, err := c.read(b.Room())
		b.Filled(n)
		c.moves(n)
		if n > 0 || err != nil {
			return err
		}
	}
}

// Exchange writes head and body, and waits for what comes back as ReadInto
// does. It returns how much it has written, also with an error. With clean it writes
// nothing where something has come before: then the error is [ErrTouched].
func (c *Conn) Exchange(head, body []byte, b *Buffer, clean bool) (written int, err error) {
	if c.conn == nil {
		if err = c.over(&c.reads); err != nil {
			return 0, err // before anything is lost on it
		}
	}
	if clean && c.more { // who splices can't tell whether that was all
		if c.Peek() != Silent {
			return 0, c.opError("write", ErrTouched)
		}
		c.more = false
	}
	switch {
	case len(head) > 0 && len(body) == 0 && !c.more && c.posts():
		written, err = c.ask(head, clean)
	case clean && c.Peek() != Silent:
		return 0, c.opError("write", ErrTouched)
	default:
		written, err = c.WriteBoth(head, body)
	}
	if err != nil {
		return written, err
	}
	return written, c.ReadInto(b)
}

// ask writes, and waits for what may be an answer, as one wait.
func (c *Conn) ask(p []byte, clean bool) (written int, err error) {
	if err := c.over(&c.writes); err != nil {
		return 0, err
	}
	t := c.task
	t.post(mail{conn: c, bytes: p, silent: true, clean: clean})
	failed := c.wait(&c.reads)
	c.more = true // that there is something was told, and is not told again
	n, again, err := t.delivered()
	if written, err = c.written(p, nil, n, again, err); err != nil {
		return written, err
	}
	return written, failed
}

func (c *Conn) readPlain(b *Buffer) error {
	n, err := c.conn.Read(b.Room())
	b.Filled(n)
	if n > 0 {
		return nil
	}
	return err
}
