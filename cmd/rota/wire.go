package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rota-lb/rota/admin"
	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/discovery/consul"
	"github.com/rota-lb/rota/discovery/static"
	"github.com/rota-lb/rota/health"
	"github.com/rota-lb/rota/pool"
	"github.com/rota-lb/rota/proxy"
	"github.com/rota-lb/rota/upstream"
)

// program is everything that runs, wired and with its addresses taken, not
// started yet.
type program struct {
	logger    hclog.Logger
	services  []service
	consul    *consul.Client // nil where no service needs it
	accessLog *proxy.AccessLog
	accessOut io.Closer // nil where there is none to close
	listeners []listener
	admin     *admin.Server // nil where it is off
	shutdown  time.Duration
	phase     phase
}

// service is one service with its neighbours up and down the line.
type service struct {
	pool     *pool.Service
	source   discovery.Source
	upstream *upstream.Client
}

type listener struct {
	name   string
	server *proxy.Server
}

// wire turns a configuration into a program. After an error the process is
// expected to end: addresses taken by then stay taken.
func wire(ctx context.Context, c *config.Config, logger hclog.Logger) (*program, error) {
	// Tunnels live as long as the context that their listener was made with, and
	// an order to stop gives them the same time as requests.
	ctx = context.WithoutCancel(ctx)
	p := &program{logger: logger, shutdown: c.ShutdownTimeout}
	if c.StateDir != "" {
		logger.Warn("state_dir is set, but this version keeps no snapshots yet")
	}
	if err := p.wireServices(c); err != nil {
		return nil, err
	}
	if err := p.wireAccessLog(c.AccessLog); err != nil {
		return nil, err
	}
	table := p.table(c.Routes)
	if err := p.listen(ctx, c.Listens, table); err != nil {
		return nil, err
	}
	return p, p.listenAdmin(ctx, c.Admin, table)
}

func (p *program) wireServices(c *config.Config) error {
	for _, s := range c.Services {
		source, err := p.source(s.Discover, c.Consul)
		if err != nil {
			return fmt.Errorf("service %q: %w", s.Name, err)
		}
		u := upstream.New(upstream.Options{
			Connect: s.Timeouts.Connect, Response: s.Timeouts.Response, Stall: s.Timeouts.Stall,
		})
		p.services = append(p.services, service{
			source:   source,
			upstream: u,
			pool: pool.New(pool.Options{
				Name: s.Name, Source: s.Discover.Kind, Balance: balancer.Algorithm(s.Balance),
				Check: checkSpec(s.HealthCheck), Logger: p.logger, Left: u.Leave,
			}),
		})
	}
	return nil
}

func (p *program) source(d config.Discover, c config.Consul) (discovery.Source, error) {
	if d.Kind == config.DiscoverStatic {
		return static.New(d.URLs), nil
	}
	if p.consul == nil {
		client, err := consul.NewClient(consul.Options{
			Address: c.Address, TokenFile: c.TokenFile, Datacenter: c.Datacenter, Logger: p.logger,
		})
		if err != nil {
			return nil, err
		}
		p.consul = client
	}
	return p.consul.Source(consul.Watch{Service: d.Name, Tags: d.Tags, TaggedAddress: d.TaggedAddress}), nil
}

func checkSpec(c config.HealthCheck) health.Spec {
	s := health.Spec{
		Path: c.Path, Host: c.Host, Interval: c.Interval, Timeout: c.Timeout,
		HealthyAfter: c.HealthyAfter, UnhealthyAfter: c.UnhealthyAfter,
	}
	for _, r := range c.ExpectStatus {
		s.Expect = append(s.Expect, health.StatusRange(r))
	}
	return s
}

func (p *program) wireAccessLog(c *config.AccessLog) error {
	if c == nil {
		return nil
	}
	var out io.Writer = os.Stdout
	if c.Path != "" {
		file, err := os.OpenFile(c.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return fmt.Errorf("access_log: %w", err)
		}
		out, p.accessOut = file, file
	}
	p.accessLog = proxy.NewAccessLog(proxy.AccessFormat(c.Format), out)
	return nil
}

func (p *program) table(routes []config.Route) *proxy.Table {
	targets := map[string]*proxy.Service{}
	for _, s := range p.services {
		targets[s.pool.Name()] = &proxy.Service{Name: s.pool.Name(), Duty: s.pool, Upstream: s.upstream}
	}
	table := make([]proxy.Route, len(routes))
	for i, r := range routes {
		table[i] = proxy.Route{Host: r.Host, PathPrefix: r.PathPrefix, Service: targets[r.Service]}
	}
	return proxy.NewTable(table)
}

func (p *program) listen(ctx context.Context, listens []config.Listen, table *proxy.Table) error {
	viewers := p.viewers()
	for _, l := range listens {
		server, err := proxy.Listen(ctx, proxy.Options{
			Name: l.Name, Address: l.Address,
			ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, IdleTimeout: l.IdleTimeout,
			HealthPath: l.HealthPath,
			Health:     func() (int, []byte) { return admin.Health(viewers, time.Now()) },
			Routes:     table, AccessLog: p.accessLog, Logger: p.logger,
		})
		if err != nil {
			return listenError(fmt.Sprintf("listen %q", l.Name), l.Address, err)
		}
		p.listeners = append(p.listeners, listener{l.Name, server})
	}
	return nil
}

func (p *program) listenAdmin(ctx context.Context, c config.Admin, table *proxy.Table) error {
	if c.Address == "" {
		return nil
	}
	collectors := []prometheus.Collector{table}
	for _, s := range p.services {
		collectors = append(collectors, s.pool)
	}
	if p.accessLog != nil {
		collectors = append(collectors, p.accessLog)
	}
	server, err := admin.Listen(ctx, admin.Options{
		Address: c.Address, Services: p.viewers(), Waiting: p.waiting,
		Collectors: collectors, Version: version, Logger: p.logger,
	})
	if err != nil {
		return listenError("admin", c.Address, err)
	}
	p.admin = server
	return nil
}

func (p *program) viewers() []admin.Viewer {
	viewers := make([]admin.Viewer, len(p.services))
	for i, s := range p.services {
		viewers[i] = s.pool
	}
	return viewers
}

// listenError says what to do about an address that can't be had.
func listenError(block, address string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is taken by another process; stop that or choose another address", block, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: no permission to listen on %s; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE", block, address)
	default:
		return fmt.Errorf("%s: %w", block, err)
	}
}

func newLogger(c config.Log, out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name: "rota", Level: hclog.LevelFromString(c.Level), JSONFormat: c.Format == "json", Output: out,
	})
}

// adoptStandardLog takes in what net/http, which has no other way, says of odd
// backends there. Backends must not be able to fill our log.
func adoptStandardLog(logger hclog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logger.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}))
}
