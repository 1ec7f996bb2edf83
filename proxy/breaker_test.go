package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/internal/testkit"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// Each limit turns away what is beyond it, tells the client which one it was and
// when to come back, and lets requests pass again once others have ended.
func TestLimitsOfTheBreaker(t *testing.T) {
	tests := []struct {
		limit   string
		breaker Breaker
		conns   int // to a backend, at most
		pass    int // at a time, over two backends
	}{
		{"max_requests", Breaker{MaxRequests: 3}, 0, 3},
		{"endpoint_max_requests", Breaker{EndpointMaxRequests: 2}, 0, 4},
		{"endpoint_max_connections", Breaker{}, 1, 2},
	}
	for _, tt := range tests {
		t.Run(tt.limit, func(t *testing.T) {
			var arrived sync.WaitGroup
			release := make(chan struct{})
			slow := func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/slow" {
					arrived.Done()
					<-release
				}
			}
			s, u := onDuty(backend(t, slow), backend(t, slow)), limits
			s.Breaker, u.MaxConns = &tt.breaker, tt.conns
			r := newRigOf(t, Options{}, u, s)
			arrived.Add(tt.pass)
			var asking sync.WaitGroup
			for range tt.pass {
				asking.Go(func() {
					if response, _ := r.do(t, "GET", "/slow", nil); response.StatusCode != 200 {
						t.Errorf("within the limit: %d", response.StatusCode)
					}
				})
			}
			arrived.Wait()
			response, body := r.do(t, "POST", "/", nil)
			if response.StatusCode != 503 || response.Header.Get("Retry-After") != "1" ||
				!strings.Contains(body, "("+tt.limit+")") {
				t.Errorf("beyond the limit: %d %v %q", response.StatusCode, response.Header, body)
			}
			close(release)
			asking.Wait()
			for range 5 { // one by one
				if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 {
					t.Errorf("afterwards: %d %q", response.StatusCode, body)
				}
			}
			r.finish(t)
			r.blameless(t)
			shows(t, r.options().Routes, "rota_circuit_rejections_total",
				"rota_circuit_rejections_total{reason=\""+tt.limit+"\",service=\"web\"} 1\n")
			if n := s.stats.circuit.inFlight.Load() + s.stats.circuit.pending.Load(); n != 0 {
				t.Errorf("%d are counted still", n)
			}
		})
	}
}

// Waits for a connection are limited, and those who use one that is there don't
// wait.
func TestMaxPending(t *testing.T) {
	s := onDuty("a")
	s.Breaker = &Breaker{MaxPending: 2}
	var done []func()
	for range 2 {
		d, err := s.pend()
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, d)
	}
	if _, err := s.pend(); err != errPending {
		t.Errorf("the third: %v", err)
	}
	done[0]()
	if d, err := s.pend(); err != nil {
		t.Errorf("after one has ended: %v", err)
	} else {
		d()
	}
	done[1]()
	if n := s.stats.circuit.pending.Load(); n != 0 {
		t.Errorf("%d wait", n)
	}
}

// A connection that can't be had for a limit is asked for elsewhere, and counts
// against nobody.
func TestAFullEndpointIsPassedOver(t *testing.T) {
	s := onDuty("a", "b")
	s.Breaker = &Breaker{EndpointMaxRequests: 1}
	first, err := s.pick(nil)
	second, err2 := s.pick(nil)
	if err != nil || err2 != nil || first == second {
		t.Fatalf("%v, %v", err, err2)
	}
	if e, err := s.pick(nil); e != nil || err != errEndpointRequests {
		t.Errorf("the third got %v, %v", e, err)
	}
	if e, err := s.pick([]*balancer.Endpoint{first, second}); e != nil || err != nil {
		t.Errorf("with all tried it is %v, %v", e, err)
	}
	first.Done(balancer.Succeeded, "", 0, nil)
	for range 3 {
		e, err := s.pick(nil)
		if e != first || err != nil {
			t.Fatalf("%v, %v", e, err)
		}
		e.Done(balancer.Succeeded, "", 0, nil)
	}
}

// Who can't be sure of an unused connection is not kept out by it.
func TestUnusedConnectionsKeepNobodyOut(t *testing.T) {
	u := limits
	u.MaxConns = 1
	r := newRig(t, Options{}, u, backend(t, ok("here")))
	for i := range 3 {
		if response, body := r.do(t, "POST", "/", strings.NewReader("once")); response.StatusCode != 200 {
			t.Fatalf("request %d: %d %q", i, response.StatusCode, body)
		}
	}
}

// The circuit goes by its judge: shut, a few may try, and open to all again.
func TestTheCircuitGoesByItsJudge(t *testing.T) {
	s := onDuty("a")
	var asked []tally
	verdict := Verdict{}
	s.Breaker = &Breaker{Judge: func(requests, failures uint64, _ time.Duration) Verdict {
		asked = append(asked, tally{requests, failures})
		return verdict
	}}
	passes := func() (n int) {
		for range 10 {
			if s.enter() == nil {
				n++
				s.leave()
			}
		}
		return n
	}
	state := func() string {
		return []string{"closed", "half-open", "open"}[int(s.stats.circuit.state())]
	}
	now := time.Duration(0)
	for _, tt := range []struct {
		verdict Verdict
		pass    int
		state   string
	}{
		{Verdict{}, 10, "closed"},
		{Verdict{Shut: true, Until: time.Minute}, 0, "open"},
		{Verdict{Shut: true, Trials: 3}, 3, "half-open"},
		{Verdict{Shut: true, Trials: 1}, 1, "half-open"},
		{Verdict{}, 10, "closed"},
	} {
		verdict, now = tt.verdict, now+time.Second
		s.tick(now)
		s.tick(now) // another listener's
		if got := passes(); got != tt.pass || state() != tt.state {
			t.Errorf("%+v: %d of 10 pass and it is %s, want %d and %s", tt.verdict, got, state(), tt.pass, tt.state)
		}
	}
	if len(asked) != 5 {
		t.Errorf("it was asked %d times", len(asked))
	}
}

// A judge who comes by a reload is told of what has ended since, and the circuit
// is closed when he has gone.
func TestAJudgeWhoComesLater(t *testing.T) {
	s := onDuty("a")
	s.stats.shards[0].classes[5].Add(1000)
	var told tally
	for i, b := range []*Breaker{nil, {MaxRequests: 1}, {Judge: func(requests, failures uint64, _ time.Duration) Verdict {
		told = tally{requests, failures}
		return Verdict{Shut: true}
	}}} {
		s.Breaker = b
		s.tick(time.Duration(i+1) * time.Second)
	}
	if told != (tally{}) || s.stats.circuit.state() == 0 {
		t.Errorf("told %+v, and the circuit is in state %v", told, s.stats.circuit.state())
	}
	s.Breaker = nil
	s.tick(time.Minute)
	if s.stats.circuit.state() != 0 {
		t.Error("the circuit is open without a judge")
	}
}

// What the judge is told: what tells of the backends.
func TestWhatTellsOfBackends(t *testing.T) {
	s := onDuty(backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/500":
			w.WriteHeader(500)
		case "/404":
			w.WriteHeader(404)
		case "/cut":
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "hello")
		}
	}))
	r := newRigOf(t, Options{}, limits, s)
	for _, path := range []string{"/", "/500", "/404"} {
		r.do(t, "GET", path, nil)
	}
	if response, err := r.client.Get(r.url + "/cut"); err == nil {
		_, _ = io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
	nobody := newRig(t, Options{}, limits)
	nobody.do(t, "GET", "/", nil)
	r.finish(t)
	nobody.finish(t)
	if got, want := s.stats.tally(), (tally{4, 2}); got != want {
		t.Errorf("told %+v, want %+v", got, want)
	}
	if got := nobody.service.stats.tally(); got != (tally{}) {
		t.Errorf("told %+v of nobody", got)
	}
}

// An open circuit answers at once, asks no backend, and says when it will.
func TestAnOpenCircuit(t *testing.T) {
	b := testkit.StartBackend(t)
	s := onDuty(b.Addr())
	opened := make(chan struct{})
	var once sync.Once
	s.Breaker = &Breaker{Judge: func(_, _ uint64, now time.Duration) Verdict {
		defer once.Do(func() { close(opened) })
		return Verdict{Shut: true, Until: now + 90*time.Second}
	}}
	r := newRigOf(t, Options{}, limits, s)
	<-opened
	for s.enter() == nil { // the verdict is on its way
		s.leave()
	}
	response, body := r.do(t, "GET", "/", nil)
	if after := response.Header.Get("Retry-After"); response.StatusCode != 503 || after != "90" || !strings.Contains(body, "too many requests have failed (open)") {
		t.Errorf("answered %d %q, Retry-After %q", response.StatusCode, body, after)
	}
	if n := len(b.Seen()); n != 0 {
		t.Errorf("%d requests came to the backend", n)
	}
}

// Connections are counted as long as they are open, whoever closes them.
func TestConnectionsAreCounted(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	u := limits
	u.Clock, u.MaxConns = newClock(t), 2
	client := upstream.New(u)
	defer client.Close()
	var conns []*upstream.Conn
	dial := func() error {
		c, err := client.Dial(context.Background(), l.Addr().String())
		if err == nil {
			conns = append(conns, c)
		}
		return err
	}
	full := func(want bool) {
		t.Helper()
		err := dial()
		if want != errors.Is(err, upstream.ErrMaxConnections) {
			t.Errorf("with %d connections: %v", len(conns), err)
		}
		if e := new(upstream.Error); want && (!errors.As(err, &e) || e.Fault != upstream.Limited) {
			t.Errorf("the fault is %v", err)
		}
	}
	full(false)
	full(false)
	full(true)
	conns[0].Close()
	conns[0].Close()
	full(false)
	full(true)
	conns[1].Keep(0)
	full(false) // an unused one makes room
	if conns[1].Peek() == socket.Silent {
		t.Error("it is open all the same")
	}
	full(true)
	for _, c := range slices.Backward(conns) {
		c.Close()
	}
	full(false)
	conns[len(conns)-1].Close()
	if _, err := client.Dial(context.Background(), dead); err == nil {
		t.Fatal("somebody listens there")
	}
	for range 3 { // what failed is not open
		if _, err := client.Dial(context.Background(), dead); errors.Is(err, upstream.ErrMaxConnections) {
			t.Error("refused connections are counted")
		}
	}
}
