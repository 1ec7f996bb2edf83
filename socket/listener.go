package socket

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Owner is whom a connection belongs to that a [Listener] has accepted.
type Owner interface {
	// Serve is called when there is something to read for the first time, and
	// whenever [Conn.Loop] has parked the connection since. It has the connection
	// for itself. What may block must not be done before [Conn.Leave].
	Serve()
	// Tick is called at each [Tick] by the clock's goroutine, but not while the
	// connection is parked. It must not block, and may be called once more after
	// the connection was parked or closed.
	Tick()
}

// Listener accepts connections. Those with a descriptor wait in the loops of the
// clock, so that they need no goroutine until there is something to read.
type Listener struct {
	net.Listener
	options ListenerOptions
	door    *door // nil where connections have goroutines of their own
	hands   sync.WaitGroup

	complains atomic.Bool // somebody is being told of an error

	mu     sync.Mutex
	closed bool
	shut   chan struct{} // closed with it
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
	s := &Listener{Listener: l, options: o, shut: make(chan struct{})}
	var err error
	s.door, err = newDoor(s)
	return s, err
}

// Serve accepts until [Listener.Close].
func (l *Listener) Serve() error {
	if l.door != nil {
		return l.stand()
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

// stand has the door open until Close.
func (l *Listener) stand() error {
	l.mu.Lock()
	var err error
	if !l.closed {
		err = l.door.open()
	}
	l.mu.Unlock()
	if err == nil {
		<-l.shut
	}
	return err
}

func (l *Listener) open(plain net.Conn) {
	l.mu.Lock() // as at the door
	defer l.mu.Unlock()
	if l.closed {
		plain.Close()
		return
	}
	c := newConn(l.options.Clock, l.options.Stall)
	c.conn, c.remote = plain, plain.RemoteAddr()
	c.owner = l.options.Open(c)
	l.options.Clock.add(c)
	l.hands.Go(c.owner.Serve)
}

// complain tells of an error, in a goroutine of its own: who is told may be stuck, and
// then is not told of more.
func (l *Listener) complain(err error, pause time.Duration) {
	if l.complains.CompareAndSwap(false, true) {
		l.hands.Go(func() {
			l.options.Failed(err, pause)
			l.complains.Store(false)
		})
	}
}

// Close ends accepting, once it has who is at the door. Nothing is opened after it.
// The socket itself stays open for as long as another process has it.
func (l *Listener) Close() error { return l.close(true) }

// Discard is Close for a listener that has never served: who is at the door is left to
// another process, if one has the socket. No clock need run.
func (l *Listener) Discard() error { return l.close(false) }

func (l *Listener) close(served bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	if l.door != nil && served {
		l.door.close()
	}
	l.closed = true
	close(l.shut)
	return l.Listener.Close()
}

// End returns when nobody is served any more. No connection may be left.
func (l *Listener) End() { l.hands.Wait() }

func (l *Listener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}
