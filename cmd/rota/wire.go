package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rota-lb/rota/admin"
	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/discovery/consul"
	"github.com/rota-lb/rota/discovery/snapshot"
	"github.com/rota-lb/rota/health"
	"github.com/rota-lb/rota/pool"
	"github.com/rota-lb/rota/proxy"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// stage is everything that runs by one configuration. Once it has been entered
// it does not change: a reload plans the next one, and carries over what stays.
type stage struct {
	config    *config.Config
	consul    *consul.Client // nil where no service needs it
	services  []*service     // in the order of the configuration
	table     *proxy.Table
	listeners []*listener
	admin     *admin.Server // nil where it is off
	accessOut io.Writer     // to be handed to the access log; nil where there is none
}

// service is one service with its neighbours up and down the line.
type service struct {
	pool     *pool.Service
	options  pool.Options
	upstream *upstream.Client
	timeout  time.Duration
	retry    proxy.Retry
	hedge    proxy.Hedge
	circuit  config.CircuitBreaker
	breaker  *proxy.Breaker // for circuit, and with its state
	feed     *feed
	end      context.CancelFunc // ends the pool's writer
}

// listener is an address that takes requests.
type listener struct {
	server  *proxy.Server
	options proxy.Options
}

// plan makes the stage for a configuration, with what stays of the present one.
// It takes what can be refused (addresses, files), and starts and changes
// nothing. After an error nothing is left of it.
func (p *program) plan(c *config.Config, now *stage) (*stage, error) {
	next := &stage{config: c}
	if err := p.planAll(next, now); err != nil {
		p.discard(next, now)
		return nil, err
	}
	return next, nil
}

func (p *program) planAll(next, now *stage) (err error) {
	c := next.config
	if c.StateDir != "" {
		// Without it rota is still of use.
		if err := snapshot.Prepare(c.StateDir); err != nil {
			p.logger.Warn("state_dir can't be used, so there is nothing to start from without Consul: make it a folder that this user may write to", "error", err)
		}
	}
	if now.consul != nil && reflect.DeepEqual(c.Consul, now.config.Consul) {
		next.consul = now.consul
	}
	for i := range c.Services {
		if err := p.planService(&c.Services[i], next, now); err != nil {
			return fmt.Errorf("service %q: %w", c.Services[i].Name, err)
		}
	}
	if next.accessOut, err = openAccessLog(c.AccessLog); err != nil {
		return err
	}
	next.table = next.newTable(now.table)
	if err := p.planListeners(next, now); err != nil {
		return err
	}
	return p.planAdmin(next, now)
}

func (p *program) planService(s *config.Service, next, now *stage) error {
	o := upstream.Options{
		Connect: s.Timeouts.Connect, Response: s.Timeouts.Response, Stall: s.Timeouts.Stall,
		MaxConns: s.CircuitBreaker.EndpointMaxConnections,
		Clock:    p.clock,
	}
	v := new(service)
	old := now.service(s.Name)
	if old != nil {
		*v = *old
		v.upstream = old.upstream.With(o)
	} else {
		v.upstream = upstream.New(o)
	}
	next.services = append(next.services, v)
	if v.circuit != s.CircuitBreaker {
		v.circuit, v.breaker = s.CircuitBreaker, breaker(s.Name, s.CircuitBreaker, p.logger)
	}
	v.timeout, v.retry, v.hedge = s.Timeouts.Request, retry(s.Retry), proxy.Hedge(s.Hedge)
	v.options = pool.Options{
		Name: s.Name, Source: s.Discover.Kind, Balance: balancer.Algorithm(s.Balance),
		Check: checkSpec(s.HealthCheck), Outlier: outlierSpec(s.Outlier), SlowStart: pool.SlowStart(s.SlowStart), PanicBelow: s.PanicBelow,
		Locality:     locality(s.Locality),
		Logger:       p.logger,
		DrainTimeout: s.DrainTimeout, Drain: v.upstream.Drain, Cut: v.upstream.Cut, Left: v.upstream.Leave,
	}
	var l legacy
	if old == nil {
		l = p.legacy(s, now)
		v.options.Inherited = l.Endpoints
		v.pool = pool.New(v.options)
	}
	return p.planFeed(s, v, l.memory(), next, now)
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

func retry(c config.Retry) proxy.Retry {
	r := proxy.Retry{
		Attempts: c.Attempts, Budget: c.Budget, MinPerSecond: c.MinPerSecond,
		PerTry: c.PerTryTimeout, Backoff: c.Backoff,
	}
	for _, on := range c.On {
		switch on {
		case config.RetryConnect:
			r.Connect = true
		case config.RetryReset:
			r.Reset = true
		case config.RetryTimeout:
			r.Timeout = true
		default:
			status, _ := strconv.Atoi(on) // it is one, or would not be there
			r.Statuses = append(r.Statuses, status)
		}
	}
	return r
}

// locality says where rota is. Consul's agents call their node by the name of the
// host, unless they are told otherwise.
func locality(c config.Locality) pool.Locality {
	l := pool.Locality(c)
	if l.Node == "" {
		l.Node, _ = os.Hostname() // nothing is near where nobody knows the name
	}
	return l
}

func outlierSpec(c config.Outlier) health.OutlierSpec {
	return health.OutlierSpec{
		Consecutive: c.Consecutive, Deviations: c.SuccessRateDeviations,
		LatencyFactor: c.LatencyFactor, LatencyFloor: c.LatencyFloor,
		MinHosts: c.MinHosts, MinRequests: c.MinRequests, Interval: c.Interval,
		BaseEjection: c.BaseEjection, MaxEjection: c.MaxEjection, MaxEjected: c.MaxEjected,
	}
}

// openAccessLog returns what the access log is to write to, nil where there is
// none.
func openAccessLog(c *config.AccessLog) (io.Writer, error) {
	switch {
	case c == nil:
		return nil, nil
	case c.Path == "":
		return struct{ io.Writer }{os.Stdout}, nil // which is not ours to close
	}
	file, err := os.OpenFile(c.Path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
	if err != nil {
		return nil, fmt.Errorf("access_log: %w", err)
	}
	return file, nil
}

func (s *stage) newTable(before *proxy.Table) *proxy.Table {
	targets := map[string]*proxy.Service{}
	for _, v := range s.services {
		targets[v.options.Name] = &proxy.Service{Name: v.options.Name, Duty: v.pool, Upstream: v.upstream, Timeout: v.timeout, Retry: v.retry, Hedge: v.hedge, Breaker: v.breaker}
	}
	table := make([]proxy.Route, len(s.config.Routes))
	for i, r := range s.config.Routes {
		table[i] = proxy.Route{Host: r.Host, PathPrefix: r.PathPrefix, Service: targets[r.Service]}
	}
	return proxy.NewTable(table, before)
}

func (p *program) planListeners(next, now *stage) error {
	for _, l := range next.config.Listens {
		o := proxy.Options{
			Name: l.Name, Address: l.Address,
			ReadTimeout: l.ReadTimeout, WriteTimeout: l.WriteTimeout, IdleTimeout: l.IdleTimeout,
			TrustedProxies: l.TrustedProxies,
			HealthPath:     l.HealthPath,
			Health:         func() (int, []byte) { return admin.Health(p.viewers(), time.Now()) },
			Routes:         next.table, Clock: p.clock, Logger: p.logger,
		}
		if next.config.AccessLog != nil {
			o.AccessLog = p.accessLog
		}
		server := now.listening(l.Name, l.Address)
		if server == nil {
			var err error
			block := fmt.Sprintf("listen %q", l.Name)
			o.Listener = p.heritage.take(listenAddress{block, l.Address})
			if server, err = proxy.Listen(p.ctx, o); err != nil {
				return listenError(block, l.Address, now, err)
			}
		}
		next.listeners = append(next.listeners, &listener{server, o})
	}
	return nil
}

func (p *program) planAdmin(next, now *stage) error {
	address := next.config.Admin.Address
	switch {
	case address == "":
		return nil
	case now.admin != nil && address == now.config.Admin.Address:
		next.admin = now.admin
		return nil
	}
	server, err := admin.Listen(p.ctx, admin.Options{
		Address: address, Listener: p.heritage.take(listenAddress{"admin", address}), Services: p.viewers, Waiting: p.waiting,
		Collectors: []prometheus.Collector{metrics{p}}, Reload: p.askReload, Version: version, Logger: p.logger,
	})
	if err != nil {
		return listenError("admin", address, now, err)
	}
	next.admin = server
	return nil
}

// discard closes what was taken for a stage that is not entered.
func (p *program) discard(s, now *stage) {
	for _, v := range s.services {
		if now.service(v.options.Name) == nil {
			v.upstream.Close()
		}
	}
	if file, ok := s.accessOut.(io.Closer); ok {
		_ = file.Close() // nothing was written
	}
	for _, l := range s.listeners {
		if !now.has(l.server) {
			_ = l.server.Discard() // hardly anybody has connected
		}
	}
}

// service returns the service of that name, nil where there is none.
func (s *stage) service(name string) *service {
	i := slices.IndexFunc(s.services, func(v *service) bool { return v.options.Name == name })
	if i < 0 {
		return nil
	}
	return s.services[i]
}

// listening returns what listens on an address, nil where nothing does. Any free
// port is another one for each name.
func (s *stage) listening(name, address string) *proxy.Server {
	_, port, _ := net.SplitHostPort(address) // it was validated
	for _, l := range s.listeners {
		if l.options.Address == address && (port != "0" || l.options.Name == name) {
			return l.server
		}
	}
	return nil
}

func (s *stage) has(server *proxy.Server) bool {
	return slices.ContainsFunc(s.listeners, func(l *listener) bool { return l.server == server })
}

// overlaps reports whether the port of an address is one that is listened on.
func (s *stage) overlaps(address string) bool {
	_, port, _ := net.SplitHostPort(address)
	has := func(a net.Addr) bool { return port == strconv.Itoa(a.(*net.TCPAddr).Port) }
	return s.admin != nil && has(s.admin.Addr()) ||
		slices.ContainsFunc(s.listeners, func(l *listener) bool { return has(l.server.Addr()) })
}

// listenError says what to do about an address that can't be had.
func listenError(block, address string, now *stage, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && now.overlaps(address):
		return fmt.Errorf("%s: %s overlaps with an address that rota itself listens on; have that use another port first, and change it to this with another reload", block, address)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s: %s is taken by another process; stop that or choose another address", block, address)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s: no permission to listen on %s; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE", block, address)
	case errors.Is(err, syscall.EMFILE):
		return fmt.Errorf("%s: out of descriptors: this process may have only %d; %s", block, socket.Descriptors(), moreDescriptors)
	default:
		return fmt.Errorf("%s: %w", block, err)
	}
}
