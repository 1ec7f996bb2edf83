package main

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// startGrace is how long connections wait in the listeners' queues for the
// first answer from discovery, so that the first requests find someone on duty.
const startGrace = 2 * time.Second

// grace is how long the last words may take, once all requests are done: what
// is left of the access log, an answer of the admin listener.
const grace = time.Second

// run serves until ctx is done or an address fails. It stops in the order in
// which things need each other: listeners first, then, when no request is
// under way, what feeds them, and last the admin listener, which tells of it.
func (p *program) run(ctx context.Context, orders <-chan os.Signal) error {
	// What requests need must outlive the order to stop.
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	ctx, p.stop = context.WithCancel(ctx)
	defer p.stop()
	p.work = work
	p.serving, ctx = errgroup.WithContext(ctx)
	p.background.Go(func() { p.clock.Run(work) })
	p.background.Go(func() { p.runAccessLog(work) })

	patience, cancel := p.patience(ctx)
	p.enter(ctx, patience, new(stage), p.stage.Load())
	cancel()
	if heir := p.obey(ctx, orders); heir != nil {
		p.background.Go(func() { passOn(work, orders, heir) })
		for _, s := range p.stage.Load().services {
			s.feed.rest()
		}
		// From now on it is the other's to answer there.
		if admin := p.stage.Load().admin; admin != nil {
			shutAdmin(ctx, admin)
		}
	}
	p.drain(ctx)
	err := p.serving.Wait()

	stopWork()
	p.background.Wait()
	p.closeIdle()
	if admin := p.stage.Load().admin; admin != nil {
		shutAdmin(ctx, admin)
	}
	return errors.Join(err, p.admins.Wait())
}

// obey carries out orders until ctx is done, or another process has taken over,
// which it returns. It tells when the program is ready. An heir answers on admin
// from here on: both processes accept there, and until now the other one served.
func (p *program) obey(ctx context.Context, orders <-chan os.Signal) (heir *os.Process) {
	defer close(p.deaf)
	for first := true; ; first = false {
		unready := p.stage.Load().unready()
		ready := unready == nil && p.phase.CompareAndSwap(starting, serving)
		if admin := p.stage.Load().admin; first && p.heritage != nil && admin != nil {
			p.serveAdmin(admin)
		}
		if ready {
			p.logger.Info("ready")
			p.heritage.tellReady()
		}
		// systemd would end a start that waits for Consul for long, though it serves. An
		// heir is told of by the process before.
		if first && p.heritage == nil || ready && p.heritage != nil {
			p.notify("READY=1")
		}
		select {
		case <-unready:
		case order := <-orders:
			if order == syscall.SIGHUP {
				_, _ = p.reload(ctx) // the log tells
			} else if heir := p.upgrade(ctx); heir != nil {
				return heir
			}
		case answer := <-p.reloads:
			report, err := p.reload(ctx)
			answer <- reloaded{report, err}
		case <-ctx.Done():
			p.notify("STOPPING=1")
			return nil
		}
	}
}

// runAccessLog returns soon after ctx is done, even where whoever should take
// the lines does not.
func (p *program) runAccessLog(ctx context.Context) {
	ended := make(chan struct{})
	var log sync.WaitGroup // not waited for: a write that hangs can't be ended
	log.Go(func() {
		defer close(ended)
		p.accessLog.Run(ctx, func(err error) {
			p.logger.Error("the access log loses lines until it can be written to again", "error", err)
		})
	})
	<-ctx.Done()
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-ended:
	case <-timer.C:
		p.logger.Error("the access log lost lines: nobody takes them")
	}
}

// drain lets the requests under way finish. A connection to a backend is not kept for
// others: where a backend takes few, they are the next process's.
func (p *program) drain(ctx context.Context) {
	s := p.stage.Load()
	limit := s.config.ShutdownTimeout
	p.phase.Store(stopping)
	p.logger.Info("stopping: no new connections, requests under way finish", "timeout", limit)
	for _, l := range s.listeners {
		p.serving.Go(func() error { p.shut(ctx, l, limit); return nil })
	}
	for _, v := range s.services {
		v.upstream.Close()
	}
}

func (p *program) closeIdle() {
	s := p.stage.Load()
	if s.consul != nil {
		s.consul.Close()
	}
	if err := p.accessLog.Close(); err != nil {
		p.logger.Error("closing the access log", "error", err)
	}
}
