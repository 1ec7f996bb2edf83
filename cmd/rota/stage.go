package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/rota-lb/rota/admin"
	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/proxy"
)

// enter puts the next stage in the place of the present one. What comes is
// started first, then requests take the new ways, and what nobody needs any more
// goes last. Nothing of it can fail. New services get until patience is done for their
// first instances, so that the first requests find someone on duty. An heir's admin
// is left to [program.obey].
func (p *program) enter(ctx, patience context.Context, now, next *stage) {
	p.logs.set(next.config.Log)
	inherits := p.heritage != nil && now.config == nil
	if next.admin != nil && next.admin != now.admin && !inherits {
		p.serveAdmin(next.admin)
	}
	if next.consul != nil {
		next.consul.Expect(next.consulSources())
	}
	var fresh []*service
	for _, s := range next.services {
		old := now.service(s.options.Name)
		if old == nil {
			fresh = append(fresh, s)
			p.startService(s)
		} else {
			s.pool.Configure(s.options)
		}
		if old == nil || s.feed != old.feed {
			p.follow(s, old)
		}
	}
	awaitServices(patience, fresh)
	p.turnAccessLog(ctx, next.config.AccessLog, next.accessOut)
	for _, l := range next.listeners {
		if now.has(l.server) {
			l.server.Configure(l.options)
		} else {
			p.serve(l)
		}
	}
	p.stage.Store(next)
	p.leave(ctx, now, next)
}

// leave ends what the present stage has and the next has not.
func (p *program) leave(ctx context.Context, now, next *stage) {
	for _, l := range now.listeners {
		if !next.has(l.server) {
			p.logger.Info("no longer listening", "listener", l.options.Name, "address", l.server.Addr().String())
			p.serving.Go(func() error { p.shut(ctx, l, next.config.ShutdownTimeout); return nil })
		}
	}
	for _, s := range now.services {
		if next.service(s.options.Name) == nil {
			p.retire(s, now.table)
		}
	}
	if now.admin != nil && now.admin != next.admin {
		// It may be answering the very order to go.
		p.background.Go(func() { shutAdmin(ctx, now.admin) })
	}
	if now.consul != nil && now.consul != next.consul {
		p.background.Go(func() {
			for _, s := range now.services {
				if v := next.service(s.options.Name); v == nil || v.feed != s.feed {
					<-s.feed.ended
				}
			}
			now.consul.Close()
		})
	}
}

// retire ends a service that is in no stage any more, when nothing is under way to it:
// until then its requests are tried again and drained as before.
func (p *program) retire(s *service, table *proxy.Table) {
	s.upstream.Close()
	s.feed.rest()
	p.background.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		// Who had found its way when the table went may not be counted yet.
		for quiet := 0; quiet < 10; quiet++ {
			if inFlight(table, s.options.Name) > 0 {
				quiet = 0
			}
			select {
			case <-ticker.C:
			case <-p.work.Done():
			}
			if p.work.Err() != nil {
				break
			}
		}
		s.feed.stop()
		s.end()
	})
}

// inFlight returns how many requests are under way by a table to a service.
func inFlight(t *proxy.Table, service string) int64 {
	for _, s := range t.Services() {
		if s.Name == service {
			return s.InFlight()
		}
	}
	return 0 // no route leads there
}

// turnAccessLog has the access log written where it is to go now, and waits until
// it is, unless whoever takes its lines does not.
func (p *program) turnAccessLog(ctx context.Context, c *config.AccessLog, out io.Writer) {
	format := proxy.AccessJSON
	if c == nil {
		out = io.Discard
	} else {
		format = proxy.AccessFormat(c.Format)
	}
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	select {
	case <-p.accessLog.Reopen(format, out):
	case <-ctx.Done():
	}
}

func (p *program) serveAdmin(s *admin.Server) {
	p.admins.Go(func() error {
		err := s.Serve()
		if err != nil {
			p.stop() // without it nobody sees what goes on
		}
		return err
	})
	p.logger.Info("admin listening", "address", s.Addr().String())
}

// shutAdmin lets admin give its last answers.
func shutAdmin(ctx context.Context, s *admin.Server) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	s.Shutdown(ctx)
}

func (p *program) serve(l *listener) {
	p.serving.Go(func() error {
		if err := l.server.Serve(); err != nil {
			return fmt.Errorf("listen %q: %w", l.options.Name, err)
		}
		return nil
	})
	p.logger.Info("listening", "listener", l.options.Name, "address", l.server.Addr().String())
}

// shut lets the requests of a listener finish. Clients that have nothing under way get
// half the time to ask for something, which is answered with the end of the connection:
// where that just ended, a request that is on its way would be lost. When ctx is done
// somebody waits for this process to end, and they have a second.
func (p *program) shut(ctx context.Context, l *listener, limit time.Duration) {
	calm, cancel := context.WithTimeout(ctx, limit/2)
	defer cancel()
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := l.server.Shutdown(ctx, calm); err != nil {
		p.logger.Warn("requests were cut off at shutdown_timeout", "listener", l.options.Name, "error", err)
	}
}

func (p *program) startService(s *service) {
	ctx, end := context.WithCancel(p.work)
	s.end = end
	p.background.Go(func() { s.pool.Run(ctx) })
}
