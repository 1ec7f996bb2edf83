package proxy

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

var (
	soakTime = flag.Duration("soak", 3*time.Second, "how long TestSoak lasts")
	soakSeed = flag.Uint64("soak.seed", 0, "what TestSoak begins with; 0 draws it")
)

// The patience of rota in a soak, and that of those who find it to hang.
const (
	soakRead     = 1500 * time.Millisecond
	soakWrite    = 3 * time.Second
	soakResponse = 4 * time.Second
	soakLate     = 2 * time.Second // longer than for a read, shorter than for a response
	soakHang     = 5 * time.Second // longer than any of them
	soakPatience = 30 * time.Second
	soakLag      = 200 * time.Millisecond
)

// soakLong is from when on a soak has time for what takes as long as somebody's
// patience, and must have seen everything.
const soakLong = 2 * time.Minute

const soakClients = 16

// soak is rota between clients and backends of which many do wrong things, as
// chance has it.
type soak struct {
	*ledger
	seed      uint64
	long      bool
	server    *Server
	upstreams map[string]*upstream.Client
	actors    []*actor
	stop      chan struct{}
	stopping  sync.Once
}

// roster is a duty list that changes.
type roster struct{ pool atomic.Pointer[balancer.Pool] }

func (r *roster) Pool() *balancer.Pool { return r.pool.Load() }

// rng returns the source of chance for one of many.
func (s *soak) rng(who string, n uint64) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, who, n)
	return rand.New(rand.NewPCG(s.seed, h.Sum64()))
}

// stopped reports whether the soak is to end.
func (s *soak) stopped() bool {
	select {
	case <-s.stop:
		return true
	default:
		return false
	}
}

// Each whole answer is that to the client's own request, each body as it was
// sent, and nothing that was cut off comes as a whole, whatever backends and
// clients do. Those who do nothing wrong notice nothing. At the end nothing is
// left.
func TestSoak(t *testing.T) {
	s := &soak{seed: *soakSeed, long: *soakTime >= soakLong, stop: make(chan struct{}), upstreams: map[string]*upstream.Client{}}
	if s.seed == 0 {
		s.seed = rand.Uint64()
	}
	t.Logf("once more: go test -race -run 'TestSoak$' ./proxy -soak %v -soak.seed %d", *soakTime, s.seed)
	end := func() { s.stopping.Do(func() { close(s.stop) }) }
	before := takeStock()
	goroutines := goleak.IgnoreCurrent()

	s.ledger = newLedger(t, end)
	t.Run("running", func(t *testing.T) { s.run(t, end) })
	s.report()
	if s.long && !t.Failed() {
		s.sawAll(t)
	}
	s.ledger, s.actors, s.server, s.upstreams = nil, nil, nil, nil
	if err := goleak.Find(goroutines); err != nil {
		t.Error(err)
	}
	before.compare(t, takeStock())
}

// soakRetry has a budget for as many faults as there are here.
var soakRetry = Retry{
	Attempts: 4, Connect: true, Reset: true, Timeout: true, Budget: 100, MinPerSecond: 1000, Backoff: 10 * time.Millisecond,
}

var soakHedge = Hedge{Attempts: 1, MinDelay: 2 * time.Millisecond, UnknownDelay: 5 * time.Millisecond}

// run has clients, backends and changes of the pools for as long as it lasts.
func (s *soak) run(t *testing.T, end func()) {
	services := map[string]*roster{"calm": {}, "wild": {}}
	clock := newClock(t)
	log, stopLog := logTo(t, AccessJSON, s.ledger)
	var routes []Route
	for _, name := range []string{"calm", "wild"} {
		client := upstream.New(upstream.Options{Connect: soakResponse, Response: soakResponse, Stall: soakWrite, Clock: clock})
		s.upstreams[name] = client
		routes = append(routes, Route{Host: name + ".test", PathPrefix: "/", Service: &Service{
			Name: name, Duty: services[name], Upstream: client, Retry: soakRetry, Hedge: soakHedge,
		}})
	}
	var err error
	s.server, err = Listen(t.Context(), Options{
		Name: "soak", Address: "127.0.0.1:0", ReadTimeout: soakRead, WriteTimeout: soakWrite, IdleTimeout: soakResponse,
		Routes: NewTable(routes, nil), AccessLog: log, Clock: clock, Logger: s.logger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve() }()
	var changing, asking sync.WaitGroup
	for name, r := range services {
		var actors []*actor
		for i := range 4 {
			a := &actor{soak: s, name: fmt.Sprint(name, i), service: name, wild: name == "wild" && i > 0}
			a.endpoint = balancer.NewEndpoint(a.name, a.listen(), nil)
			actors = append(actors, a)
		}
		s.actors = append(s.actors, actors...)
		change := s.changer(name, r, actors)
		change()
		changing.Go(func() {
			for rng := s.rng("pace of "+name, 0); !s.stopped(); change() {
				pause(s.stop, time.Duration(5+rng.IntN(150))*time.Millisecond)
			}
		})
	}
	for i := range soakClients {
		asking.Go(func() {
			for n := uint64(i); !s.stopped(); n += soakClients {
				s.session(i, s.rng("session", n))
			}
		})
	}
	changing.Go(func() { s.watch(s.stop) })
	pause(s.stop, *soakTime)
	end()
	asking.Wait()
	changing.Wait()
	s.finish(t, served, stopLog)
}

// changer returns what makes the next pool of a service: endpoints come, go, and
// move.
func (s *soak) changer(name string, r *roster, actors []*actor) func() {
	rng := s.rng("changes of "+name, 0)
	turn, nobody := new(balancer.Turn), balancer.NewEndpoint("nobody", dead, nil)
	return func() {
		var members []balancer.Member
		kept := 50
		if name == "wild" {
			kept = 1
		}
		for _, a := range actors {
			switch {
			case rng.IntN(10) == 0:
				s.count("pool: an endpoint moves")
				a.move(kept)
				fallthrough
			case rng.IntN(4) > 0:
				members = append(members, balancer.Member{Endpoint: a.endpoint, Weight: 1 + rng.IntN(3)})
			default:
				s.count("pool: an endpoint leaves")
				s.upstreams[name].Leave(a.endpoint.Address())
			}
		}
		switch {
		case name == "wild" && rng.IntN(50) == 0:
			s.count("pool: nobody is on duty")
			members = nil
		case name == "wild" && rng.IntN(10) == 0:
			s.count("pool: an endpoint is dead")
			members = append(members, balancer.Member{Endpoint: nobody, Weight: 1})
		case len(members) == 0:
			members = append(members, balancer.Member{Endpoint: actors[0].endpoint, Weight: 1})
		}
		algorithms := []balancer.Algorithm{balancer.RoundRobin, balancer.LeastRequest, balancer.EWMA, balancer.Random}
		r.pool.Store(balancer.NewPool(algorithms[rng.IntN(len(algorithms))], balancer.NewMembers(members...), turn))
	}
}

// finish ends rota and then the backends, and looks for what is still under way.
func (s *soak) finish(t *testing.T, served chan error, stopLog func() error) {
	ctx, cancel := context.WithTimeout(context.Background(), soakPatience)
	defer cancel()
	if err := s.server.Shutdown(ctx, atOnce); err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if err := <-served; err != nil {
		t.Errorf("serve: %v", err)
	}
	for _, client := range s.upstreams {
		client.Close()
	}
	for _, a := range s.actors {
		a.end()
		if n := a.endpoint.InFlight(); n != 0 {
			t.Errorf("%s has %d requests in flight", a.name, n)
		}
	}
	for _, service := range append(s.server.options().Routes.Services(), s.server.options().Routes.unrouted) {
		if n := service.InFlight(); n != 0 {
			t.Errorf("service %q has %d requests in flight", service.Name, n)
		}
	}
	if err := stopLog(); err != nil {
		t.Error(err)
	}
}

// logger returns a log in which a mistake is a breach.
func (s *soak) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: mistakes{s}})
}

type mistakes struct{ *soak }

func (m mistakes) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("[ERROR]")) {
		m.breach(breach(p), "rota", nil)
	}
	return len(p), nil
}

// stock is what a process holds.
type stock struct {
	descriptors int
	heap        uint64
}

func takeStock() stock {
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	files, _ := os.ReadDir("/proc/self/fd") // none elsewhere
	return stock{len(files), m.HeapAlloc}
}

func (before stock) compare(t *testing.T, after stock) {
	t.Logf("before: %+v, after: %+v", before, after)
	if after.descriptors > before.descriptors {
		t.Errorf("%d descriptors are left", after.descriptors-before.descriptors)
	}
	if after.heap > before.heap+8<<20 {
		t.Errorf("%d KB of memory are left", (after.heap-before.heap)>>10)
	}
}

// sawAll fails a long soak in which something did not happen.
func (s *soak) sawAll(t *testing.T) {
	var want []string
	for _, f := range flaws {
		if f.name != "tunnel" {
			want = append(want, "backend: "+f.name)
		}
	}
	for _, f := range clientFlaws {
		want = append(want, "client: "+f)
	}
	for _, status := range []int{400, 408, 431, 502, 503, 504} {
		want = append(want, fmt.Sprintf("client: gets %d of rota's own", status))
	}
	for fault := upstream.Unreachable; fault < upstream.OwnLimit; fault++ {
		// Addresses here answer or refuse, and there are no limits that one can set.
		if fault != upstream.ConnectTimeout && fault != upstream.Expired && fault != upstream.Limited {
			want = append(want, "fault: "+fault.String())
		}
	}
	want = append(want, soakWants...)
	slices.Sort(want)
	for _, what := range want {
		if s.counts[what] == 0 {
			t.Errorf("it never happened: %s", what)
		}
	}
}

// soakWants is what must happen beside flaws and refusals.
var soakWants = []string{
	"backend: answers before it listens", "backend: answers late", "backend: answers late through a tunnel",
	"backend: answers while it listens", "backend: asks for the body", "backend: closes a new connection",
	"backend: closes an idle connection", "backend: gets a request again", "backend: gets but a part of a body",
	"backend: informs", "backend: resets a new connection", "backend: resets a tunnel", "client: gets a part of the answer",
	"client: gets a part of the tunnel", "client: gets chunked as chunked", "client: gets chunked as until close",
	"client: gets no answer, by its own doing", "client: gets none as none", "client: gets sized as sized",
	"client: gets the whole answer", "client: gets the whole tunnel", "client: gets until close as chunked",
	"client: gets until close as until close", "client: hesitates", "client: is informed", "client: may go on",
	"pool: an endpoint leaves", "pool: an endpoint moves",
}
