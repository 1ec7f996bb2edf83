package socket

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// loop is where connections wait: an epoll instance of our own, and a goroutine
// that lets go on whoever has something to do, one task after another. There is
// one for each processor. Edges are told, and all of them: so to wait takes no
// system call, and what an idle connection says is known when it is used again.
//
// The goroutine waits for the instance itself as for any descriptor, with the
// poller of Go's runtime.
type loop struct {
	clock *Clock
	index int
	epoll *os.File // of epfd
	epfd  int
	bell  int          // a descriptor by which others wake the loop
	load  atomic.Int64 // connections of clients
	hands sync.WaitGroup
	ring  *ring        // nil where there is none
	away  atomic.Int64 // tasks that are about to come back, or to end
	// Its own:
	events  [128]syscall.EpollEvent
	sources [128]source // of the events
	pass    uint64      // how often it has polled
	others  bool        // goroutines that have no turns were told of something in this sprint
	idle    []*task
	over    bool
	tired   []*task // that go on in the next turn, without news
	awake   []*task // memory for others
	mails   []*mail // that go out at the end of its turn
	spare   []*mail // memory for others
	batch   []*mail // of these, those that are dealt with

	mu     sync.Mutex
	known  []source // by descriptor
	posted []turn
	rung   bool
}

// source is what events come from.
type source interface {
	// happened reports whether there may be more without another event.
	happened(l *loop, events uint32) (more bool)
}

const (
	edges = syscall.EPOLLIN | syscall.EPOLLOUT | syscall.EPOLLRDHUP | 1<<31 // EPOLLET, which is negative there
	// maxIdleTasks is how many are kept for requests to come. Their stacks have
	// grown already, which takes longer than a short request.
	maxIdleTasks = 128
)

// newLoops returns a loop for each processor, none where that fails: then
// connections wait as those without a descriptor do.
func newLoops(c *Clock) (loops []*loop) {
	for i := range runtime.GOMAXPROCS(0) {
		l, err := newLoop(c, i)
		if err != nil {
			for _, l := range loops {
				l.close()
			}
			return nil
		}
		loops = append(loops, l)
	}
	return loops
}

func newLoop(c *Clock, index int) (*loop, error) {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	// Only what does not block the runtime's poller watches.
	err = os.NewSyscallError("fcntl", syscall.SetNonblock(epfd, true))
	l := &loop{clock: c, index: index, epfd: epfd, epoll: os.NewFile(uintptr(epfd), "epoll")}
	if l.bell = sysBell(); l.bell < 0 {
		err = errors.Join(err, os.NewSyscallError("eventfd", syscall.EMFILE))
	}
	if err == nil {
		err = l.watch(l.bell, bell{}, syscall.EPOLLIN|1<<31)
	}
	if err != nil {
		l.close()
		return nil, err
	}
	l.ring = newRing()
	return l, nil
}

func (l *loop) close() {
	_ = l.epoll.Close()
	if l.ring != nil {
		l.ring.close()
	}
	if l.bell >= 0 {
		_ = sysClose(l.bell)
	}
}

func (l *loop) control(op, fd int, events uint32) error {
	event := syscall.EpollEvent{Events: events, Fd: int32(fd)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(l.epfd), uintptr(op), uintptr(fd),
		uintptr(unsafe.Pointer(&event)), 0, 0)
	if errno != 0 {
		return os.NewSyscallError("epoll_ctl", errno)
	}
	return nil
}

// watch has events of a descriptor told to s.
func (l *loop) watch(fd int, s source, events uint32) error {
	l.mu.Lock()
	for len(l.known) <= fd {
		l.known = append(l.known, make([]source, max(64, len(l.known)))...)
	}
	l.known[fd] = s
	l.mu.Unlock()
	err := l.control(syscall.EPOLL_CTL_ADD, fd, events)
	if err != nil {
		l.drop(fd)
	}
	return err
}

func (l *loop) drop(fd int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if fd < len(l.known) { // else it was never watched
		l.known[fd] = nil
	}
}

// forget is told before a connection is closed, which ends its events.
func (l *loop) forget(c *Conn) {
	l.drop(c.fd)
	if c.owner != nil {
		l.load.Add(-1)
	}
}

// move has a connection wait in l, any where that is nil.
func (c *Conn) move(l *loop) error {
	if l == nil {
		l = c.clock.leastBusy(nil)
	}
	if c.loop != nil {
		c.loop.drop(c.fd)
		_ = c.loop.control(syscall.EPOLL_CTL_DEL, c.fd, 0) // it is there
	}
	if err := l.watch(c.fd, c, edges); err != nil {
		c.loop = nil
		return err
	}
	c.loop = l
	return nil
}

// ownDescriptor returns a descriptor of our own for what conn has, -1 where it has
// none or the bytes on it are not those of the connection, as with TLS.
func ownDescriptor(conn net.Conn, clock *Clock) (fd int, err error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok || len(clock.loops()) == 0 {
		return -1, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(theirs uintptr) { fd, err = sysDuplicate(int(theirs)) })
	return fd, errors.Join(err, failed)
}

// run gives everybody their turns until end.
func (l *loop) run() {
	defer l.close()
	raw, err := l.epoll.SyscallConn()
	if err == nil {
		err = raw.Read(l.sprint)
	}
	if err != nil {
		panic(err) // it is open
	}
	for _, t := range l.idle {
		t.stop()
	}
	l.hands.Wait()
}

// A loop that is busy keeps its processor to itself while it waits for a moment:
// to give it up, and to get another one, costs as much as some requests do, and
// what the loop looks after would have to move to that one's caches. Nobody else
// gets anything done there meanwhile, so that it must not last, and is not for
// when others have been told to do something.
const (
	linger    = 1                    // for each wait, in milliseconds
	maxSprint = 2 * time.Millisecond // from one turn of the scheduler's to the next
)

// sprint gives everybody turns until there is nothing to do, or it is the
// scheduler's. It returns whether this is the end.
func (l *loop) sprint(uintptr) (over bool) {
	for began := time.Now(); ; {
		n := l.poll(l.events[:])
		l.pass++
		more := l.dispatch(l.events[:n], l.sources[:n])
		l.goOn()
		l.deliver()
		idle := n < len(l.events) && !more && !l.goesOn()
		late := time.Since(began) > maxSprint
		switch {
		case l.over:
			return true
		case idle && (n == 0 || late):
			l.others = false
			return false
		case late:
			// To wait with the poller is for when nothing is left: of the rest it
			// has told already, and does not tell again.
			runtime.Gosched()
			began = time.Now()
		}
	}
}

// goesOn reports whether somebody is to go on without news.
func (l *loop) goesOn() bool { return len(l.tired)+len(l.mails) > 0 }

// poll waits for events, but not where somebody is to go on, or may want the
// processor.
func (l *loop) poll(events []syscall.EpollEvent) int {
	wait := uintptr(linger)
	if l.goesOn() || l.others || l.away.Load() > 0 {
		wait = 0
	}
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epfd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), wait, 0, 0)
	switch errno {
	case 0:
		return int(n)
	case syscall.EINTR: // the scheduler wants its turn at once
		return 0
	default:
		panic(os.NewSyscallError("epoll_pwait", errno)) // it is open, too
	}
}

// dispatch deals with events. What a descriptor is of is looked up before any of
// them has an effect: afterwards it may be of something else.
func (l *loop) dispatch(events []syscall.EpollEvent, sources []source) (more bool) {
	l.mu.Lock()
	for i := range events {
		sources[i] = l.known[events[i].Fd]
	}
	l.mu.Unlock()
	for i, s := range sources {
		if s != nil {
			more = s.happened(l, events[i].Events) || more
		}
	}
	clear(sources)
	return more
}

// happened is part of [source]. An event that is meant for another connection,
// which had the same descriptor, does no harm.
func (c *Conn) happened(l *loop, events uint32) (more bool) {
	const ended = syscall.EPOLLRDHUP | syscall.EPOLLHUP | syscall.EPOLLERR
	if events&ended != 0 {
		c.ended.Store(true)
	}
	if events&(syscall.EPOLLOUT|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
		c.writes.wake(c, l)
	}
	if events&(syscall.EPOLLIN|ended) != 0 {
		c.reads.wake(c, l)
	}
	return false
}

// bell is the source of what is posted. Each ring is an edge, so that what was
// rung need not be read.
type bell struct{}

// happened is part of [source].
func (bell) happened(l *loop, _ uint32) (more bool) {
	l.mu.Lock()
	turns := l.posted
	l.posted, l.rung = nil, false
	l.mu.Unlock()
	for _, t := range turns {
		switch {
		case t.end:
			l.over = true
		case t.start != nil:
			l.start(t.start)
		default:
			l.resume(t.resume)
		}
	}
	return false
}

// post asks for a turn. Any goroutine may call it.
func (l *loop) post(t turn) {
	l.mu.Lock()
	l.posted = append(l.posted, t)
	ring := !l.rung
	l.rung = true
	l.mu.Unlock()
	if ring {
		sysRing(l.bell)
	}
}

// resume lets a task go on until it waits.
func (l *loop) resume(t *task) {
	switch s, _ := t.next(); s {
	case leaving:
		l.others = true
		l.hands.Go(t.abroad)
	case resting:
		if len(l.idle) == maxIdleTasks {
			t.stop()
			return
		}
		l.idle = append(l.idle, t)
	}
}

// goOn lets those go on who have given others their turns.
func (l *loop) goOn() {
	tasks := l.tired
	l.tired = l.awake[:0]
	for _, t := range tasks {
		l.resume(t)
	}
	clear(tasks)
	l.awake = tasks
}

// start has a connection served that was parked.
func (l *loop) start(c *Conn) {
	if c.dozes.Load() {
		c.clock.add(c)
	}
	var t *task
	if n := len(l.idle); n > 0 {
		t, l.idle = l.idle[n-1], l.idle[:n-1]
	} else {
		t = newTask(l)
	}
	c.task, t.serve, c.more = t, c, true
	l.resume(t)
}
