package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

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
// then the error is [io.EOF]. Within the handler [Conn.Write] takes the short
// way, and Conn can't be read from.
//
// One wait of the poller lasts as long as the loop. To begin a new one forgets
// what the poller knows, so that it must begin with a read that mostly finds
// nothing; within one, a read is made only when there is something.
func (c *Conn) Loop(h Handler) error {
	if c.raw == nil && c.fd < 0 {
		return c.loopPlain(h)
	}
	defer func() { c.loop = 0 }()
	l := looping{c: c, h: h}
	if c.raw == nil {
		// Perhaps one request is all there is.
		if c.ended(&c.reads) {
			return os.ErrDeadlineExceeded
		}
		if l.step(uintptr(c.fd)) {
			return l.err
		}
		if c.promote(); c.raw == nil {
			return net.ErrClosed
		}
	}
	if err := c.raw.Read(l.step); err != nil {
		return err
	}
	return l.err
}

// looping is a Loop under way.
type looping struct {
	c     *Conn
	h     Handler
	begun bool
	err   error
}

// step reads what is there, and reports whether the loop is over.
func (l *looping) step(fd uintptr) (done bool) {
	l.c.loop = fd + 1
	if !l.begun {
		l.begun = true
		if l.h.Ready(0) == Stop {
			return true
		}
	}
	for {
		room := l.h.Room()
		if len(room) == 0 {
			l.err = io.ErrShortBuffer // to read nothing would not end
			return true
		}
		n, again, err := sysRead(fd, room)
		if err != nil {
			l.err = l.c.readError(err)
			return true
		}
		next := l.h.Ready(n)
		if next == Stop {
			return true
		}
		// A read that did not fill its memory has left nothing; what comes
		// later the poller tells.
		if again || next == Wait && n < len(room) {
			return false
		}
	}
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

// reading is what a wait of ReadInto and Exchange is about.
type reading struct {
	head, body []byte // to be written first
	written    int
	write      bool
	blind      bool // nothing was read before the wait
	into       *Buffer
	err        error
}

// ReadInto waits for something to read, and puts it behind what is in the
// buffer, which must have room. While it waits, an empty buffer holds no memory.
// At the end the error is [io.EOF].
func (c *Conn) ReadInto(b *Buffer) error {
	if c.promote(); c.raw == nil {
		return c.readPlain(b)
	}
	c.reading = reading{into: b}
	return c.awaitRead()
}

// Exchange writes head and body, and waits for what comes back as ReadInto
// does. It returns how much it has written, also with an error.
func (c *Conn) Exchange(head, body []byte, b *Buffer) (written int, err error) {
	if c.promote(); c.raw == nil {
		if written, err = c.WriteBoth(head, body); err != nil {
			return written, err
		}
		return written, c.readPlain(b)
	}
	// The write is made within the wait for the answer, for the reason that Loop
	// gives: a wait that has begun already needs no first read.
	c.reading = reading{head: head, body: body, write: true, into: b}
	err = c.awaitRead()
	if written = c.reading.written; err != nil || !c.reading.write {
		return written, err
	}
	if written < len(head) {
		head = head[written:]
	} else {
		head, body = nil, body[written-len(head):]
	}
	n, err := c.WriteBoth(head, body)
	if written += n; err != nil {
		return written, err
	}
	return written, c.ReadInto(b)
}

func (c *Conn) awaitRead() error {
	err := c.raw.Read(c.onRead)
	if c.reading.blind && !c.blind.Swap(false) && c.lull() && errors.Is(err, os.ErrDeadlineExceeded) {
		err = c.raw.Read(c.onRead)
	}
	if c.reading.err != nil {
		err = c.reading.err
	}
	c.reading = reading{written: c.reading.written, write: c.reading.write}
	return err
}

// look ends a wait that has begun without a read, if there is something to read.
// Once is enough: what comes later the poller tells.
func (c *Conn) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blind.Swap(false) && c.state() != Silent {
		c.roused = true
		c.setReadDeadline(past)
	}
}

// lull undoes what look has done, and reports whether there was anything and the
// wait is to go on.
func (c *Conn) lull() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.roused
	c.roused = false
	if c.interrupted || c.reads.due.Load() == overdue {
		return false
	}
	if was {
		c.setReadDeadline(time.Time{})
	}
	return was
}

func (c *Conn) read(fd uintptr) (done bool) {
	r := &c.reading
	if r.write {
		n, _, err := sysWriteBoth(fd, r.head, r.body)
		r.written = n
		if err != nil {
			r.err, r.write = c.opError("write", err), false
			return true
		}
		if n < len(r.head)+len(r.body) {
			return true // the rest has to wait
		}
		r.write = false
		if c.met {
			r.blind = true
			c.blind.Store(true)
			return false
		}
		// Who speaks first may have done so before the wait began, which has
		// forgotten it. Before a connection is used again, its owner looks, and
		// for what comes between the two the clock does.
	}
	c.met = true
	n, again, err := sysRead(fd, r.into.Room())
	if again {
		if r.into.Len() == 0 {
			r.into.Release()
		}
		return false
	}
	r.into.Filled(n)
	if err != nil {
		r.err = c.readError(err)
	}
	return true
}

func (c *Conn) readPlain(b *Buffer) error {
	if c.conn == nil {
		return net.ErrClosed
	}
	n, err := c.conn.Read(b.Room())
	b.Filled(n)
	if n > 0 {
		return nil
	}
	return err
}

func (c *Conn) readError(err error) error {
	if err == io.EOF {
		return err
	}
	return c.opError("read", err)
}

func (c *Conn) opError(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Addr: c.remote, Err: err}
}
