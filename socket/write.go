package socket

import "net"

// writing is what a wait of WriteBoth is about.
type writing struct {
	head, body []byte
	written    int
	err        error
}

// Write is part of [io.Writer].
func (c *Conn) Write(p []byte) (int, error) { return c.WriteBoth(p, nil) }

// WriteBoth writes head and then body, in one piece if that can be. It returns
// how much it has written. Where no byte is taken for as long as the connection
// allows, the error is [os.ErrDeadlineExceeded].
func (c *Conn) WriteBoth(head, body []byte) (written int, err error) {
	w := &c.writing
	*w = writing{head: head, body: body}
	if c.loop == 0 || !c.write(c.loop-1) {
		err = c.await()
	}
	if w.err != nil {
		err = w.err
	}
	written = w.written
	*w = writing{}
	return written, err
}

// await writes what is left.
func (c *Conn) await() error {
	c.promote()
	if c.raw == nil {
		return c.writePlain(c.writing.head, c.writing.body)
	}
	defer c.limitWrite(0)
	c.limitWrite(c.stall)
	return c.raw.Write(c.write)
}

// write takes one step, or as many as it can without waiting.
func (c *Conn) write(fd uintptr) (done bool) {
	w := &c.writing
	for {
		n, again, err := sysWriteBoth(fd, w.head, w.body)
		w.written += n
		if err != nil {
			w.err = c.opError("write", err)
			return true
		}
		if n >= len(w.head) {
			w.head, w.body = nil, w.body[n-len(w.head):]
		} else {
			w.head = w.head[n:]
		}
		if n > 0 {
			c.progressed()
		}
		switch {
		case len(w.head)+len(w.body) == 0:
			return true
		case again:
			return false
		}
	}
}

// progressed gives a write that has begun to wait its whole time again, even if
// that was just over.
func (c *Conn) progressed() {
	if c.writes.due.Load() != 0 {
		c.limitWrite(c.stall)
	}
}

func (c *Conn) writePlain(head, body []byte) error {
	if c.conn == nil {
		return net.ErrClosed
	}
	const piece = 16 << 10 // that is progress
	defer c.limitWrite(0)
	for _, p := range [...][]byte{head, body} {
		for len(p) > 0 {
			c.limitWrite(c.stall)
			n, err := c.conn.Write(p[:min(len(p), piece)])
			c.writing.written += n
			if err != nil {
				return err
			}
			p = p[n:]
		}
	}
	return nil
}
