package socket

import "sync/atomic"

// waits is where news of one side of a connection meets who waits for it.
type waits struct {
	state atomic.Uint32
	task  *task         // who waits, where that takes turns with a loop
	woken chan struct{} // else; made once it is needed
}

const (
	quiet  uint32 = iota // there is no news, and nobody waits
	news                 // that nobody has waited for
	waited               // by the task, or by a goroutine
	left                 // by its owner, which is started then
)

// block returns when there is news, which may turn out to be none.
func (c *Conn) block(w *waits) {
	if t := c.task; t != nil && t.home() {
		if w.task = t; w.await(waited) {
			t.yield(waiting)
		}
		return
	}
	if w.task = nil; w.woken == nil {
		w.woken = make(chan struct{}, 1)
	}
	if w.await(waited) {
		<-w.woken
	}
}

// await reports whether there is something to be waited for; else it takes the
// news.
func (w *waits) await(how uint32) bool {
	if w.state.CompareAndSwap(quiet, how) {
		return true
	}
	w.state.Store(quiet)
	return false
}

// wake brings news. l is the loop in whose turn it is called, nil elsewhere.
// Whoever takes the state from who waits, and nobody else, lets that go on.
func (w *waits) wake(c *Conn, l *loop) {
	for {
		switch state := w.state.Load(); state {
		case news:
			return
		case quiet:
			if w.state.CompareAndSwap(quiet, news) {
				return
			}
		default:
			if w.state.CompareAndSwap(state, quiet) {
				w.goOn(c, state, l)
				return
			}
		}
	}
}

func (w *waits) goOn(c *Conn, state uint32, l *loop) {
	switch t := w.task; {
	case state == left && l == c.loop:
		l.start(c)
	case state == left:
		c.loop.post(turn{start: c})
	case t == nil:
		if l != nil {
			l.others = true
		}
		w.woken <- struct{}{}
	case t.loop == l:
		l.resume(t)
	default:
		t.loop.post(turn{resume: t})
	}
}
