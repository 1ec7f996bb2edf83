package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// logTo starts a log and returns what stops it, which returns the errors that
// were told.
func logTo(t *testing.T, format AccessFormat, out io.Writer) (l *AccessLog, stop func() error) {
	l = NewAccessLog(format, out)
	return l, run(t, l)
}

func run(t *testing.T, l *AccessLog) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	var told []error
	ended.Go(func() { l.Run(ctx, func(err error) { told = append(told, err) }) })
	return func() error {
		cancel()
		ended.Wait()
		return errors.Join(told...)
	}
}

// inFakeTime keeps to one processor: timers that fire on two at once can crash
// the race detector inside a synctest bubble (https://go.dev/issue/78156).
func inFakeTime(t *testing.T, test func(*testing.T)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, test)
}

// What the log tells is what happened.
func TestWhatIsLogged(t *testing.T) {
	var out bytes.Buffer
	l, stop := logTo(t, AccessJSON, &out)
	r := newRig(t, Options{AccessLog: l}, limits, dead, backend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.Copy(w, r.Body)
	}))
	r.do(t, "POST", "/a?b", strings.NewReader("hello"), "Referer: here", "User-Agent: tester")
	r.finish(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	var e accessEntry
	if err := json.Unmarshal(out.Bytes(), &e); err != nil {
		t.Fatalf("%v: %s", err, out.Bytes())
	}
	if since := time.Since(e.Time); since < 0 || since > time.Minute || e.Seconds <= 0 || e.Seconds > 60 {
		t.Errorf("began %v ago and took %v s", since, e.Seconds)
	}
	e.Time, e.Seconds = time.Time{}, 0
	want := accessEntry{
		Client: "127.0.0.1", Method: "POST", Host: r.Addr().String(), Target: "/a?b", Protocol: "HTTP/1.1",
		Status: 418, Bytes: 5, Service: "web", Attempts: 2,
		Endpoint: nth(r.service, 1).ID(), Referer: "here", UserAgent: "tester",
	}
	if e != want {
		t.Errorf("got  %+v\nwant %+v", e, want)
	}
}

// Each end of a request is logged by its name.
func TestHowRequestsEndIsLogged(t *testing.T) {
	var out bytes.Buffer
	l, stop := logTo(t, AccessJSON, &out)
	arrived := make(chan struct{})
	gone := newRig(t, Options{AccessLog: l}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	c := gone.dial(t)
	c.say("GET /gone HTTP/1.1\r\nHost: x\r\n\r\n")
	<-arrived
	c.Close()
	gone.finish(t)

	cut := newRig(t, Options{AccessLog: l}, limits, raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")))
	c = cut.dial(t)
	c.say("GET /cut HTTP/1.1\r\nHost: x\r\n\r\n")
	_, _ = io.Copy(io.Discard, c.in)
	cut.finish(t)

	nobody := newRig(t, Options{AccessLog: l}, limits)
	nobody.do(t, "GET", "/nobody", nil)
	nobody.finish(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	var got []string
	for lines := json.NewDecoder(&out); lines.More(); {
		var e accessEntry
		if err := lines.Decode(&e); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprint(e.Target, " ", e.Status, " ", e.Bytes, " ", e.Attempts, " ", e.Fault, " ", e.Endpoint != ""))
	}
	want := "[/gone 499 0 1 client_gone true /cut 200 5 1 reset true /nobody 503 53 0 unreachable false]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

// gate is a writer that takes nothing until it is opened.
type gate struct {
	bytes.Buffer
	reached chan struct{} // closed at the first write
	opened  chan struct{}
	once    sync.Once
}

func newGate() *gate { return &gate{reached: make(chan struct{}), opened: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.once.Do(func() { close(g.reached) })
	<-g.opened
	return g.Buffer.Write(p)
}

func dropped(t *testing.T, l *AccessLog, want int) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(l)
	text := fmt.Sprintf(`
# HELP rota_access_log_dropped_total Lines of the access log that were lost because writing was too slow or failed.
# TYPE rota_access_log_dropped_total counter
rota_access_log_dropped_total %d
`, want)
	if err := testutil.GatherAndCompare(registry, strings.NewReader(text)); err != nil {
		t.Error(err)
	}
}

// A disk that blocks never holds a request back: lines are dropped beyond the
// queue, exactly, and the rest is written once it goes on.
func TestAWriterThatBlocks(t *testing.T) {
	g := newGate()
	l, stop := logTo(t, AccessCombined, g)
	r := newRig(t, Options{AccessLog: l}, limits, backend(t, ok("fine")))
	r.do(t, "GET", "/", nil)
	<-g.reached // with the first line
	if _, body := r.do(t, "GET", "/", nil); body != "fine" {
		t.Errorf("answered %q", body)
	}
	r.finish(t)               // two lines are handed over
	for range logQueue + 10 { // of a home that no connection has
		l.add(shards-1, &entries[0])
	}
	dropped(t, l, 10)
	close(g.opened)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(g.Bytes(), []byte("\n")); n != 2+logQueue {
		t.Errorf("%d lines were written, want %d", n, 2+logQueue)
	}
	for i := range l.shards {
		if n := l.shards[i].lines; n != 0 {
			t.Errorf("%d lines still take up room", n)
		}
	}
	dropped(t, l, 10)
}

// faulty is a writer that fails by a script: each step says how much of a write
// is taken before the disk is full; -1 takes all of it.
type faulty struct {
	bytes.Buffer
	steps []int
}

var errFull = errors.New("no space left on device")

func (f *faulty) Write(p []byte) (int, error) {
	step := -1
	if len(f.steps) > 0 {
		step, f.steps = f.steps[0], f.steps[1:]
	}
	if step < 0 {
		return f.Buffer.Write(p)
	}
	n, _ := f.Buffer.Write(p[:min(step, len(p))])
	return n, errFull
}

// A disk that was full may be emptied: the log goes on with whole lines, and
// counts those that it lost.
func TestAWriterThatFails(t *testing.T) {
	tests := []struct {
		name    string
		steps   []int
		batches []string
		want    string
		lost    int
	}{
		{"never", nil, []string{"a\nb\n", "c\n"}, "a\nb\nc\n", 0},
		{"once, whole", []int{0}, []string{"a\nb\n", "c\n"}, "c\n", 2},
		{"once, between lines", []int{2}, []string{"a\nb\n", "c\n"}, "a\nc\n", 1},
		{"once, within a line", []int{5}, []string{"aaa\nbbb\nccc\n", "ddd\n"}, "aaa\nb\nddd\n", 2},
		{"once, before the end of a line", []int{3}, []string{"aaa\n", "bbb\n"}, "aaa\nbbb\n", 1},
		{"again, before the cut line is ended", []int{1, 0, -1}, []string{"aaa\n", "bbb\n", "ccc\n"}, "a\nccc\n", 2},
		{"again, after it is", []int{1, -1, 1, -1}, []string{"aaa\n", "bbb\n", "ccc\n"}, "a\nb\nccc\n", 2},
		{"for ever", []int{0, 0, 0}, []string{"a\n", "b\n", "c\n"}, "", 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := &faulty{steps: tt.steps}
			l := NewAccessLog(AccessJSON, out)
			cut := false
			for _, batch := range tt.batches {
				var err error
				if cut, err = l.write([]byte(batch), cut); err != nil && !errors.Is(err, errFull) {
					t.Error(err)
				}
			}
			if got := out.String(); got != tt.want {
				t.Errorf("wrote %q, want %q", got, tt.want)
			}
			dropped(t, l, tt.lost)
		})
	}
}

// Run outlives errors, and tells at once of the first in a row.
func TestRunGoesOnAfterAnError(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		out := &faulty{steps: []int{0, 0, 0, -1, 0}}
		l := NewAccessLog(AccessJSON, out)
		told := 0
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx, func(error) { told++ }) })
		for i, want := range []int{1, 1, 1, 1, 2, 2} {
			l.add(0, &entries[0])
			time.Sleep(logGather)
			synctest.Wait()
			if told != want {
				t.Errorf("line %d: told %d times, want %d", i+1, told, want)
			}
		}
		dropped(t, l, 4)
		if n := strings.Count(out.String(), "\n"); n != 2 {
			t.Errorf("%d lines were written, want 2", n)
		}
		stop()
		running.Wait()
	})
}

// Whatever was handed over before the end is written, with more lines than one
// batch holds.
func TestTheLogIsFlushedAtTheEnd(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLog(AccessCombined, &out)
	e := accessEntry{Target: strings.Repeat("a", 200)}
	for range 1000 {
		l.add(0, &e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Run(ctx, func(err error) { t.Error(err) })
	if n := strings.Count(out.String(), "\n"); n != 1000 {
		t.Errorf("%d lines were written, want 1000", n)
	}
	dropped(t, l, 0)
	(*AccessLog)(nil).add(0, &e) // no log is kept
}

// writes is a writer that notes when it got which targets, in the combined
// format.
type writes struct {
	began time.Time
	seen  []string
}

func (w *writes) Write(p []byte) (int, error) {
	seen := time.Since(w.began).String()
	for line := range strings.Lines(string(p)) {
		seen += " " + strings.Fields(line)[6]
	}
	w.seen = append(w.seen, seen)
	return len(p), nil
}

// The first line waits a little for others, and no longer than until the end.
func TestLinesAreGathered(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		out := &writes{began: time.Now()}
		l, stop := logTo(t, AccessCombined, out)
		for i, pause := range []time.Duration{4, 5, 1, 10, 3} { // in ms
			l.add(0, &accessEntry{Client: "::1", Method: "GET", Target: fmt.Sprint("/", i)})
			time.Sleep(pause * time.Millisecond)
			synctest.Wait()
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		want := "[10ms /0 /1 /2 20ms /3 23ms /4]"
		if got := fmt.Sprint(out.seen); got != want {
			t.Errorf("written at %v, want %v", got, want)
		}
	})
}

// A queue that filled up during a slow write is emptied without a pause.
func TestABacklogIsNotGathered(t *testing.T) {
	inFakeTime(t, func(t *testing.T) {
		out := &writes{began: time.Now()}
		l := NewAccessLog(AccessCombined, out)
		for range logQueue / 2 {
			l.add(0, &entries[0])
		}
		stop := run(t, l)
		synctest.Wait()
		if len(out.seen) == 0 {
			t.Error("nothing was written at once")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// Requests that end at once lose no line, and each client's lines are in order.
func TestLinesOfManyClients(t *testing.T) {
	const clients, lines = 8, 1000
	var out bytes.Buffer
	l, stop := logTo(t, AccessJSON, &out)
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range lines {
				l.add(0, &accessEntry{Status: c, Bytes: int64(i)})
			}
		})
	}
	all.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	var next [clients]int64
	for in := json.NewDecoder(&out); in.More(); {
		var e accessEntry
		if err := in.Decode(&e); err != nil {
			t.Fatal(err)
		}
		if e.Bytes != next[e.Status] {
			t.Fatalf("client %d: line %d follows line %d", e.Status, e.Bytes, next[e.Status]-1)
		}
		next[e.Status]++
	}
	for c, n := range next {
		if n != lines {
			t.Errorf("client %d: %d lines, want %d", c, n, lines)
		}
	}
	dropped(t, l, 0)
}

// What an entry says is read before add returns: its strings may be views
// of a buffer that the next request is read into.
func TestALineIsACopy(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLog(AccessCombined, &out)
	buffer := []byte("/first")
	l.add(0, &accessEntry{Target: unsafe.String(&buffer[0], len(buffer))})
	copy(buffer, "/other")
	(&logWriter{log: l}).drain()
	if !strings.Contains(out.String(), "/first") {
		t.Errorf("wrote %s", out.String())
	}
}
