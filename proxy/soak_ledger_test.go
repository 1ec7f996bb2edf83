package proxy

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// errand is what a client asks for.
type errand struct {
	id      uint64
	client  int
	service string
	method  string
	minor   int
	framing framing
	length  int64
	whole   bool // the client says all of it
	expect  bool
	close   bool
	tunnel  string // how to end it; "" is none
	fill    int    // of the head, in bytes
	flaw    string // what the client does wrong in it
}

func (e *errand) target() string { return fmt.Sprintf("/%s/%d?q=%x", e.service, e.id, e.id) }

// filling makes heads large.
func filling(id uint64, n int) string {
	unit := fmt.Sprintf("%d.", id)
	return strings.Repeat(unit, n/len(unit)+1)[:n]
}

// answer is what a backend says to an errand.
type answer struct {
	nonce   uint64
	status  int
	framing framing
	length  int64
	trailer bool
	flaw    string // what the backend does wrong with it
	early   bool   // it may come before the body of the request was taken
	whole   bool   // the backend says all of it
	fragile bool   // but may end the connection before it has arrived
	minor   int
}

// account is what became of an errand.
type account struct {
	*errand
	came    int // how often, at any backend
	answers []*answer
	logged  string // by rota
}

// ledger knows of every errand on its way, and counts what happens.
type ledger struct {
	t       *testing.T
	failed  func() // ends the soak
	mu      sync.Mutex
	next    uint64
	recent  map[uint64]*account
	older   map[uint64]*account
	turned  time.Time
	counts  map[string]int
	faulted int
	wrong   []*account  // with a breach
	lags    []time.Time // when this process got no time
}

// memory is for how long an errand is known at least. None takes that long.
const ledgerMemory = time.Minute

func newLedger(t *testing.T, failed func()) *ledger {
	return &ledger{t: t, failed: failed, recent: map[uint64]*account{}, turned: time.Now(), counts: map[string]int{}}
}

// enter gives an errand its number.
func (l *ledger) enter(e *errand) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.turned) > ledgerMemory {
		l.recent, l.older, l.turned = map[uint64]*account{}, l.recent, time.Now()
	}
	l.next++
	e.id = l.next
	l.recent[e.id] = &account{errand: e}
}

// find returns the account of an errand, nil if nobody has asked for it.
func (l *ledger) find(id uint64) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a := l.recent[id]; a != nil {
		return a
	}
	return l.older[id]
}

// arrive counts an errand at a backend, and returns how often it has come.
func (l *ledger) arrive(a *account) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.came++
	return a.came
}

// promise notes an answer before it is given.
func (l *ledger) promise(a *account, as *answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	as.nonce = l.next
	a.answers = append(a.answers, as)
}

// promised returns the answer of that number, nil if none was given to the
// errand.
func (l *ledger) promised(a *account, nonce uint64) *answer {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, as := range a.answers {
		if as.nonce == nonce {
			return as
		}
	}
	return nil
}

// answers tells of what was said to an errand.
func (l *ledger) answers(a *account) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, as := range a.answers {
		fmt.Fprintf(&b, "%+v", *as)
	}
	return b.String()
}

// cut reports whether a backend has given but a part of an answer.
func (l *ledger) cut(a *account) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(a.answers, func(as *answer) bool { return !as.whole || as.fragile })
}

func (l *ledger) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// maxBreaches is after how many the soak ends: the first ones tell most.
const maxBreaches = 10

// breach reports what must never be.
func (l *ledger) breach(err error, who string, about any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a, ok := about.(*account); ok {
		l.wrong = append(l.wrong, a)
		about = ""
	}
	if l.faulted++; l.faulted <= maxBreaches {
		l.t.Errorf("%s: %v: %+v", who, err, about)
	}
	if l.faulted == maxBreaches {
		l.failed()
	}
}

// watch notes when this process does not get the time that it needs, until stop
// is closed: then nobody's patience says anything.
func (l *ledger) watch(stop <-chan struct{}) {
	const often = 10 * time.Millisecond
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-ticker.C:
		case <-stop:
			return
		}
		if time.Since(last) > soakLag {
			l.count("rota: gets no time")
			l.mu.Lock()
			l.lags = append(l.lags, time.Now())
			l.mu.Unlock()
		}
		last = time.Now()
	}
}

// starved reports whether this process got no time lately.
func (l *ledger) starved() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lags) > 0 && time.Since(l.lags[len(l.lags)-1]) < soakHang
}

// report logs how often what happened.
func (l *ledger) report() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for _, what := range slices.Sorted(maps.Keys(l.counts)) {
		fmt.Fprintf(&b, "\n%9d %s", l.counts[what], what)
	}
	l.t.Log(b.String())
	for _, a := range l.wrong {
		l.t.Logf("%d was logged as %s", a.id, a.logged)
	}
}

// Write takes the lines of the access log: each must tell of one request, and of
// no other.
func (l *ledger) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		var e accessEntry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			l.breach(err, "access log", line)
			continue
		}
		l.count("logged")
		if e.Fault != "" {
			l.count("fault: " + e.Fault)
		}
		if e.Target == "" {
			continue
		}
		var service string
		var id uint64
		path := strings.ReplaceAll(strings.TrimPrefix(e.Target, "/"), "/", " ")
		if n, _ := fmt.Sscanf(path, "%s %d", &service, &id); n < 2 {
			l.breach(breach("an unknown target"), "access log", line)
			continue
		}
		a := l.find(id)
		if a == nil || e.Target != a.target() || e.Method != a.method || e.Protocol != protocols[a.minor] ||
			e.Host != "" && e.Host != service+".test" || e.UserAgent != "" && e.UserAgent != fmt.Sprint("soak/", id) {
			l.breach(breach("an account of something else"), "access log", line)
		} else {
			l.mu.Lock()
			a.logged = line
			l.mu.Unlock()
		}
	}
	return len(p), nil
}
