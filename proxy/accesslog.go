package proxy

import (
	"bytes"
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// AccessFormat is the format of an access log.
type AccessFormat string

const (
	// AccessJSON is one JSON object a line.
	AccessJSON AccessFormat = "json"
	// AccessCombined is the Combined Log Format of the Apache server.
	AccessCombined AccessFormat = "combined"
)

// logQueue is how many lines may wait for a slow disk, of the requests of one
// loop. What comes on top is dropped and counted: a log must not be able to stop
// the traffic.
const logQueue = 16 << 10

// logGather is how long the first line waits for others, so that a busy log is
// written some times a second and not once for each line.
const logGather = 10 * time.Millisecond

// logKept is the largest buffer that is used again, in bytes: once a slow disk is
// fast again, it need not hold what has waited.
const logKept = 1 << 20

// AccessLog writes a line for each request. Requests hand their line over and
// never wait; [AccessLog.Run] does the writing.
type AccessLog struct {
	format  atomic.Pointer[AccessFormat]
	next    atomic.Pointer[output] // where to go from now on; nil where that stays
	shards  [shards]logShard
	woken   chan struct{} // gets a token with the first line of a shard
	urgent  chan struct{} // gets one where there is a reason not to wait for more
	dropped atomic.Uint64

	mu  sync.Mutex // for out: Close does not wait for the writer
	out io.Writer
}

// logShard is lines that wait for the writer. Each home has its own, so that those
// of one client are in order, and cores don't fight over it.
type logShard struct {
	mu    sync.Mutex // never held over a write
	text  []byte
	lines int
	_     [64]byte
}

// output is where lines are to go.
type output struct {
	io.Writer
	taken chan struct{} // closed when they do, or never will
}

// NewAccessLog returns a log that writes to out.
func NewAccessLog(format AccessFormat, out io.Writer) *AccessLog {
	l := &AccessLog{out: out, woken: make(chan struct{}, 1), urgent: make(chan struct{}, 1)}
	l.format.Store(&format)
	return l
}

// Reopen has the log go to out from now on, in the given format. What waits goes
// where it was to go; then that is closed, where it is an [io.Closer], and so is
// the channel that is returned.
func (l *AccessLog) Reopen(format AccessFormat, out io.Writer) <-chan struct{} {
	l.format.Store(&format)
	next := &output{out, make(chan struct{})}
	l.next.Swap(next).drop()
	wake(l.urgent)
	return next.taken
}

// drop gives up what the log will not go to, which may be nil.
func (o *output) drop() {
	if o != nil {
		_ = closeWriter(o.Writer) // nothing was written
		close(o.taken)
	}
}

// Close closes what the log writes to, which ends a write that hangs there. It
// comes last.
func (l *AccessLog) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next.Swap(nil).drop()
	return closeWriter(l.out)
}

func closeWriter(w io.Writer) error {
	if c, ok := w.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// add hands over the line of a request, whose client has that home. It keeps
// nothing of e: its strings may be views of buffers that are used again. It may be
// called on nil.
func (l *AccessLog) add(home int, e *accessEntry) {
	if l == nil {
		return
	}
	s := &l.shards[home%shards]
	s.mu.Lock()
	if s.lines == logQueue {
		s.mu.Unlock()
		l.dropped.Add(1)
		return
	}
	s.text = l.format.Load().appendLine(s.text, e)
	s.lines++
	lines := s.lines
	s.mu.Unlock()
	switch lines {
	case 1:
		wake(l.woken)
	case logQueue / 2: // the last write took long, and there is little room left
		wake(l.urgent)
	}
}

// take returns the lines that wait, and leaves an empty buffer for others.
func (s *logShard) take(empty []byte) (text []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lines == 0 {
		return nil
	}
	text, s.text, s.lines = s.text, empty[:0], 0
	return text
}

func wake(who chan struct{}) {
	select {
	case who <- struct{}{}:
	default:
	}
}

// Run writes what is handed over until ctx is done, then what is left. It goes
// on after an error of the writer, without the lines that it cost: a disk that
// is full may be emptied. failed is told of an error at once, and then of none
// until there has been a write without.
func (l *AccessLog) Run(ctx context.Context, failed func(error)) {
	w := logWriter{log: l, failed: failed}
	timer := time.NewTimer(logGather)
	defer timer.Stop()
	for more := true; more; {
		more = l.gather(ctx, timer)
		w.drain()
		w.turn()
	}
}

// gather waits for a line, and then a little for others. It returns false once
// ctx is done.
func (l *AccessLog) gather(ctx context.Context, timer *time.Timer) bool {
	select {
	case <-l.woken:
	case <-l.urgent:
		return true
	case <-ctx.Done():
		return false
	}
	timer.Reset(logGather)
	select {
	case <-timer.C:
		return true
	case <-l.urgent:
		return true
	case <-ctx.Done():
		return false
	}
}

// logWriter carries lines to where the log goes.
type logWriter struct {
	log   *AccessLog
	spare []byte // an empty buffer
	cut   bool   // the last line that was written has no end

	failing bool
	failed  func(error)
}

// drain writes all lines that wait.
func (w *logWriter) drain() {
	for i := range w.log.shards {
		text := w.log.shards[i].take(w.spare)
		if text == nil {
			continue
		}
		var err error
		w.cut, err = w.log.write(text, w.cut)
		w.tell(err)
		if w.spare = text[:0]; cap(text) > logKept {
			w.spare = nil
		}
	}
}

// turn goes where the log is to go next, if anywhere.
func (w *logWriter) turn() {
	l := w.log
	l.mu.Lock()
	defer l.mu.Unlock()
	next := l.next.Swap(nil)
	if next == nil {
		return
	}
	w.tell(closeWriter(l.out))
	l.out, w.cut = next.Writer, false
	close(next.taken)
}

// tell tells of an error that follows on none.
func (w *logWriter) tell(err error) {
	if err != nil && !w.failing {
		w.failed(err)
	}
	w.failing = err != nil
}

var newline = []byte("\n")

// write writes whole lines, after an end of the one that an error has cut off.
// It counts those that the writer does not take whole, and reports whether it
// has cut one off itself.
func (l *AccessLog) write(batch []byte, cut bool) (bool, error) {
	l.mu.Lock()
	out := l.out
	l.mu.Unlock()
	n, err := 0, error(nil)
	if cut {
		_, err = out.Write(newline)
	}
	if err == nil {
		cut = false
		n, err = out.Write(batch)
	}
	l.dropped.Add(uint64(bytes.Count(batch[n:], newline)))
	return cut || n > 0 && batch[n-1] != '\n', err
}

var droppedDesc = prometheus.NewDesc("rota_access_log_dropped_total",
	"Lines of the access log that were lost because writing was too slow or failed.", nil, nil)

// Describe is part of [prometheus.Collector].
func (l *AccessLog) Describe(out chan<- *prometheus.Desc) { out <- droppedDesc }

// Collect is part of [prometheus.Collector].
func (l *AccessLog) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(l.dropped.Load()))
}
