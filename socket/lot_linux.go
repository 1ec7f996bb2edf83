package socket

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// lot is where connections wait that have no goroutine: an epoll instance of our
// own, which the poller of Go's runtime watches in turn. A connection is in it
// from the moment it is accepted, so that one with a single request needs
// nothing of the runtime's at all.
type lot struct {
	listener *Listener
	accepts  int      // descriptor of the listener
	epoll    *os.File // of epfd
	epfd     int
	pause    time.Duration
	most     int // from this number on, descriptors are not for clients
	last     int // the latest number that was given out, as far as is known

	mu    sync.Mutex
	conns map[int32]*Conn // by descriptor
}

const (
	// waits for one event at a time: it is armed by park.
	parkEvents = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT
	acceptMax  = 64 // connections in a row, for the others' sake
)

func newLot(l *Listener) (*lot, error) {
	tcp, ok := l.Listener.(*net.TCPListener)
	if !ok {
		return nil, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil, err
	}
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Only what does not block the runtime's poller watches.
	if err := syscall.SetNonblock(epfd, true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), syscall.Close(epfd))
	}
	p := &lot{listener: l, epfd: epfd, epoll: os.NewFile(uintptr(epfd), "epoll"), conns: map[int32]*Conn{}}
	if limit := Descriptors(); limit > 0 {
		p.most = limit - reserved(limit)
	} else {
		p.most = math.MaxInt
	}
	control := raw.Control(func(fd uintptr) {
		p.accepts = int(fd)
		// What is accepted inherits it.
		if err = syscall.SetsockoptInt(p.accepts, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1); err == nil {
			err = p.control(syscall.EPOLL_CTL_ADD, p.accepts, syscall.EPOLLIN)
		}
	})
	if err = errors.Join(control, err); err != nil {
		return nil, errors.Join(err, p.epoll.Close())
	}
	return p, nil
}

func (p *lot) control(op, fd int, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: int32(fd)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(p.epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// run hands out what happens until end.
func (p *lot) run() error {
	raw, err := p.epoll.SyscallConn()
	if err != nil {
		return err
	}
	var events [128]syscall.EpollEvent
	var failed error
	err = raw.Read(func(uintptr) (done bool) {
		for {
			n, err := p.wait(events[:])
			if err != nil {
				failed = err
				return true
			}
			more := false
			for i := range events[:n] {
				more = p.happened(&events[i]) || more
			}
			if n < len(events) && !more {
				// The poller watches edges, and what has happened since is one.
				return false
			}
		}
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conns == nil { // it is the end that was asked for
		return nil
	}
	return errors.Join(failed, err)
}

func (p *lot) wait(events []syscall.EpollEvent) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(p.epfd),
			uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, os.NewSyscallError("epoll_pwait", errno)
		}
	}
}

// happened deals with an event, and reports whether there may be more of it.
func (p *lot) happened(e *syscall.EpollEvent) (more bool) {
	if int(e.Fd) == p.accepts {
		return p.accept()
	}
	p.mu.Lock()
	c := p.conns[e.Fd]
	p.mu.Unlock()
	if c != nil && c.unpark() {
		c.owner.Start()
	}
	return false
}

// accept reports whether there may be more to accept.
func (p *lot) accept() (more bool) {
	p.listener.mu.Lock() // Close waits, so that nothing is opened after it
	defer p.listener.mu.Unlock()
	_, more = p.acceptSome()
	return more
}

// acceptSome is accept, with the lock of the listener. It returns as well how many
// there were.
func (p *lot) acceptSome() (n int, more bool) {
	for range acceptMax {
		if p.listener.closed {
			return n, false
		}
		if p.crowded() {
			p.rest(errCrowded, Tick)
			return n, true
		}
		fd, address, err := sysAccept(p.accepts)
		switch err {
		case nil:
			p.last = fd
			p.open(fd, address)
			p.pause = 0
			n++
			continue
		case syscall.EAGAIN:
			return n, false
		case syscall.ECONNABORTED: // it left before it was accepted
			continue
		}
		p.pause = min(max(minPause, 2*p.pause), maxPause)
		p.rest(os.NewSyscallError("accept", err), p.pause)
		return n, true
	}
	return n, true
}

// errCrowded says that what is left of the descriptors is for backends.
var errCrowded = fmt.Errorf("what is left of the descriptors is for backends: %w", syscall.EMFILE)

// crowded reports whether clients have all the descriptors that they may have.
// The kernel gives out the lowest number that is free, so that each tells how
// many are taken, whoever has them.
func (p *lot) crowded() bool {
	if p.last < p.most {
		return false
	}
	p.last = sysLowest(p.accepts)
	return p.last >= p.most
}

// rest stops accepting for a while. The connections that stand go on, and some
// of them will end. The poller has to be asked once more, or else it goes on
// taking the listener for one that is known to be ready, and resume is no edge.
func (p *lot) rest(err error, pause time.Duration) {
	p.listener.options.Clock.Short()
	p.listener.options.Failed(err, pause)
	_ = p.control(syscall.EPOLL_CTL_MOD, p.accepts, 0)
	time.AfterFunc(pause, p.resume)
}

// resume goes on accepting after a pause.
func (p *lot) resume() {
	p.listener.mu.Lock()
	defer p.listener.mu.Unlock()
	if !p.listener.closed {
		_ = p.control(syscall.EPOLL_CTL_MOD, p.accepts, syscall.EPOLLIN)
	}
}

func (p *lot) open(fd int, address net.Addr) {
	o := &p.listener.options
	c := newConn(o.Clock, o.Stall)
	c.fd, c.lot, c.remote = fd, p, address
	c.owner = o.Open(c)
	p.mu.Lock()
	p.conns[int32(fd)] = c
	p.mu.Unlock()
	if !c.park(syscall.EPOLL_CTL_ADD) {
		o.Clock.add(c)
		c.owner.Start() // it finds out why
	}
}

func (p *lot) forget(fd int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, int32(fd))
}

// close accepts who has connected already, and then nobody. It is called with the
// lock of the listener.
func (p *lot) close() {
	for n := acceptMax; n == acceptMax; {
		n, _ = p.acceptSome()
	}
	// What is closed leaves an epoll instance only when no other descriptor of the
	// same socket is left, in whatever process.
	_ = p.control(syscall.EPOLL_CTL_DEL, p.accepts, 0)
}

func (p *lot) end() {
	p.mu.Lock()
	p.conns = nil
	p.mu.Unlock() // Close waits for run, which may be about to take it
	_ = p.epoll.Close()
}
