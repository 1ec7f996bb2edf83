package socket

// Write is part of [io.Writer].
func (c *Conn) Write(p []byte) (int, error) { return c.WriteBoth(p, nil) }

// WriteBoth writes head and then body, in one piece if that can be. It returns
// how much it has written. Where no byte is taken for as long as the connection
// allows, the error is [os.ErrDeadlineExceeded].
func (c *Conn) WriteBoth(head, body []byte) (written int, err error) {
	if c.conn != nil {
		return c.writePlain(head, body)
	}
	if err := c.over(&c.writes); err != nil {
		return 0, err
	}
	var n int
	var again bool
	if len(head) > 0 && len(body) == 0 && c.posts() {
		c.task.post(mail{conn: c, bytes: head})
		n, again, err = c.task.delivered()
	} else {
		n, again, err = sysWriteBoth(uintptr(c.fd), head, body)
	}
	return c.written(head, body, n, again, err)
}

// written goes on where n bytes were taken.
func (c *Conn) written(head, body []byte, n int, again bool, err error) (int, error) {
	if err != nil {
		return n, c.opError("write", err)
	}
	if !again {
		return n, nil
	}
	return c.writeOn(head, body, n)
}

// writeOn writes what is left behind the first bytes, which were taken.
func (c *Conn) writeOn(head, body []byte, written int) (int, error) {
	defer c.limitWrite(0)
	for n := written; ; {
		if n >= len(head) {
			head, body = body[n-len(head):], nil
		} else {
			head = head[n:]
		}
		if len(head) == 0 {
			return written, nil
		}
		c.limitWrite(c.stall)
		var err error
		for n = 0; n == 0; {
			if err := c.wait(&c.writes); err != nil {
				return written, err
			}
			if n, _, err = sysWriteBoth(uintptr(c.fd), head, body); err != nil {
				return written, c.opError("write", err)
			}
		}
		written += n
	}
}

func (c *Conn) writePlain(head, body []byte) (written int, err error) {
	const piece = 16 << 10 // that is progress
	defer c.limitWrite(0)
	for _, p := range [...][]byte{head, body} {
		for len(p) > 0 {
			c.limitWrite(c.stall)
			n, err := c.conn.Write(p[:min(len(p), piece)])
			written += n
			if err != nil {
				return written, err
			}
			p = p[n:]
		}
	}
	return written, nil
}
