package proxy

import "sync"

// maxIdleHands is how many goroutines are kept for connections to come. Their
// stacks have grown already, which takes longer than a short request.
const maxIdleHands = 64

// crew runs what is to be done, each in a goroutine of its own.
type crew struct {
	work      chan func()
	stop      chan struct{}
	hands     sync.WaitGroup
	dismissed sync.Once
	waiting   chan struct{} // holds one for each that waits, and no more
}

func newCrew() *crew {
	return &crew{work: make(chan func()), stop: make(chan struct{}), waiting: make(chan struct{}, maxIdleHands)}
}

// do has f run, and does not wait for it.
func (c *crew) do(f func()) {
	select {
	case c.work <- f:
	default:
		c.hands.Go(func() { c.serve(f) })
	}
}

func (c *crew) serve(f func()) {
	for {
		f()
		select {
		case c.waiting <- struct{}{}:
		default:
			return
		}
		select {
		case f = <-c.work:
			<-c.waiting
		case <-c.stop:
			return
		}
	}
}

// dismiss returns when all that was to be done is. Nothing more may come.
func (c *crew) dismiss() {
	c.dismissed.Do(func() { close(c.stop) })
	c.hands.Wait()
}
