package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rota-lb/rota/admin"
	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/proxy"
	"github.com/rota-lb/rota/socket"
)

// program is the process, whatever its configuration is at the moment.
type program struct {
	file      string // of the configuration
	logs      *logs
	logger    hclog.Logger  // the same
	clock     *socket.Clock // of all connections
	accessLog *proxy.AccessLog
	phase     phase
	stage     atomic.Pointer[stage] // never nil; the goroutine of run changes it
	ctx       context.Context       // of what the listeners do: it outlives an order to stop
	reloads   chan chan<- reloaded  // orders that come by admin
	deaf      chan struct{}         // closed when no more orders are taken
	heritage  *heritage             // from the process before; nil where there was none

	// While it runs.
	work       context.Context // done when no request needs anything any more
	background sync.WaitGroup  // what ends with work
	serving    *errgroup.Group // the listeners
	admins     errgroup.Group
	stop       context.CancelFunc // ends the program
}

// phase is where in its life a program is.
type phase struct{ atomic.Int32 }

const (
	starting int32 = iota
	serving
	stopping
)

// wire turns a configuration into a program, with its addresses taken, not
// started yet.
func wire(ctx context.Context, file string, c *config.Config, l *logs, h *heritage) (*program, error) {
	p := &program{
		file: file, logs: l, logger: l, clock: socket.NewClock(),
		accessLog: proxy.NewAccessLog(proxy.AccessJSON, io.Discard),
		// Tunnels live as long as the context that their listener was made with, and
		// an order to stop gives them the same time as requests.
		ctx:      context.WithoutCancel(ctx),
		heritage: h,
		reloads:  make(chan chan<- reloaded), deaf: make(chan struct{}),
	}
	p.stage.Store(new(stage))
	h.read(p.logger)
	first, err := p.plan(c, p.stage.Load())
	if err != nil {
		return nil, err
	}
	h.release()
	p.stage.Store(first)
	return p, nil
}

// awaitServices waits until discovery has told of each service, or ctx is done.
func awaitServices(ctx context.Context, services []*service) {
	for _, s := range services {
		select {
		case <-s.pool.Ready():
		case <-ctx.Done():
			return
		}
	}
}

// unready returns what is closed when a service has been told of that has not
// been yet, and nil where there is none.
func (s *stage) unready() <-chan struct{} {
	for _, v := range s.services {
		select {
		case <-v.pool.Ready():
		default:
			return v.pool.Ready()
		}
	}
	return nil
}

// waiting says what keeps the program from being ready.
func (p *program) waiting() []string {
	switch p.phase.Load() {
	case serving:
		return nil
	case stopping:
		return []string{"stopping"}
	}
	reasons := []string{"starting"}
	for _, s := range p.stage.Load().services {
		select {
		case <-s.pool.Ready():
		default:
			v := s.pool.View()
			reason := fmt.Sprintf("service %q: no answer from %s yet", v.Service, v.Source)
			if v.News.Err != nil {
				reason += ": " + v.News.Err.Error()
			}
			reasons = append(reasons, reason)
		}
	}
	return reasons
}

// viewers returns the services of the moment.
func (p *program) viewers() []admin.Viewer {
	services := p.stage.Load().services
	viewers := make([]admin.Viewer, len(services))
	for i, s := range services {
		viewers[i] = s.pool
	}
	return viewers
}

// metrics are those of the moment.
type metrics struct{ *program }

// Describe is part of [prometheus.Collector]. It describes nothing: what there
// is to tell changes with the configuration.
func (metrics) Describe(chan<- *prometheus.Desc) {}

// Collect is part of [prometheus.Collector].
func (m metrics) Collect(out chan<- prometheus.Metric) {
	s := m.stage.Load()
	s.table.Collect(out)
	for _, v := range s.services {
		v.pool.Collect(out)
	}
	if s.config.AccessLog != nil {
		m.accessLog.Collect(out)
	}
}
