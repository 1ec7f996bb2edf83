// Package pool is the heart of rota: for each service one goroutine, the only
// writer, turns what discovery tells and what the health checks find into the
// next immutable [balancer.Pool], and into a [View] that explains each
// endpoint.
package pool

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// Options describe a service.
type Options struct {
	Name    string
	Source  string // the kind of its source, for the view
	Balance balancer.Algorithm
	Check   health.Spec
	Logger  hclog.Logger
	// Left, which may be nil, is told each address at which an endpoint is no
	// longer found, once nothing is in flight to it. It must not block.
	Left func(address string)
}

// Service is the duty list of one service. All methods are safe for concurrent
// use.
type Service struct {
	options Options

	updates chan discovery.Update
	reports chan health.Report
	stopped chan struct{}
	ready   chan struct{} // closed with the first set

	pool    atomic.Pointer[balancer.Pool]
	view    atomic.Pointer[[]*Endpoint]
	news    atomic.Pointer[News]
	checker atomic.Pointer[health.Checker] // nil until Run
}

// New returns a service without endpoints; [Service.Run] brings it to life.
func New(o Options) *Service {
	s := &Service{
		options: o,
		updates: make(chan discovery.Update),
		reports: make(chan health.Report),
		stopped: make(chan struct{}),
		ready:   make(chan struct{}),
	}
	s.pool.Store(balancer.NewPool(o.Balance, nil, nil))
	s.view.Store(new([]*Endpoint))
	s.news.Store(&News{})
	return s
}

// Name returns the name of the service in the configuration.
func (s *Service) Name() string { return s.options.Name }

// Pool returns the endpoints that may get traffic now. It never returns nil.
func (s *Service) Pool() *balancer.Pool { return s.pool.Load() }

// Ready is closed once discovery has told the service's instances for the
// first time.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Apply hands news from discovery to the writer. It blocks while the writer is
// busy, which coalesces bursts at their source, and returns without effect
// once Run has ended.
func (s *Service) Apply(u discovery.Update) {
	select {
	case s.updates <- u:
	case <-s.stopped:
	}
}

func (s *Service) report(ctx context.Context, r health.Report) {
	select {
	case s.reports <- r:
	case <-ctx.Done():
	}
}

// drainCheck is how often a draining endpoint is looked at for being idle.
// Nobody waits for the answer but the reader of /health.
const drainCheck = 100 * time.Millisecond

// Run is the single writer: it takes news in and publishes pools until ctx is
// done. It must be called once.
func (s *Service) Run(ctx context.Context) {
	checker := health.NewChecker(ctx, s.options.Check, s.report)
	defer checker.Close()
	defer close(s.stopped)
	s.checker.Store(checker)
	w := newWriter(s, checker)
	drain := time.NewTicker(drainCheck)
	defer drain.Stop()
	for {
		idle := drain.C
		if !w.draining() {
			idle = nil
		}
		select {
		case u := <-s.updates:
			w.update(u, time.Now())
		case r := <-s.reports:
			w.checked(r)
		case <-idle:
			w.removeIdle()
		case <-ctx.Done():
			return
		}
		s.takeWaiting(w)
		w.publish()
	}
}

// maxWaiting bounds the events that go into one publication, so that an
// endless stream of them can't hold it back.
const maxWaiting = 1024

// takeWaiting takes in what waits already: the work of publishing is then the
// same for a burst of events as for one.
func (s *Service) takeWaiting(w *writer) {
	for range maxWaiting {
		select {
		case u := <-s.updates:
			w.update(u, time.Now())
		case r := <-s.reports:
			w.checked(r)
		default:
			return
		}
	}
}
