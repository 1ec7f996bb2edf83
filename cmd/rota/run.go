package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// startGrace is how long connections wait in the listeners' queues for the
// first answer from discovery, so that the first requests find someone on duty.
const startGrace = 2 * time.Second

// grace is how long the last words may take, once all requests are done: what
// is left of the access log, an answer of the admin listener.
const grace = time.Second

// phase is where in its life a program is.
type phase struct{ atomic.Int32 }

const (
	starting int32 = iota
	serving
	stopping
)

// run serves until ctx is done or an address fails. It stops in the order in
// which things need each other: listeners first, then, when no request is
// under way, what feeds them, and last the admin listener, which tells of it.
func (p *program) run(ctx context.Context, hangups <-chan os.Signal) error {
	// What requests need must outlive the order to stop.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var background sync.WaitGroup
	p.startWork(work, &background)
	background.Go(func() { p.refuseReload(work, hangups) })

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var admin errgroup.Group
	if p.admin != nil {
		admin.Go(func() error {
			defer stop() // without it nobody sees what goes on
			return p.admin.Serve()
		})
		p.logger.Info("admin listening", "address", p.admin.Addr().String())
	}
	err := p.serve(ctx)

	stopWork()
	background.Wait()
	p.closeIdle()
	if p.admin != nil {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		p.admin.Shutdown(last)
		err = errors.Join(err, admin.Wait())
	}
	return err
}

func (p *program) startWork(ctx context.Context, all *sync.WaitGroup) {
	for _, s := range p.services {
		all.Go(func() { s.pool.Run(ctx) })
		all.Go(func() { s.source.Run(ctx, s.pool.Apply) })
	}
	if p.accessLog != nil {
		all.Go(func() { p.runAccessLog(ctx) })
	}
}

// runAccessLog returns soon after ctx is done, even where whoever should take
// the lines does not.
func (p *program) runAccessLog(ctx context.Context) {
	ended := make(chan error, 1)
	var log sync.WaitGroup // not waited for: a write that hangs can't be ended
	log.Go(func() { ended <- p.accessLog.Run(ctx) })
	select {
	case err := <-ended:
		p.logLost(err)
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case err := <-ended:
		p.logLost(err)
	case <-timer.C:
		p.logger.Error("the access log lost lines: nobody takes them")
	}
}

func (p *program) logLost(err error) {
	if err != nil {
		p.logger.Error("the access log lost lines", "error", err)
	}
}

// serve runs the listeners until ctx is done, then drains them.
func (p *program) serve(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	p.awaitServices(ctx, startGrace)
	for _, l := range p.listeners {
		all.Go(func() error {
			if err := l.server.Serve(); err != nil {
				return fmt.Errorf("listen %q: %w", l.name, err)
			}
			return nil
		})
		p.logger.Info("listening", "listener", l.name, "address", l.server.Addr().String())
	}
	all.Go(func() error {
		if p.awaitServices(ctx, 0) {
			p.phase.Store(serving)
			p.logger.Info("ready")
		}
		<-ctx.Done()
		return p.drain(ctx)
	})
	return all.Wait()
}

// drain lets the requests under way finish.
func (p *program) drain(ctx context.Context) error {
	p.phase.Store(stopping)
	p.logger.Info("stopping: no new connections, requests under way finish", "timeout", p.shutdown)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), p.shutdown)
	defer cancel()
	var all errgroup.Group
	for _, l := range p.listeners {
		all.Go(func() error {
			if err := l.server.Shutdown(ctx); err != nil {
				p.logger.Warn("requests were cut off at shutdown_timeout", "listener", l.name, "error", err)
			}
			return nil
		})
	}
	return all.Wait()
}

// awaitServices waits until discovery has told of each service, ctx is done, or
// the limit is over (0: there is none), and reports whether it has.
func (p *program) awaitServices(ctx context.Context, limit time.Duration) bool {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	for _, s := range p.services {
		select {
		case <-s.pool.Ready():
		case <-ctx.Done():
			return false
		}
	}
	return true
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
	for _, s := range p.services {
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

// refuseReload answers SIGHUP, which would otherwise end the process.
func (p *program) refuseReload(ctx context.Context, hangups <-chan os.Signal) {
	for {
		select {
		case <-hangups:
			p.logger.Warn("SIGHUP: this version can't reload its configuration yet; restart it instead")
		case <-ctx.Done():
			return
		}
	}
}

func (p *program) closeIdle() {
	for _, s := range p.services {
		s.upstream.Close()
	}
	if p.consul != nil {
		p.consul.Close()
	}
	if p.accessOut != nil {
		if err := p.accessOut.Close(); err != nil {
			p.logger.Error("closing the access log", "error", err)
		}
	}
}
