package socket

import "syscall"

// mail is what a task writes in its turn. What all write in a turn of the loop goes
// out at its end, in one system call: to send delivers to the receiver on the way,
// and wakes it, and where each is a call of its own most of them end with the
// receiver taking the processor.
type mail struct {
	conn   *Conn
	bytes  []byte
	posted bool // and not delivered
	gone   bool // with others
	silent bool // the task is not to hear of it where all was taken

	// What became of it:
	n     int  // how much was taken
	again bool // not all
	err   error
}

// posts reports whether what a connection writes goes out with what others do.
func (c *Conn) posts() bool { return c.task != nil && !c.task.away && c.task.loop.ring != nil }

// post has p go out, which must not be empty.
func (c *Conn) post(p []byte, silent bool) {
	t := c.task
	t.mail = mail{conn: c, bytes: p, posted: true, silent: silent}
	t.loop.mails = append(t.loop.mails, &t.mail)
}

// delivered returns once the mail has gone out.
func (t *task) delivered() (n int, again bool, err error) {
	m := &t.mail
	if m.silent = false; m.posted {
		t.yield(posting)
	}
	m.conn, m.bytes = nil, nil
	return m.n, m.again, m.err
}

// deliver has all mails go out. Who has written them goes on, and may write more.
func (l *loop) deliver() {
	for len(l.mails) > 0 {
		mails := l.mails
		l.mails = l.spare[:0]
		if len(mails) > 1 && l.ring != nil && !l.ring.send(mails) {
			l.ring.close()
			l.ring = nil
		}
		for _, m := range mails {
			if !m.gone { // it is alone, or the ring has failed
				m.n, m.again, m.err = sysWriteBoth(uintptr(m.conn.fd), m.bytes, nil)
			}
			switch m.posted = false; {
			case !m.silent:
				l.resume(m.conn.task)
			case m.again || m.err != nil:
				m.conn.reads.wake(m.conn, l)
			}
		}
		clear(mails)
		l.spare = mails
	}
}

// went notes the result of a system call: how much was taken, or below zero the
// number of an error.
func (m *mail) went(result int) {
	m.gone = true
	switch errno := syscall.Errno(-result); {
	case result >= 0:
		m.n, m.again = result, result < len(m.bytes)
	case errno == syscall.EAGAIN:
		m.again = true
	case errno == syscall.EINTR:
		m.gone = false // it goes alone
	default:
		m.err = errno
	}
}
