package socket

import (
	"errors"
	"net"
	"sync"
	"time"
)

// Owner is whom a connection belongs to that a [Listener] has accepted.
type Owner interface {
	// Start is called when there is something to read for the first time, and
	// after each [Conn.Park]. It must not block; the goroutine that it wakes calls
	// [Conn.Loop], and has the connection for itself.
	Start()
	// Tick is called at each [Tick] by the clock's goroutine, but not while the
	// connection is parked. It must not block, and may be called once more after
	// the connection was parked or closed.
	Tick()
}

// Listener accepts connections, and looks after those that wait for something
// to read, so that they need no goroutine until it is there.
type Listener struct {
	net.Listener
	options ListenerOptions
	lot     *lot // nil where the system has none

	mu     sync.Mutex
	closed bool
}

// ListenerOptions describe a listener.
type ListenerOptions struct {
	Clock *Clock
	Stall time.Duration // as in [New]
	// Open tells whom a new connection belongs to.
	Open func(*Conn) Owner
	// Failed is told of an error in accepting, and how long the listener pauses
	// for it. It pauses, too, where clients have nearly all the descriptors.
	Failed func(err error, pause time.Duration)
}

// How long accepting pauses when this process is out of descriptors.
const (
	minPause = 5 * time.Millisecond
	maxPause = time.Second
)

// reserved is how many descriptors of so many clients can't have: each request
// may need one for its backend.
func reserved(limit int) int { return min(limit/4, 16<<10) }

// Listen takes l over.
func Listen(l net.Listener, o ListenerOptions) (*Listener, error) {
	s := &Listener{Listener: l, options: o}
	var err error
	s.lot, err = newLot(s)
	return s, err
}

// Serve accepts until [Listener.Close], and looks after what is parked until
// [Listener.End].
func (l *Listener) Serve() error {
	if l.lot != nil {
		return l.lot.run()
	}
	for {
		plain, err := l.Accept()
		switch {
		case err == nil:
			l.open(plain)
		case l.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			l.options.Failed(err, maxPause)
			<-time.NewTimer(maxPause).C
		}
	}
}

func (l *Listener) open(plain net.Conn) {
	l.mu.Lock() // as in lot.accept
	defer l.mu.Unlock()
	if l.closed {
		plain.Close()
		return
	}
	c := newConn(l.options.Clock, l.options.Stall)
	c.attach(plain)
	c.owner = l.options.Open(c)
	l.options.Clock.add(c)
	c.owner.Start()
}

// Close ends accepting, once it has who is at the door. Nothing is opened after it.
// The socket itself stays open for as long as another process has it.
func (l *Listener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.lot != nil {
		l.lot.close()
	}
	l.closed = true
	return l.Listener.Close()
}

// End makes Serve return. No connection may be left.
func (l *Listener) End() {
	if l.lot != nil {
		l.lot.end()
	}
}

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
