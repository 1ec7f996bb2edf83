package socket

import (
	"errors"
	"syscall"
)

// mail is what a task writes in its turn. What all write in a turn of the loop goes
// out at its end, in one system call: to send delivers to the receiver on the way,
// and wakes it, and where each is a call of its own most of them end with the
// receiver taking the processor.
type mail struct {
	conn   *Conn
	bytes  []byte
	posted bool // and not delivered
	silent bool // the task is not to hear of it where all was taken
	clean  bool // it is not to go out where something has come before
	done   bool // in the batch that is under way

	// What became of it:
	n     int  // how much was taken
	again bool // not all
	err   error
}

// ErrTouched says that nothing was written, since the peer had said something
// unasked, or had left.
var ErrTouched = errors.New("the connection was touched while nobody used it")

// Gathers reports whether what is sent at about the same time goes out in one system
// call, for which the kernel must let this process have io_uring.
func Gathers() bool {
	r := newRing()
	if r != nil {
		r.close()
	}
	return r != nil
}

// posts reports whether what a connection writes goes out with what others do.
func (c *Conn) posts() bool { return c.task != nil && !c.task.away && c.task.loop.ring != nil }

// post has a mail go out, which must not be empty.
func (t *task) post(m mail) {
	t.mail = m
	t.mail.posted = true
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

// deliver has all mails go out. Who has written them goes on; what they write then
// goes out at the end of the next turn, so that others have theirs.
func (l *loop) deliver() {
	mails := l.mails
	l.mails = l.spare[:0]
	l.each(mails, look)
	l.each(mails, send)
	for _, m := range mails {
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

// step is what is done with each mail, one after the other.
type step uint8

const (
	look step = iota // whether its connection is clean
	send
)

// concerns reports whether something is to be done with a mail.
func (s step) concerns(m *mail) bool { return m.err == nil && (s == send || m.clean) }

func (l *loop) each(mails []*mail, s step) {
	batch := l.batch[:0]
	for _, m := range mails {
		if s.concerns(m) {
			m.done = false
			batch = append(batch, m)
		}
	}
	if len(batch) > 1 && l.ring != nil && !l.ring.do(batch, s) {
		l.ring.close()
		l.ring = nil
	}
	for _, m := range batch {
		switch {
		case m.done:
		case s == look:
			if sysPeek(uintptr(m.conn.fd)) != Silent {
				m.err = ErrTouched
			}
		default:
			m.n, m.again, m.err = sysWriteBoth(uintptr(m.conn.fd), m.bytes, nil)
		}
	}
	clear(batch)
	l.batch = batch
}

// went notes the result of a system call: how much there was, or below zero the
// number of an error.
func (m *mail) went(s step, result int) {
	errno := syscall.Errno(-result)
	if result < 0 && (errno == syscall.EINTR || errno == syscall.EINVAL || errno == syscall.EOPNOTSUPP) {
		return // nothing was done, and it is done alone
	}
	switch m.done = true; {
	case s == look && (result >= 0 || errno != syscall.EAGAIN):
		m.err = ErrTouched
	case s == look:
	case result >= 0:
		m.n, m.again = result, result < len(m.bytes)
	case errno == syscall.EAGAIN:
		m.again = true
	default:
		m.err = errno
	}
}
