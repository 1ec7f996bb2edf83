package proxy

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A wait that lasts is told of, as soon as anybody looks, whatever the waits
// before it were like; one that does not is not.
func TestWatch(t *testing.T) {
	tests := []struct {
		name  string
		waits []wait
	}{
		{"one that lasts", []wait{{limit: 20 * ms, takes: time.Hour, lasts: true}}},
		{"one that does not", []wait{{limit: 20 * ms, takes: 19 * ms}}},
		{"one that just does", []wait{{limit: 20 * ms, takes: 20*ms + lookEvery, lasts: true}}},
		{"one after another", []wait{{limit: 20 * ms, takes: 15 * ms}, {limit: 20 * ms, takes: 15 * ms}, {limit: 20 * ms, takes: 31 * ms, lasts: true}}},
		{"after a long limit, a short one", []wait{{limit: time.Hour, takes: ms}, {limit: 20 * ms, takes: 30 * ms, lasts: true}}},
		{"after a short limit, a long one", []wait{{limit: 20 * ms, takes: ms}, {limit: time.Hour, takes: 2 * time.Hour, lasts: true}}},
		{"after a pause", []wait{{limit: 20 * ms, takes: ms, pause: time.Hour}, {limit: 20 * ms, takes: 30 * ms, lasts: true}}},
		{"the limit was over before it began", []wait{{limit: -ms, takes: 2 * lookEvery, lasts: true}}},
		{"two that last", []wait{{limit: 20 * ms, takes: 30 * ms, lasts: true}, {limit: 20 * ms, takes: 30 * ms, lasts: true}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, tt.waits) })
		})
	}
}

func TestWatchOverManyWaits(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var waits []wait
	for range 2000 {
		w := wait{limit: time.Duration(1 + rng.Int64N(1e9)), takes: time.Duration(rng.Int64N(1e9)), pause: time.Duration(rng.Int64N(1e8))}
		w.lasts = w.takes > w.limit
		if w.lasts { // and is not over before anybody has looked
			w.takes += lookEvery
		}
		waits = append(waits, w)
	}
	synctest.Test(t, func(t *testing.T) { play(t, waits) })
}

type wait struct {
	limit, takes, pause time.Duration
	lasts               bool
}

func play(t *testing.T, waits []wait) {
	var at time.Time
	var home watches
	w := home.watch(func() time.Duration { at = time.Now(); return 0 })
	for i, wait := range waits {
		began := time.Now()
		w.begin(began.Add(wait.limit))
		time.Sleep(wait.takes)
		synctest.Wait()
		lasted := w.end()
		if lasted {
			<-w.ended
		}
		if late := at.Sub(began) - max(0, wait.limit); lasted != wait.lasts || lasted && (late < 0 || late > lookEvery) {
			t.Fatalf("wait %d: lasted %v after %v, want %v after %v", i, lasted, at.Sub(began), wait.lasts, wait.limit)
		}
		time.Sleep(wait.pause)
	}
	time.Sleep(2 * lookFor * lookEvery)
	if synctest.Wait(); len(home.list) != 0 || w.listed.Load() {
		t.Error("a watch that nobody uses is still in the list")
	}
}

// Who is told of a wait may ask to be told again, until the wait is over.
func TestWatchAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var at []time.Duration
		var home watches
		w := home.watch(func() time.Duration {
			at = append(at, time.Since(began).Round(10*ms))
			return time.Duration(len(at)) * 100 * ms
		})
		for range 2 {
			at, began = nil, time.Now()
			w.begin(began.Add(50 * ms))
			time.Sleep(400 * ms)
			synctest.Wait()
			if w.end() || len(at) != 3 || at[0] < 50*ms || at[1] < at[0]+100*ms || at[2] < at[1]+200*ms {
				t.Errorf("told at %v", at)
			}
			time.Sleep(time.Second)
			if len(at) != 3 {
				t.Errorf("told at %v, when it was over", at)
			}
		}
		for range 20 { // as it is being told
			w.begin(time.Now())
			time.Sleep(lookEvery)
			if w.end() {
				<-w.ended
			}
		}
		time.Sleep(2 * lookFor * lookEvery)
	})
}
