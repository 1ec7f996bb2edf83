package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// rig is a server at the far end of pipes, on a clock of its own.
type rig struct {
	all     sync.WaitGroup
	dialed  atomic.Int64
	served  atomic.Int64
	answer  string
	atWork  func(n int64) bool     // before the n-th answer, counted from 1; false hangs up
	refuse  func(dial int64) error // nil lets everybody in
	between time.Duration          // how long a dial takes
}

func (r *rig) dial(context.Context) (net.Conn, error) {
	n := r.dialed.Add(1)
	time.Sleep(r.between)
	if r.refuse != nil {
		if err := r.refuse(n); err != nil {
			return nil, err
		}
	}
	near, far := net.Pipe()
	r.all.Go(func() {
		defer far.Close()
		for in := bufio.NewReader(far); ; {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if !r.atWork(r.served.Add(1)) {
				return
			}
			if _, err := far.Write([]byte(r.answer)); err != nil || request.Close {
				return
			}
		}
	})
	return near, nil
}

const smallAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

func newRig(work time.Duration) *rig {
	return &rig{answer: smallAnswer, atWork: func(int64) bool { time.Sleep(work); return true }}
}

// at runs a load of GET requests for an answer of two bytes.
func (r *rig) at(t *testing.T, rate float64, d time.Duration, fresh bool) openLoop {
	t.Helper()
	l := load{
		scenario: scenario{method: "GET", path: "/", status: 200, answer: 2, fresh: fresh},
		rate:     rate, duration: d, dial: r.dial,
		sleep: func(until time.Time) error { time.Sleep(time.Until(until)); return nil },
	}
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.all.Wait()
	return got
}

func TestLoadIsAsManyAsTheRateSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(3 * time.Millisecond)
		got := r.at(t, 500, 2*time.Second, false)
		if len(got.took) != 1000 || got.failed != 0 {
			t.Fatalf("%d answers, %d failures, %v, want 1000 answers", len(got.took), got.failed, got.cause)
		}
		if p := percentile(got.took, 1); p != 3*time.Millisecond {
			t.Errorf("the slowest took %v, want what the server works", p)
		}
		if p := percentile(got.late, 1); p != 0 {
			t.Errorf("one was sent %v late, though a client was free", p)
		}
		if n := r.dialed.Load(); n != connections {
			t.Errorf("%d connections, want %d that are kept", n, connections)
		}
	})
}

// The point of the whole generator: a server that stops for a second makes all
// requests wait that are due in it, and none is left out because its client
// was busy waiting.
func TestLoadCountsAStallForAllThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		r := newRig(0)
		r.atWork = func(int64) bool { // stands still in the second second
			if at := time.Since(began); at >= time.Second && at < 2*time.Second {
				time.Sleep(2*time.Second - at)
			}
			return true
		}
		got := r.at(t, 1000, 3*time.Second, false)
		if len(got.took) != 3000 {
			t.Fatalf("%d answers, %d failures, %v, want 3000", len(got.took), got.failed, got.cause)
		}
		waited := 0
		for _, d := range got.took {
			if d > 0 {
				waited++
			}
		}
		if waited != 1000 {
			t.Errorf("%d requests waited, want the 1000 that were due in the stall", waited)
		}
		// A third of all waited, evenly from 0 to 1 s: so a quarter of the
		// third, from the top, waited for more than 750 ms.
		if p := percentile(got.took, 1-1.0/12); p != 750*time.Millisecond {
			t.Errorf("the percentile 91.7 is %v, want 750ms", p)
		}
	})
}

// A server that can't keep up makes the queue longer and longer.
func TestLoadOverCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Second) // 64 clients: 64 answers a second
		got := r.at(t, 128, 2*time.Second, false)
		if len(got.took) != 256 {
			t.Fatalf("%d answers, %d failures, %v, want 256", len(got.took), got.failed, got.cause)
		}
		if p := percentile(got.took, 1); p < 2*time.Second || p > 3*time.Second {
			t.Errorf("the slowest took %v, want from 2 to 3 s: the queue and the work", p)
		}
	})
}

// Who never answers in the time that is granted has failed.
func TestLoadEndsThoughNobodyAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Hour)
		got := r.at(t, 100, time.Second, false)
		if got.failed != 100 || len(got.took) != 0 || got.cause == nil {
			t.Errorf("%d answers, %d failures, %v, want 100 failures", len(got.took), got.failed, got.cause)
		}
	})
}

func TestLoadOfNewConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(time.Millisecond)
		r.between = 2 * time.Millisecond
		got := r.at(t, 100, time.Second, true)
		if len(got.took) != 100 || r.dialed.Load() != 100 {
			t.Errorf("%d answers over %d connections, %v, want 100 each", len(got.took), r.dialed.Load(), got.cause)
		}
		if p := percentile(got.took, 0.5); p != 3*time.Millisecond {
			t.Errorf("one took %v, want the dial and the work", p)
		}
	})
}

func TestLoadCountsFailures(t *testing.T) {
	tests := []struct {
		name   string
		answer string
		cause  string
	}{
		{"another status", "HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nhi", "status 503"},
		{"another length", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi!", "3 bytes"},
		{"not HTTP", "hello\n", "not a status line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(0)
				r.answer = tt.answer
				got := r.at(t, 100, time.Second, false)
				if got.failed != 100 || len(got.took) != 0 {
					t.Errorf("%d answers, %d failures, want 100 failures", len(got.took), got.failed)
				}
				if got.cause == nil || !strings.Contains(got.cause.Error(), tt.cause) {
					t.Errorf("got the cause %v, want %q", got.cause, tt.cause)
				}
			})
		})
	}
}

// A connection that is lost costs its request, one that can't be had costs
// another, and the next request has a new one.
func TestLoadConnectsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(0)
		r.atWork = func(n int64) bool { return n > 20 }
		r.refuse = func(dial int64) error {
			if dial > connections && dial <= connections+10 {
				return errors.New("refused")
			}
			return nil
		}
		got := r.at(t, 1000, time.Second, false)
		if len(got.took) != 970 || got.failed != 30 {
			t.Errorf("%d answers, %d failures, %v, want 970 and 30", len(got.took), got.failed, got.cause)
		}
		if n := r.dialed.Load(); n < connections+20 || n > connections+30 {
			t.Errorf("%d connections, want one more for each that was lost", n)
		}
	})
}

func TestLoadThatCannotStart(t *testing.T) {
	refused := errors.New("refused")
	l := load{rate: 1, duration: time.Second, dial: func(context.Context) (net.Conn, error) { return nil, refused }}
	if _, err := l.run(t.Context()); !errors.Is(err, refused) {
		t.Errorf("got %v, want %v", err, refused)
	}
}

func TestLoadIsInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r := newRig(0)
		l := load{
			scenario: scenario{method: "GET", path: "/", status: 200, answer: 2},
			rate:     10, duration: time.Hour, dial: r.dial,
			sleep: func(until time.Time) error { time.Sleep(time.Until(until)); return nil },
		}
		began := time.Now()
		if _, err := l.run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want that it was interrupted", err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it went on for %v", took)
		}
		r.all.Wait()
	})
}

func TestMergeSorts(t *testing.T) {
	got := merge([]*client{
		{openLoop: openLoop{took: []time.Duration{5, 1}, late: []time.Duration{4, 2}}},
		{openLoop: openLoop{took: []time.Duration{3}, late: []time.Duration{3}, failed: 1}},
	}, 5)
	if !slices.Equal(got.took, []time.Duration{1, 3, 5}) || !slices.Equal(got.late, []time.Duration{2, 3, 4}) || got.failed != 2 {
		t.Errorf("got %+v, want both sorted and 2 of 5 failed", got)
	}
}
