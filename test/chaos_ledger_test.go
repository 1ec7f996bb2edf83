package test

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// request is what became of one request.
type request struct {
	due  time.Duration // when it was to be sent, since the ledger's beginning
	took time.Duration // from then to the end of its answer
	bad  int           // what went wrong, as an index of the ledger's faults
	act  int32         // of the storm, when it was due
	came uint8         // how often it has reached a backend
	post bool
	done bool
}

// ledger accounts for each request of a storm. Its methods are safe for
// concurrent use.
type ledger struct {
	began time.Time

	mu       sync.Mutex
	requests []request // by ID
	faults   []string  // the first, of no fault, is ""
	act      int32
	lag      time.Duration // longest from when a request was due to its start
	again    int           // GETs sent anew, since their idle connection had been closed
	open     int
	risks    []risk
	failures []string // the first of those that must not be
	settled  *sync.Cond
}

// risk is a time in which a POST may fail, since a backend fails that may have
// it: nobody can know whether it was done, so nobody may do it again.
type risk struct{ from, to time.Duration }

func newLedger() *ledger {
	l := &ledger{began: time.Now(), requests: make([]request, 1, 1<<16), faults: []string{""}}
	l.settled = sync.NewCond(&l.mu)
	return l
}

// now is the time on the clock of the ledger.
func (l *ledger) now() time.Duration { return time.Since(l.began) }

// enter gives a request its ID.
func (l *ledger) enter(due time.Duration, post bool) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lag = max(l.lag, l.now()-due)
	l.open++
	l.requests = append(l.requests, request{due: due, act: l.act, post: post})
	return uint64(len(l.requests) - 1)
}

// arrived counts a request at a backend.
func (l *ledger) arrived(id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id < uint64(len(l.requests)) {
		l.requests[id].came++
	}
}

// ended takes in how a request ended; fault is "" for one that went well.
func (l *ledger) ended(id uint64, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &l.requests[id]
	r.done, r.took = true, l.now()-r.due
	i := slices.Index(l.faults, fault)
	if i < 0 {
		i = len(l.faults)
		l.faults = append(l.faults, fault)
	}
	r.bad = i
	l.open--
	l.settled.Broadcast()
}

func (l *ledger) retried() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.again++
}

// pass waits until so many more requests have ended.
func (l *ledger) pass(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ended := func() int { return len(l.requests) - 1 - l.open }
	for until := ended() + n; ended() < until; {
		l.settled.Wait()
	}
}

// begin opens an act of the storm: what is due from now on counts for it.
func (l *ledger) begin(act int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.act = int32(act)
}

// risky opens a time of risk that ends with the call of its result.
func (l *ledger) risky() (over func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.risks)
	l.risks = append(l.risks, risk{from: l.now(), to: 1 << 62})
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.risks[i].to = l.now()
	}
}

// atRisk reports whether a request was under way in a time of risk.
func (l *ledger) atRisk(r *request) bool {
	return slices.ContainsFunc(l.risks, func(k risk) bool { return r.due <= k.to && r.due+r.took >= k.from })
}

// slowest is a quantile of the time that the requests of an act took, of those
// that have ended; 1 is the slowest.
func (l *ledger) slowest(act int, q float64, which func(*request) bool) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []time.Duration
	for i := range l.requests {
		if r := &l.requests[i]; int(r.act) == act && r.done && which(r) {
			took = append(took, r.took)
		}
	}
	slices.Sort(took)
	return quantile(took, q)
}

// tally is what became of the requests of an act, or of several.
type tally struct {
	gets, posts         int
	failed, failedPosts int // that must not have
	excused             int // POSTs that failed while that was possible
	doubled, lost       int
	faults              map[string]int
	took                []time.Duration
}

func (t *tally) add(o *tally) {
	t.gets += o.gets
	t.posts += o.posts
	t.failed += o.failed
	t.failedPosts += o.failedPosts
	t.excused += o.excused
	t.doubled += o.doubled
	t.lost += o.lost
	t.took = append(t.took, o.took...)
	if t.faults == nil {
		t.faults = map[string]int{}
	}
	for f, n := range o.faults {
		t.faults[f] += n
	}
}

// wrong counts what must not be.
func (t *tally) wrong() int { return t.failed + t.failedPosts + t.doubled + t.lost }

// tallies judges all requests, by act. It is to be called when they have ended
// and all backends have reported.
func (l *ledger) tallies() map[int]*tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := map[int]*tally{}
	for id := range l.requests[1:] {
		r := &l.requests[id+1]
		t := all[int(r.act)]
		if t == nil {
			t = &tally{faults: map[string]int{}}
			all[int(r.act)] = t
		}
		if wrong := t.count(r, l); wrong != "" && len(l.failures) < 20 {
			l.failures = append(l.failures, fmt.Sprintf("request %d, act %d, due at %v, took %v, came %d times: %s",
				id+1, r.act, r.due.Round(time.Millisecond), r.took.Round(time.Millisecond), r.came, wrong))
		}
	}
	return all
}

// count takes in one request, and says what is wrong with it.
func (t *tally) count(r *request, l *ledger) (wrong string) {
	fault := l.faults[r.bad]
	if r.post {
		t.posts++
	} else {
		t.gets++
		t.took = append(t.took, r.took)
	}
	switch {
	case !r.done:
		t.lost++
		return "never ended"
	case r.post && r.came > 1:
		t.doubled++
		return "a POST done twice"
	case fault == "" && r.came == 0:
		t.lost++
		return "answered, but no backend had it"
	case fault == "":
		return ""
	}
	name := "GET"
	if r.post {
		name = "POST"
	}
	t.faults[name+" "+fault]++
	switch {
	case !r.post:
		t.failed++
	case l.atRisk(r) && excusable(fault):
		t.excused++
		return ""
	default:
		t.failedPosts++
	}
	return name + " " + fault
}

// excusable reports whether a fault is what a POST gets of which nobody knows
// whether it was done: a backend that had it failed, or was late.
func excusable(fault string) bool {
	return strings.HasPrefix(fault, "502 ") || strings.HasPrefix(fault, "504 ")
}

// quantile is the q-th of sorted times: the least of them that this share does
// not exceed.
func quantile(sorted []time.Duration, q float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// kinds lists what went wrong how often.
func (t *tally) kinds() (list []string) {
	for _, f := range slices.Sorted(maps.Keys(t.faults)) {
		list = append(list, fmt.Sprintf("%d %s", t.faults[f], f))
	}
	return list
}

// Each thing that must not become of a request is found, and nothing else.
func TestLedgerJudges(t *testing.T) {
	tests := []struct {
		name        string
		post, risky bool
		came        int
		ended       bool
		fault       string
		want        tally
	}{
		{"a GET", false, false, 1, true, "", tally{}},
		{"a GET done twice", false, false, 2, true, "", tally{}},
		{"a POST", true, false, 1, true, "", tally{}},
		{"a POST done twice", true, false, 2, true, "", tally{doubled: 1}},
		{"a POST done twice, at risk", true, true, 2, true, "502", tally{doubled: 1}},
		{"a GET that failed", false, false, 0, true, "502", tally{failed: 1}},
		{"a GET that failed, at risk", false, true, 1, true, "502", tally{failed: 1}},
		{"a POST that failed", true, false, 1, true, "502", tally{failedPosts: 1}},
		{"a POST that failed, at risk", true, true, 1, true, "502 the backend broke off", tally{excused: 1}},
		{"a POST that was late, at risk", true, true, 1, true, "504 the backend was late", tally{excused: 1}},
		{"a POST that was turned away, at risk", true, true, 0, true, "503 nobody is on duty", tally{failedPosts: 1}},
		{"a POST that came to nobody, at risk", true, true, 0, true, "no connection: refused", tally{failedPosts: 1}},
		{"a POST that was cut off, at risk", true, true, 1, true, "cut off: EOF", tally{failedPosts: 1}},
		{"a POST that got another's answer, at risk", true, true, 1, true, "the answer of another request", tally{failedPosts: 1}},
		{"an answer from nowhere", false, false, 0, true, "", tally{lost: 1}},
		{"no end", true, true, 1, false, "", tally{lost: 1}},
	}
	for _, tt := range tests {
		l := newLedger()
		id := l.enter(l.now(), tt.post)
		if tt.risky {
			l.risky()()
		}
		for range tt.came {
			l.arrived(id)
		}
		if tt.ended {
			l.ended(id, tt.fault)
		}
		got := l.tallies()[0]
		got.gets, got.posts, got.took, got.faults = 0, 0, nil, nil
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, *got, tt.want)
		}
	}
	l := newLedger()
	l.risky()()
	if id := l.enter(l.now(), true); id == 1 {
		l.ended(id, "502")
	}
	if got := l.tallies()[0]; got.failedPosts != 1 {
		t.Errorf("a POST that failed after a risk: %+v", got)
	}
	l = newLedger()
	for i := range 300 {
		l.ended(l.enter(l.now(), false), fmt.Sprint("fault ", i))
	}
	if got := l.tallies()[0]; got.failed != 300 {
		t.Errorf("%d of 300 failures of as many kinds are found", got.failed)
	}
}
