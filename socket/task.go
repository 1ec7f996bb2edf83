package socket

import "iter"

// task is a goroutine that takes turns with a loop: while one runs, the other
// waits. To let each other go on takes neither of them through the scheduler,
// which is what serving a request in a goroutine would otherwise spend most of
// its time on.
//
// What would block must not be done in the loop's time, for all that the loop
// looks after would wait as well. So a task may leave it, and then blocks as any
// goroutine.
type task struct {
	loop  *loop
	next  func() (signal, bool) // lets it go on
	stop  func()
	yield func(signal) bool // lets go on whoever has let it
	serve *Conn             // for whom it works; nil while it rests
	away  bool              // it has left the loop
	stays bool              // until it is called back
	mail  mail              // what it writes
	moved int               // bytes, in a pass of the loop
	pass  uint64            // which
}

// signal is why a task has ended its turn.
type signal uint8

const (
	resting signal = iota // its work is done
	waiting               // for news of a connection
	posting               // until what it writes is sent
	leaving               // it wants to block
	coming                // it wants to take turns again
)

// turn is what a loop is asked to do.
type turn struct {
	resume *task
	start  *Conn
	end    bool
}

func newTask(l *loop) *task {
	t := &task{loop: l}
	t.next, t.stop = iter.Pull(t.run)
	return t
}

func (t *task) run(yield func(signal) bool) {
	for t.yield = yield; ; {
		t.serve.owner.Serve()
		if t.serve = nil; !yield(resting) {
			return
		}
	}
}

// home reports whether the task takes turns with its loop. It does so again unless
// it is to stay away.
func (t *task) home() bool {
	if t.away && !t.stays {
		t.yield(coming)
		t.away = false
		t.loop.away.Add(-1)
	}
	return !t.away
}

// turnMax is how many bytes a task may move in one pass of the loop, where more are
// there. The others wait meanwhile.
const turnMax = 128 << 10

// moves counts what a connection has moved, and gives others their turns where that
// is enough.
func (c *Conn) moves(n int) {
	t := c.task
	if t == nil || t.away {
		return
	}
	if t.pass != t.loop.pass {
		t.pass, t.moved = t.loop.pass, 0
	}
	if t.moved += n; t.moved >= turnMax {
		t.loop.tired = append(t.loop.tired, t)
		t.yield(waiting)
	}
}

func (t *task) leave() {
	if !t.away {
		t.away = true
		t.loop.away.Add(1)
		t.yield(leaving)
	}
}

// abroad lets a task go on that has left.
func (t *task) abroad() {
	if s, _ := t.next(); s == coming {
		t.loop.post(turn{resume: t})
		return
	}
	if !t.stays {
		t.loop.away.Add(-1)
	}
	t.stop() // the work is done
}

// Leave lets what follows block, up to the next wait on a connection: it makes no
// others wait. It is for the goroutine that the connection was given to.
func (c *Conn) Leave() {
	if c.task != nil {
		c.task.leave()
	}
}

// Share makes the connection ready for one goroutine that reads and another that
// writes, until Unshare. Until then it is for one alone. What was not accepted must
// have been joined, and is shared with the connection that it was joined to.
func (c *Conn) Share() {
	if c.task != nil {
		c.task.leave()
		c.task.stay(true)
	}
}

// Unshare makes the connection one goroutine's again.
func (c *Conn) Unshare() {
	if c.task != nil {
		c.task.stay(false)
	}
}

// stay tells whether a task that is away will be for long.
func (t *task) stay(stays bool) {
	switch {
	case stays == t.stays:
	case stays:
		t.loop.away.Add(-1)
	default:
		t.loop.away.Add(1)
	}
	t.stays = stays
}

// Join has the connection be used together with that of a client, by the same
// goroutine; nil is by one that serves no client. It must not be in use.
func (c *Conn) Join(client *Conn) error {
	var at *loop
	if c.task = nil; client != nil {
		c.task, at = client.task, client.loop
	}
	if c.fd < 0 || c.loop != nil && (at == nil || c.loop == at) {
		return nil
	}
	return c.move(at)
}

// Home tells connections apart that wait in different places: those of one home
// are better used together.
func (c *Conn) Home() int {
	if c.loop == nil {
		return 0
	}
	return c.loop.index
}
