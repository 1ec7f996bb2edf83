package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// busy answers that somebody else should be asked.
func busy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Retry-After", "7")
	http.Error(w, "busy", http.StatusServiceUnavailable)
}

// A status that is listed is asked for elsewhere, and the last answer is the
// client's.
func TestAStatusIsTriedAgain(t *testing.T) {
	tests := []struct {
		name, method, body string
		on                 []int
		backends           []http.HandlerFunc
		status, requests   int
	}{
		{"listed", "GET", "", []int{503}, []http.HandlerFunc{busy, ok("fine")}, 200, 2},
		{"a kept body", "PUT", "a body", []int{503}, []http.HandlerFunc{busy, ok("fine")}, 200, 2},
		{"not listed", "GET", "", []int{502, 429}, []http.HandlerFunc{busy, ok("fine")}, 503, 1},
		{"not to be done twice", "POST", "a body", []int{503}, []http.HandlerFunc{busy, ok("fine")}, 503, 1},
		{"by everybody", "GET", "", []int{503}, []http.HandlerFunc{busy, busy}, 503, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var addresses []string
			for _, b := range tt.backends {
				addresses = append(addresses, backend(t, b))
			}
			s := onDuty(addresses...)
			s.Retry.Statuses = tt.on
			r := newRigOf(t, Options{}, limits, s)
			for range 3 { // on the same connections
				response, _ := r.do(t, tt.method, "/", strings.NewReader(tt.body))
				if response.StatusCode != tt.status {
					t.Errorf("answered %d, want %d", response.StatusCode, tt.status)
				}
				if tt.status == 503 && response.Header.Get("Retry-After") != "7" {
					t.Error("the answer is not the backend's")
				}
				if tt.requests < 2 {
					break // the next turn is the other's
				}
				r.do(t, "GET", "/", nil) // and now it is the first one's again
			}
		})
	}
}

// Who may ask somebody else waits for a silent backend no longer than a try may
// last; for the last one, as long as for any.
func TestATryMayLastLessThanTheRequest(t *testing.T) {
	silent := raw(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) })
	long := limits
	long.Response = time.Minute
	s := onDuty(silent, backend(t, ok("fine")))
	s.Retry.PerTry = 50 * time.Millisecond
	r := newRigOf(t, Options{}, long, s)
	if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 || body != "fine" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}

	slow := backend(t, func(w http.ResponseWriter, _ *http.Request) {
		pauses(t, 400*time.Millisecond)()
		ok("at last")(w, nil)
	})
	s = onDuty(slow)
	s.Retry.PerTry, s.Retry.Attempts = 50*time.Millisecond, 2
	r = newRigOf(t, Options{}, long, s)
	if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 || body != "at last" {
		t.Errorf("the only one answered %d %q", response.StatusCode, body)
	}
}

// A service of one endpoint is asked again after a pause; a client that leaves
// meanwhile ends that.
func TestTheOnlyEndpointIsAskedAgain(t *testing.T) {
	tries := make(chan struct{}, 10)
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		if tries <- struct{}{}; len(tries) == 3 {
			says("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine")(conn)
			return
		}
		resets(conn)
	}))
	if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 || body != "fine" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}

	tries = make(chan struct{}, 1000)
	s := onDuty(raw(t, func(conn net.Conn) { tries <- struct{}{}; resets(conn) }))
	s.Retry.Attempts, s.Retry.Backoff = 1000, time.Hour
	r = newRigOf(t, Options{}, limits, s)
	c := r.dial(t)
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-tries
	c.Close()
	r.finish(t)
	if n := r.service.stats.retries.Load(); n > 100 {
		t.Errorf("it was asked %d times for a client that has left", n)
	}
}

// hedged makes hedges of a service early.
func hedged(s *Service) *Service {
	s.Hedge = Hedge{Attempts: 1, MinDelay: 5 * time.Millisecond, UnknownDelay: 20 * time.Millisecond}
	return s
}

// hangs is a backend that takes requests and never answers, though whoever only
// connects finds it well. It returns how many it has taken.
func hangs(t *testing.T) (address string, taken *atomic.Int64) {
	taken = new(atomic.Int64)
	b := testkit.StartBackend(t, slices.Repeat([]func(*testkit.BackendConn){func(c *testkit.BackendConn) {
		if c.Head() != nil {
			taken.Add(1)
		}
		c.Hang()
	}}, 1000)...)
	return b.Addr(), taken
}

// A backend that hangs costs nobody a request who asks for nothing to be done,
// and little time. What asks for something to be done is not sent twice at a time.
func TestABackendThatHangs(t *testing.T) {
	hung, taken := hangs(t)
	short := limits
	short.Response = time.Second
	log := new(strings.Builder) // written to by one goroutine, until it has stopped
	access, stop := logTo(t, AccessJSON, log)
	r := newRigOf(t, Options{AccessLog: access}, short, hedged(onDuty(hung, backend(t, echo), backend(t, echo))))
	const clients, each = 20, 10
	var all sync.WaitGroup
	for range clients {
		c := r.dial(t)
		all.Go(func() {
			for i := range each {
				target := fmt.Sprintf("/%d", i)
				c.say("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n")
				response, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				if response.StatusCode != 200 || string(body) != target || err != nil {
					t.Errorf("%s was answered %d %q, %v", target, response.StatusCode, body, err)
				}
			}
		})
	}
	all.Wait()
	won := r.service.stats.hedgesWon.Load()
	if won == 0 || taken.Load() == 0 {
		t.Errorf("%d hedges were won, and %d requests hung", won, taken.Load())
	}
	for range 3 {
		r.do(t, "DELETE", "/", nil) // late, and then elsewhere
	}
	r.finish(t)
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := r.service.stats.hedgesWon.Load(); n != won {
		t.Error("a DELETE was hedged")
	}
	for m := range r.service.Duty.Pool().Members() {
		if m.Endpoint.InFlight() != 0 {
			t.Errorf("%s has %d in flight", m.Endpoint.ID(), m.Endpoint.InFlight())
		}
		// Of those that were overtaken, only who was silent for a while has failed.
		if _, failures := m.Endpoint.Totals(); m.Endpoint.Address() == hung && failures == 0 {
			t.Errorf("who hangs has no failure of %d requests", taken.Load())
		}
	}
	if strings.Contains(log.String(), hung+`","attempts":2`) {
		t.Error("the log names the endpoint that hung, and not the one that answered")
	}
	shows(t, r.options().Routes, "rota_hedges_total", fmt.Sprintf(`
rota_hedges_total{result="lost",service="web"} %d
rota_hedges_total{result="won",service="web"} %d
`, r.service.stats.hedgesLost.Load(), won))
}

// Who is slow but answers first is heard, and its connection used again; the
// other one's is closed, though it is still silent.
func TestAHedgeThatLoses(t *testing.T) {
	asked := make(chan struct{})
	slow := testkit.StartBackend(t, func(c *testkit.BackendConn) {
		m := c.Request()
		<-asked
		c.Say(testkit.Echo(m))
		c.Serve()
	})
	hung := testkit.StartBackend(t, func(c *testkit.BackendConn) {
		c.Head()
		close(asked)
		c.Hang()
	})
	r := newRigOf(t, Options{}, limits, hedged(onDuty(slow.Addr(), hung.Addr())))
	if response, body := r.do(t, "GET", "/first", nil); response.StatusCode != 200 || body != "GET /first" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
	hung.AwaitEnds(1)
	if won, lost := r.service.stats.hedgesWon.Load(), r.service.stats.hedgesLost.Load(); won != 0 || lost != 1 {
		t.Errorf("%d won and %d lost", won, lost)
	}
	r.finish(t)
	r.blameless(t)
	if slow.Conns() != 1 {
		t.Errorf("%d connections to who has won", slow.Conns())
	}
}

// Who can't serve is not heard while the other one may, and leaves nothing behind.
func TestAHedgeOverWhoCantServe(t *testing.T) {
	asked, said := make(chan struct{}), make(chan struct{})
	busy := testkit.StartBackend(t, func(c *testkit.BackendConn) {
		c.Head()
		<-asked
		c.Say("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
		close(said)
		c.Hang()
	})
	well := testkit.StartBackend(t, func(c *testkit.BackendConn) {
		m := c.Request()
		close(asked)
		<-said
		c.Say(testkit.Echo(m))
		c.Serve()
	})
	r := newRigOf(t, Options{}, limits, hedged(onDuty(busy.Addr(), well.Addr())))
	if response, body := r.do(t, "GET", "/first", nil); response.StatusCode != 200 || body != "GET /first" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
	busy.AwaitEnds(1)
	r.finish(t)
	r.blameless(t)
	if won := r.service.stats.hedgesWon.Load(); won != 1 || well.Conns() != 1 {
		t.Errorf("%d won, with %d connections", won, well.Conns())
	}
}

// A client that leaves ends both lanes, and nobody is to blame.
func TestAClientThatLeavesAContest(t *testing.T) {
	hang := func(c *testkit.BackendConn) { c.Head(); c.Hang() }
	a, b := testkit.StartBackend(t, hang), testkit.StartBackend(t, hang)
	r := newRigOf(t, Options{}, limits, hedged(onDuty(a.Addr(), b.Addr())))
	c := r.dial(t)
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	a.Await(1)
	b.Await(1)
	c.Close()
	a.AwaitEnds(1)
	b.AwaitEnds(1)
	r.finish(t)
	r.blameless(t)
}

// Two lanes carry the same request, however it came, and only one response comes
// of it, with a body of any kind.
func TestBothLanesCarryTheSame(t *testing.T) {
	for name, request := range map[string]string{
		"GET":                 "GET /a/../b?c=d HTTP/1.1\r\nHost: x\r\nAccept: */*\r\nX-A: 1\r\n\r\n",
		"a body":              "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
		"a large body":        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n" + strings.Repeat("x", 40000),
		"behind another":      "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.0":            "GET / HTTP/1.0\r\n\r\n",
		"HEAD":                "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
		"in front of another": "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			hung := testkit.StartBackend(t, func(c *testkit.BackendConn) { c.Request(); c.Hang() })
			well := testkit.StartBackend(t)
			r := newRigOf(t, Options{}, limits, hedged(onDuty(hung.Addr(), well.Addr())))
			c := r.dial(t)
			c.say(request)
			method, _, _ := strings.Cut(strings.TrimSpace(request), " ")
			if response, body := c.answer(t, method); response.StatusCode != 200 || method == "GET" && !strings.HasPrefix(body, "GET /") {
				t.Errorf("answered %d %q", response.StatusCode, body)
			}
			r.finish(t)
			one, other := hung.Seen()[0], well.Seen()[0]
			same := func(s testkit.Seen) string {
				return strings.ReplaceAll(fmt.Sprint(s.Method, s.Target, s.Fields, s.Body, s.Whole), hung.Addr(), well.Addr())
			}
			if same(one) != same(other) {
				t.Errorf("one lane sent\n%+v\nand the other\n%+v", one, other)
			}
		})
	}
}

// echo answers with the target.
func echo(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) }

// A request that takes too long as a whole ends, whatever it waits for: 504 while
// there is no response, and a cut where there is a part of one. Nobody is blamed.
func TestARequestThatTakesTooLong(t *testing.T) {
	hang := func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }
	tests := map[string]struct {
		service *Service
		status  int
	}{
		"no response":         {onDuty(raw(t, hang)), 504},
		"two that are silent": {hedged(onDuty(raw(t, hang), raw(t, hang))), 504},
		"no connection":       {onDuty("192.0.2.1:1"), 504},
		"a pause":             {onDuty(raw(t, resets)), 504},
		"a part of a response": {onDuty(raw(t, func(conn net.Conn) {
			says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")(conn)
			hang(conn)
		})), 200},
		"bytes that drip": {onDuty(raw(t, func(conn net.Conn) {
			says("HTTP/1.1 200 OK\r\n\r\n")(conn)
			drip := time.NewTicker(20 * time.Millisecond)
			defer drip.Stop()
			for range drip.C {
				if _, err := conn.Write([]byte("x")); err != nil {
					return
				}
			}
		})), 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, long := tt.service, limits
			s.Timeout = 100 * time.Millisecond
			s.Retry.Attempts, s.Retry.Backoff = 100, time.Hour
			long.Response, long.Connect = time.Minute, time.Minute
			r := newRigOf(t, Options{}, long, s)
			request, _ := http.NewRequestWithContext(t.Context(), "GET", r.url, nil)
			response, err := r.client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if response.StatusCode != tt.status || (err != nil) != (tt.status == 200) {
				t.Errorf("answered %d %q, %v; want %d", response.StatusCode, body, err, tt.status)
			}
			if tt.status == 504 && !strings.Contains(string(body), "the request took too long") {
				t.Errorf("told as %q", body)
			}
			r.finish(t)
			if name != "a pause" && name != "no connection" { // what came before has failed
				r.blameless(t)
			}
		})
	}
}

// The limit of one request is not that of the next.
func TestALimitIsForOneRequest(t *testing.T) {
	s := onDuty(backend(t, echo))
	s.Timeout = 300 * time.Millisecond
	r := newRigOf(t, Options{}, limits, s)
	for began := time.Now(); time.Since(began) < time.Second; {
		if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 {
			t.Fatalf("answered %d %q", response.StatusCode, body)
		}
	}
}
