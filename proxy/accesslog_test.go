package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// entries are what the formats are tested with; the last is what an attacker
// would have logged.
var entries = []accessEntry{
	{
		Time: time.Date(2026, 3, 1, 13, 37, 0, 250e6, time.FixedZone("", 3600)), Client: "192.0.2.7",
		Method: "GET", Host: "example.com", Target: "/a?b=c", Protocol: "HTTP/1.1", Status: 200, Bytes: 5,
		Seconds: .25, Service: "web", Endpoint: "dc1/node/web-1", Attempts: 1,
		Referer: "http://example.com/", UserAgent: "tester/1.0",
	},
	{
		Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Client: "2001:db8::1",
		Method: "POST", Target: "/", Protocol: "HTTP/1.0", Status: 503, Service: "web",
	},
	{
		Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Client: "192.0.2.7",
		Method: "GET", Host: `"`, Target: `/" 200 5 "x`, Protocol: "HTTP/1.1", Status: 499, Service: "web",
		Attempts: 4, Fault: "client_gone", Endpoint: "static/[::1]:80",
		Referer:   "a\r\n192.0.2.1 - - [forged] \"GET / HTTP/1.1\" 200 0\n",
		UserAgent: "\x00\x1b[31m\\\u2028\u202e\xff</script>",
	},
}

func TestAccessFormats(t *testing.T) {
	for format, name := range map[AccessFormat]string{AccessJSON: "access.json", AccessCombined: "access.combined"} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, e := range entries {
				line := NewAccessLog(format, nil).line(e)
				if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
					t.Errorf("not one line: %q", line)
				}
				if i := bytes.IndexFunc(line[:len(line)-1], unicode.IsControl); i >= 0 {
					t.Errorf("a control byte at %d in %q", i, line)
				}
				got = append(got, line...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// logTo starts a log and returns what stops it, which returns Run's error.
func logTo(t *testing.T, format AccessFormat, out io.Writer) (l *AccessLog, stop func() error) {
	l = NewAccessLog(format, out)
	ctx, cancel := context.WithCancel(t.Context())
	var ended sync.WaitGroup
	var err error
	ended.Go(func() { err = l.Run(ctx) })
	return l, func() error {
		cancel()
		ended.Wait()
		return err
	}
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
		Endpoint: r.service.Duty.Pool().Members()[1].Endpoint.ID(), Referer: "here", UserAgent: "tester",
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
	want := "[/gone 499 0 1 client_gone true /cut 200 5 1 reset true /nobody 503 0 0 unreachable false]"
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
	r.finish(t) // two lines are handed over
	x := &exchange{r: &http.Request{}, service: r.service}
	for range logQueue - 1 + 10 {
		l.add(x, journey{}, time.Time{}, 0)
	}
	dropped(t, l, 10)
	close(g.opened)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := bytes.Count(g.Bytes(), []byte("\n")); n != 1+logQueue {
		t.Errorf("%d lines were written, want %d", n, 1+logQueue)
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
	t.Run("Run goes on and tells the first error", func(t *testing.T) {
		out := &faulty{steps: []int{0}}
		l, stop := logTo(t, AccessJSON, out)
		x := &exchange{r: &http.Request{}, service: &Service{Name: "web"}}
		l.add(x, journey{}, time.Time{}, 0)
		for l.dropped.Load() == 0 {
			runtime.Gosched()
		}
		l.add(x, journey{}, time.Time{}, 0)
		if err := stop(); !errors.Is(err, errFull) {
			t.Errorf("ended with %v", err)
		}
		if n := strings.Count(out.String(), "\n"); n != 1 {
			t.Errorf("%d lines were written after the error, want 1", n)
		}
	})
}

// Whatever was handed over before the end is written, with more lines than one
// batch holds.
func TestTheLogIsFlushedAtTheEnd(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLog(AccessCombined, &out)
	x := &exchange{r: &http.Request{RequestURI: strings.Repeat("a", 200)}, service: &Service{Name: "web"}}
	for range 1000 {
		l.add(x, journey{}, time.Time{}, 0)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1000 {
		t.Errorf("%d lines were written, want 1000", n)
	}
	dropped(t, l, 0)
	(*AccessLog)(nil).add(x, journey{}, time.Time{}, 0) // no log is kept
}
