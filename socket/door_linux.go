package socket

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"syscall"
	"time"
)

// door is where a listener lets in: its descriptor in a loop.
type door struct {
	listener *Listener
	loop     *loop
	fd       int // of the listener
	pause    time.Duration
	most     int // from this number on, descriptors are not for clients
	last     int // the latest number that was given out, as far as is known
}

const acceptMax = 64 // connections in a row, for the others' sake

// newDoor returns nil where connections can't wait in a loop.
func newDoor(l *Listener) (*door, error) {
	tcp, ok := l.Listener.(*net.TCPListener)
	if !ok || len(l.options.Clock.loops()) == 0 {
		return nil, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &door{listener: l, loop: l.options.Clock.doorLoop(), most: math.MaxInt}
	if limit := Descriptors(); limit > 0 {
		d.most = limit - reserved(limit)
	}
	control := raw.Control(func(fd uintptr) {
		d.fd = int(fd)
		// What is accepted inherits it.
		err = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(d.fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	})
	return d, errors.Join(control, err)
}

// open begins to accept.
func (d *door) open() error { return d.loop.watch(d.fd, d, syscall.EPOLLIN) }

// happened is part of [source].
func (d *door) happened(*loop, uint32) (more bool) {
	d.listener.mu.Lock() // Close waits, so that nothing is let in after it
	defer d.listener.mu.Unlock()
	_, more = d.acceptSome()
	return more
}

// acceptSome is called with the lock of the listener. It returns how many there
// were, and whether there may be more.
func (d *door) acceptSome() (n int, more bool) {
	for range acceptMax {
		if d.listener.closed {
			return n, false
		}
		if d.crowded() {
			d.rest(errCrowded, Tick)
			return n, true
		}
		fd, address, err := sysAccept(d.fd)
		switch err {
		case nil:
			d.last = fd
			d.letIn(fd, address)
			d.pause = 0
			n++
			continue
		case syscall.EAGAIN:
			return n, false
		case syscall.ECONNABORTED: // it left before it was accepted
			continue
		}
		d.pause = min(max(minPause, 2*d.pause), maxPause)
		d.rest(os.NewSyscallError("accept", err), d.pause)
		return n, true
	}
	return n, true
}

// errCrowded says that what is left of the descriptors is for backends.
var errCrowded = fmt.Errorf("what is left of the descriptors is for backends: %w", syscall.EMFILE)

// crowded reports whether clients have all the descriptors that they may have.
// The kernel gives out the lowest number that is free, so that each tells how
// many are taken, whoever has them.
func (d *door) crowded() bool {
	if d.last < d.most {
		return false
	}
	d.last = sysLowest(d.fd)
	return d.last >= d.most
}

// rest stops accepting for a while. The connections that stand go on, and some
// of them will end.
func (d *door) rest(err error, pause time.Duration) {
	d.listener.options.Clock.Short()
	d.listener.complain(err, pause)
	_ = d.loop.control(syscall.EPOLL_CTL_MOD, d.fd, 0)
	time.AfterFunc(pause, d.resume)
}

// resume goes on accepting after a pause.
func (d *door) resume() {
	d.listener.mu.Lock()
	defer d.listener.mu.Unlock()
	if !d.listener.closed {
		_ = d.loop.control(syscall.EPOLL_CTL_MOD, d.fd, syscall.EPOLLIN)
	}
}

func (d *door) letIn(fd int, address net.Addr) {
	o := &d.listener.options
	c := newConn(o.Clock, o.Stall)
	c.fd, c.remote, c.loop = fd, address, o.Clock.leastBusy(d.loop)
	c.loop.load.Add(1)
	c.owner = o.Open(c)
	o.Clock.add(c)
	if err := c.loop.watch(fd, c, edges); err != nil {
		c.EndRead() // its owner finds out that nothing comes
	}
	if !c.reads.await(left) {
		c.loop.post(turn{start: c})
	}
}

// close lets in who has connected already, and then nobody. It is called with the
// lock of the listener.
func (d *door) close() {
	for n := acceptMax; n == acceptMax; {
		n, _ = d.acceptSome()
	}
	// What is closed leaves an epoll instance only when no other descriptor of the
	// same socket is left, in whatever process.
	_ = d.loop.control(syscall.EPOLL_CTL_DEL, d.fd, 0)
	d.loop.drop(d.fd)
}
