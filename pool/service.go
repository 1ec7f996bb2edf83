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

// Options describe a service. [Service.Configure] may change what is not said
// to stay.
type Options struct {
	Name      string // stays
	Source    string // the kind of its source, for the view
	Balance   balancer.Algorithm
	Check     health.Spec
	Outlier   health.OutlierSpec
	SlowStart SlowStart
	Locality  Locality
	// PanicBelow is the percentage of those that could serve below which those
	// that are out for their health alone get traffic too; 0: only where nobody
	// serves.
	PanicBelow int
	// Inherited is what another process has learned of the endpoints that are in the
	// first set. It must not be used any more, and stays.
	Inherited map[string]Learned
	// DrainTimeout is for how long requests may stay in flight to an endpoint that
	// drains; 0: for ever.
	DrainTimeout time.Duration
	Logger       hclog.Logger // stays

	// These hear of addresses. They must not block, may be nil, and stay.

	// Drain is told where an endpoint begins to drain.
	Drain func(address string)
	// Cut is to end the requests in flight to an address, and returns how many
	// connections those had.
	Cut func(address string) int
	// Left is told where an endpoint is no longer found, and nothing is in flight
	// to it.
	Left func(address string)
}

// Service is the duty list of one service. All methods are safe for concurrent
// use.
type Service struct {
	options Options // as at the start; what may change is the writer's

	configs chan Options
	updates chan discovery.Update
	reports chan health.Report
	stopped chan struct{}
	ready   chan struct{} // see Ready

	asked       chan chan<- map[string]Learned
	failures    chan failure
	consecutive atomic.Int64 // failures that are worth a notice; 0: none are
	ejections   [health.Flapping + 1]atomic.Uint64

	pool    atomic.Pointer[balancer.Pool]
	shown   atomic.Pointer[shown]
	news    atomic.Pointer[News]
	checker atomic.Pointer[health.Checker] // nil until Run
}

// New returns a service without endpoints; [Service.Run] brings it to life.
func New(o Options) *Service {
	s := &Service{
		options: o,
		configs: make(chan Options),
		updates: make(chan discovery.Update),
		reports: make(chan health.Report),
		stopped: make(chan struct{}),
		ready:   make(chan struct{}),

		asked:    make(chan chan<- map[string]Learned),
		failures: make(chan failure, maxFailures),
	}
	s.pool.Store(balancer.NewPool(o.Balance, balancer.Members{}, nil))
	s.shown.Store(new(shown))
	s.news.Store(&News{kind: o.Source})
	return s
}

// Name returns the name of the service in the configuration.
func (s *Service) Name() string { return s.options.Name }

// Pool returns the endpoints that may get traffic now. It never returns nil.
func (s *Service) Pool() *balancer.Pool { return s.pool.Load() }

// Ready is closed once discovery has told the service's instances for the
// first time. Where they are of a snapshot, their first checks are waited for,
// but no longer than half a second.
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

// Configure has the service go by other options. What is known of its endpoints
// stays. It returns once the writer has the options, and without effect once Run
// has ended.
func (s *Service) Configure(o Options) {
	select {
	case s.configs <- o:
	case <-s.stopped:
	}
}

func (s *Service) report(ctx context.Context, r health.Report) {
	select {
	case s.reports <- r:
	case <-ctx.Done():
	}
}

// tick is how often a draining endpoint is looked at for being idle, and checks
// for having taken too long. Nobody waits for the former but the reader of
// /health.
const tick = 100 * time.Millisecond

// Run is the single writer: it takes news in and publishes pools until ctx is
// done. It must be called once.
func (s *Service) Run(ctx context.Context) {
	checker := health.NewChecker(ctx, s.options.Check, s.report)
	defer checker.Close()
	defer close(s.stopped)
	s.checker.Store(checker)
	w := newWriter(s, checker)
	defer w.outliers.alarm.Stop()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		ticks := ticker.C
		if !w.draining() && !w.proving() && len(w.ramping) == 0 {
			ticks = nil
		}
		select {
		case u := <-s.updates:
			w.update(u, time.Now())
		case r := <-s.reports:
			w.checked(r)
		case f := <-s.failures:
			w.failing(f, time.Now())
		case now := <-w.outliers.alarm.C:
			w.alarmed(now)
		case answer := <-s.asked:
			answer <- w.learned(time.Now())
		case o := <-s.configs:
			w.configure(o)
		case now := <-ticks:
			w.removeIdle()
			w.rampUp(now)
		case <-ctx.Done():
			return
		}
		s.takeWaiting(w)
		now := time.Now()
		w.publish(now)
		w.prove(now)
		w.cutDrained(now)
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
