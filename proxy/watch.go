package proxy

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// epoch is what moments are counted from, so that they fit in a word.
var epoch = time.Now()

const (
	// lookEvery is how often it is looked for waits that last: by so much one of
	// them may be noticed late.
	lookEvery = 10 * time.Millisecond
	// lookFor is how many looks a watch is kept in the list after its last wait.
	// Who is busy is not listed anew for each wait.
	lookFor = 100
)

// watches look after waits, one after another in each watch. Waits are many and
// most are short, so none of them sets a timer or stops one: there is one timer
// for all, which runs as long as there are any, and each wait that does not last
// costs two atomics. The zero value is ready.
type watches struct {
	mu    sync.Mutex
	list  []*watch
	timer *time.Timer
}

// watch looks after one wait at a time.
type watch struct {
	due    atomic.Int64 // the moment from which the wait lasts; or one of those below
	lasted func() (again time.Duration)
	ended  chan struct{}

	home   *watches
	listed atomic.Bool
	quiet  int // looks since the last wait; home's
}

const (
	nobodyWaits = 0 // epoch and the nanosecond behind it are over
	hasLasted   = 1 // whoever waits will wait for ended, too
)

// watch returns a watch that calls lasted for each wait that lasts, in a goroutine of
// its own, and again after the time that it returns, unless that is 0 or the wait over.
func (s *watches) watch(lasted func() (again time.Duration)) *watch {
	return &watch{home: s, lasted: lasted, ended: make(chan struct{}, 1)}
}

// begin tells that a wait has begun, and from which moment on it lasts.
func (w *watch) begin(due time.Time) {
	w.due.Store(int64(due.Sub(epoch)))
	if !w.listed.Load() {
		w.home.add(w)
	}
}

// end tells that the wait is over, and reports whether it has lasted: then
// something is done about it, and the caller must wait for ended.
func (w *watch) end() (lasted bool) { return w.due.Swap(nobodyWaits) == hasLasted }

func (s *watches) add(w *watch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.listed.Swap(true) {
		return
	}
	s.list = append(s.list, w)
	switch {
	case len(s.list) > 1: // it runs
	case s.timer == nil:
		s.timer = time.AfterFunc(lookEvery, s.look)
	default:
		s.timer.Reset(lookEvery)
	}
}

// look is what the timer does.
func (s *watches) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := int64(time.Since(epoch))
	s.list = slices.DeleteFunc(s.list, func(w *watch) bool { return w.unused(now) })
	if len(s.list) > 0 {
		s.timer.Reset(lookEvery)
	}
}

// unused does something about a wait that lasts, and reports whether nobody has
// used the watch for long: then it leaves the list.
func (w *watch) unused(now int64) bool {
	due := w.due.Load()
	switch {
	case due == hasLasted:
	case due != nobodyWaits && due > now:
		w.quiet = 0
	case due != nobodyWaits:
		w.quiet = 0
		if w.due.CompareAndSwap(due, hasLasted) {
			time.AfterFunc(0, w.do)
		}
	default:
		w.quiet++
	}
	if w.quiet < lookFor {
		return false
	}
	w.quiet = 0
	w.listed.Store(false)
	// Who began just before that relies on the list.
	return w.due.Load() == nobodyWaits || w.listed.Swap(true)
}

func (w *watch) do() {
	again := time.Duration(0)
	defer func() {
		// Who has ended the wait meanwhile waits for ended.
		if again == 0 || !w.due.CompareAndSwap(hasLasted, int64(time.Since(epoch)+again)) {
			w.ended <- struct{}{}
		}
	}()
	again = w.lasted()
}
