package socket

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// ended has the peer say something, and reports whether it is not read since
// the wait for it was ended.
func (r *rig) ended(t *testing.T) bool {
	t.Helper()
	r.says("x")
	var b Buffer
	defer b.Release()
	switch err := r.ReadInto(&b); {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return true
	case err != nil || string(b.Bytes()) != "x":
		t.Errorf("read %q, %v", b.Bytes(), err)
	}
	return false
}

func TestALimitOfReading(t *testing.T) {
	tests := []struct {
		limit time.Duration
		ticks int // after which the wait ends, and not before
	}{
		{1, 2}, {Tick / 2, 2}, {Tick, 2}, {Tick + 1, 3}, {2 * Tick, 3}, {time.Second, 11},
	}
	for _, tt := range tests {
		t.Run(tt.limit.String(), func(t *testing.T) {
			each(t, func(t *testing.T, r *rig) {
				r.LimitRead(tt.limit)
				r.pass(time.Duration(tt.ticks-1) * Tick)
				if r.ended(t) {
					t.Fatalf("it ended after %d ticks", tt.ticks-1)
				}
				r.pass(Tick)
				if !r.ended(t) {
					t.Fatalf("it goes on after %d ticks", tt.ticks)
				}
			})
		})
	}
}

// What an owner does with a limit, expired or not, decides whether the next wait
// ends.
func TestLimitsAreRenewedAndLifted(t *testing.T) {
	long := 100 * Tick
	tests := []struct {
		name string
		do   func(r *rig)
		ends bool
	}{
		{"none", func(r *rig) { r.pass(long) }, false},
		{"expired", func(r *rig) { r.LimitRead(1); r.pass(long) }, true},
		{"lifted", func(r *rig) { r.LimitRead(1); r.LimitRead(0); r.pass(long) }, false},
		{"expired, lifted", func(r *rig) { r.LimitRead(1); r.pass(long); r.LimitRead(0); r.pass(long) }, false},
		{"expired, lifted twice", func(r *rig) { r.LimitRead(1); r.pass(long); r.LimitRead(0); r.LimitRead(0) }, false},
		{"renewed", func(r *rig) { r.LimitRead(1); r.LimitRead(long); r.pass(long) }, false},
		{"expired, renewed", func(r *rig) { r.LimitRead(1); r.pass(long); r.LimitRead(long); r.pass(long) }, false},
		{"expired, renewed, expired", func(r *rig) { r.LimitRead(1); r.pass(long); r.LimitRead(1); r.pass(long) }, true},

		{"ended", func(r *rig) { r.EndRead() }, true},
		{"ended with a limit", func(r *rig) { r.LimitRead(long); r.EndRead(); r.pass(2 * long) }, true},
		{"ended, renewed", func(r *rig) { r.EndRead(); r.LimitRead(long); r.pass(long) }, false},
		{"ended, lifted", func(r *rig) { r.EndRead(); r.LimitRead(0) }, false},
		{"expired, ended, lifted", func(r *rig) { r.LimitRead(1); r.pass(long); r.EndRead(); r.LimitRead(0) }, false},

		{"interrupted", func(r *rig) { r.Interrupt() }, true},
		{"interrupted, lifted", func(r *rig) { r.Interrupt(); r.LimitRead(0) }, true},
		{"expired, interrupted, lifted", func(r *rig) { r.LimitRead(1); r.pass(long); r.Interrupt(); r.LimitRead(0) }, true},
		{"interrupted, expired, lifted", func(r *rig) { r.Interrupt(); r.LimitRead(1); r.pass(long); r.LimitRead(0) }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			each(t, func(t *testing.T, r *rig) {
				if tt.do(r); r.ended(t) != tt.ends {
					t.Errorf("the wait ends: %v, want %v", !tt.ends, tt.ends)
				}
			})
		})
	}
}

// A wait that is under way ends as one that is to come does, whatever it is.
func TestWaitsUnderWayEnd(t *testing.T) {
	waits := map[string]func(r *rig) error{
		"ReadInto": func(r *rig) error { return r.ReadInto(new(Buffer)) },
		"Loop":     func(r *rig) error { return r.loop(listener()) },
		"Exchange": func(r *rig) error {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 5)) })
			_, err := r.Exchange([]byte("hello"), nil, new(Buffer), false)
			return err
		},
		"Write": func(r *rig) error { _, err := r.Write(make([]byte, 64<<20)); return err },
	}
	ends := map[string]func(r *rig){
		"EndRead":   func(r *rig) { r.EndRead() },
		"Interrupt": func(r *rig) { r.Interrupt() },
		"LimitRead": func(r *rig) { r.LimitRead(1); r.pass(2 * Tick) },
	}
	for wait, begin := range waits {
		for how, end := range ends {
			if wait == "Write" && how != "Interrupt" {
				continue
			}
			t.Run(wait+" by "+how, func(t *testing.T) {
				each(t, func(t *testing.T, r *rig) {
					var waiting sync.WaitGroup
					waiting.Go(func() {
						if err := begin(r); !errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("ended with %v", err)
						}
					})
					end(r)
					waiting.Wait()
				})
			})
		}
	}
}

// However irregular the clock, a limit is never cut short; where it is regular,
// a limit lasts at most two ticks longer.
func TestNoLimitIsCutShort(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, late := range []bool{false, true} {
		r := newRig(t, piped)
		for range 2000 {
			limit := time.Duration(1 + random.Int64N(int64(5*Tick)))
			gap := Tick
			if late {
				gap = time.Duration(1 + random.Int64N(int64(4*Tick)))
			}
			set := r.now + time.Duration(random.Int64N(int64(gap))) // between two looks of the clock
			r.LimitRead(limit)
			for r.reads.limit.due.Load() != overdue {
				r.now += gap
				r.clock.sweep(r.now, nil)
				if late {
					gap = time.Duration(1 + random.Int64N(int64(4*Tick)))
				}
			}
			if took := r.now - set; took < limit || !late && took > limit+2*Tick {
				t.Fatalf("a limit of %v took %v, with a late clock: %v", limit, took, late)
			}
		}
	}
}

// Where the whole process stood still, nobody is to blame.
func TestAStandstillEndsNothing(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.LimitRead(time.Second)
		r.now += time.Hour
		r.clock.sweep(r.now, nil)
		if r.ended(t) {
			t.Error("a limit of a second ended within a tick, since the clock did not look for an hour")
		}
		if r.clock.Now() != time.Hour {
			t.Errorf("it is %v, want 1h", r.clock.Now())
		}
	})
}

// The clock may end a wait in the very moment in which its owner lifts or renews
// the limit: no deadline must be left over.
func TestTheClockRacesWithTheOwner(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		stop := make(chan struct{})
		r.peers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.pass(Tick)
				}
			}
		})
		defer close(stop)
		r.peers.Go(func() {
			for p := make([]byte, 1000); ; {
				if _, err := r.peer.Write(p); err != nil {
					return
				}
			}
		})
		const never = 1e6 * time.Hour // time flies here
		var b Buffer
		for i := range 300 {
			r.LimitRead(1)
			for due := r.reads.limit.due.Load(); r.clock.spent.Load() < due; {
				runtime.Gosched()
			}
			for range i % 50 { // the clock is about to end the wait
				_ = r.reads.limit.due.Load()
			}
			r.LimitRead(time.Duration(i%2) * never)
			if err := r.ReadInto(&b); err != nil {
				t.Fatalf("after %d rounds: %v", i, err)
			}
			b.Release()
		}
	})
}

// Whoever finds the mark of an ended wait relies on its deadline: lifting an
// earlier limit must not take it away.
func TestLiftingLeavesALaterEnd(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		r.EndRead()
		r.mu.Lock()
		var lifting sync.WaitGroup
		lifting.Go(func() { r.LimitRead(time.Second) })
		eventually(t, "the new limit", func() bool { return r.reads.limit.due.Load() != overdue })
		r.reads.limit.due.Store(overdue) // as EndRead and the clock do
		r.rouse(&r.reads)
		r.mu.Unlock()
		lifting.Wait()
		if !r.ended(t) {
			t.Error("the wait goes on, and no limit will end it")
		}
	})
}

// A running clock ends waits by itself.
func TestTheClockRuns(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		runs(t, r.clock)
		began := time.Now()
		r.LimitRead(Tick / 2)
		if err := r.ReadInto(new(Buffer)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ended with %v", err)
		}
		if took := time.Since(began); took < Tick/2 {
			t.Errorf("a limit of %v took %v", Tick/2, took)
		}
	})
}
