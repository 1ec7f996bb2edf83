package testkit

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// awaitLimit is how long [FaultConsul.Await] waits. A client that backs off
// asks many times within it.
const awaitLimit = 15 * time.Second

// maxScript is how many answers one service may have in store.
const maxScript = 1000

// LeaderPath is where Consul tells who leads it.
const LeaderPath = "/v1/status/leader"

// FaultConsul plays the part of Consul that tells a service's instances,
// /v1/health/service/:name, and gives what answers it is told to give. A
// request for which there is no answer waits for one, as a blocking query does.
// It also tells whether there is a leader: such requests are found under
// [LeaderPath], as if that were a service. Its methods are safe for concurrent
// use.
type FaultConsul struct {
	t       testing.TB
	server  *httptest.Server
	closing chan struct{}

	mu       sync.Mutex
	services map[string]*faultService
	leader   string
}

// faultService is the script of one service, and what was asked of it.
type faultService struct {
	script  chan Answer
	forever *Answer // given while the script has nothing more
	queries []Query
	arrived chan struct{} // closed and made anew when a query arrives
}

// Query is one request as it came in.
type Query struct {
	Index      uint64        // 0 if it asks for an answer at once
	Wait       time.Duration // 0 if none was asked for
	Stale      bool
	Passing    bool
	Tags       []string
	Datacenter string
	Token      string
	At         time.Time // when it came in
}

// StartFaultConsul starts a server that ends with the test.
func StartFaultConsul(t testing.TB) *FaultConsul {
	f := &FaultConsul{t: t, closing: make(chan struct{}), services: map[string]*faultService{}, leader: "127.0.0.1:8300"}
	f.server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(func() {
		close(f.closing)
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

// Addr returns host:port of the server.
func (f *FaultConsul) Addr() string { return f.server.Listener.Addr().String() }

// Script adds answers to what is to be answered to requests for a service, in
// this order. An [Answer.Forever] holds until the next Script.
func (f *FaultConsul) Script(service string, answers ...Answer) {
	f.t.Helper()
	s := f.service(service)
	for _, a := range answers {
		select {
		case s.script <- a:
		default:
			f.t.Fatalf("more than %d answers for service %s", maxScript, service)
		}
	}
}

// SetLeader says whether there is a leader, as there is from the start.
func (f *FaultConsul) SetLeader(exists bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.leader = ""
	if exists {
		f.leader = "127.0.0.1:8300"
	}
}

// Await waits until the n-th request for a service, counted from 1, has come
// in, and returns it.
func (f *FaultConsul) Await(service string, n int) Query {
	f.t.Helper()
	timer := time.NewTimer(awaitLimit)
	defer timer.Stop()
	for {
		f.mu.Lock()
		s := f.locked(service)
		queries, arrived := s.queries, s.arrived
		f.mu.Unlock()
		if len(queries) >= n {
			return queries[n-1]
		}
		select {
		case <-arrived:
		case <-timer.C:
			f.t.Fatalf("request %d for service %s did not come within %s; there were %d", n, service, awaitLimit, len(queries))
		}
	}
}

// Queries returns the requests for a service that have come in so far.
func (f *FaultConsul) Queries(service string) []Query {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Query(nil), f.locked(service).queries...)
}

func (f *FaultConsul) service(name string) *faultService {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.locked(name)
}

func (f *FaultConsul) locked(name string) *faultService {
	s := f.services[name]
	if s == nil {
		s = &faultService{script: make(chan Answer, maxScript), arrived: make(chan struct{})}
		f.services[name] = s
	}
	return s
}

func (f *FaultConsul) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == LeaderPath {
		f.record(LeaderPath, r)
		f.mu.Lock()
		defer f.mu.Unlock()
		fmt.Fprintf(w, "%q", f.leader)
		return
	}
	name, ok := strings.CutPrefix(r.URL.Path, "/v1/health/service/")
	if !ok {
		http.NotFound(w, r)
		return
	}
	s := f.record(name, r)
	if a, ok := f.nextAnswer(s, r); ok {
		a.Serve(w, r)
	}
}

// record keeps a request for Await and Queries.
func (f *FaultConsul) record(name string, r *http.Request) *faultService {
	q := r.URL.Query()
	index, _ := strconv.ParseUint(q.Get("index"), 10, 64)
	wait, _ := time.ParseDuration(q.Get("wait"))
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.locked(name)
	s.queries = append(s.queries, Query{
		Index:      index,
		Wait:       wait,
		Stale:      q.Has("stale"),
		Passing:    q.Has("passing"),
		Tags:       q["tag"],
		Datacenter: q.Get("dc"),
		Token:      r.Header.Get("X-Consul-Token"),
		At:         time.Now(),
	})
	close(s.arrived)
	s.arrived = make(chan struct{})
	return s
}

// nextAnswer returns the answer to a request, waiting for it if need be; there
// is none if the client goes away.
func (f *FaultConsul) nextAnswer(s *faultService, r *http.Request) (Answer, bool) {
	select {
	case a := <-s.script:
		return f.remember(s, a), true
	default:
	}
	f.mu.Lock()
	forever := s.forever
	f.mu.Unlock()
	if forever != nil {
		return *forever, true
	}
	select {
	case a := <-s.script:
		return f.remember(s, a), true
	case <-r.Context().Done():
	case <-f.closing:
	}
	return Answer{}, false
}

// remember notes which answer holds from here on.
func (f *FaultConsul) remember(s *faultService, a Answer) Answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	s.forever = nil
	if a.forever {
		s.forever = &a
	}
	return a
}
