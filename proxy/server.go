// Package proxy is the data path: listeners, routes, and the loop that tries
// endpoints until one answers. Deciding is apart from carrying: what is routed,
// retried and reported are plain values, and only a carrier knows the protocol.
package proxy

import (
	"context"
	"errors"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// Options describe a listener. [Server.Configure] may change what is not said to
// stay.
type Options struct {
	Name    string
	Address string // stays
	// Listener is one that another process has taken the address with; nil has it
	// taken now.
	Listener net.Listener
	// ReadTimeout is for the head of a request, and for each wait within its
	// body; WriteTimeout for each wait of a write to the client; IdleTimeout for
	// the next request on a connection.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// TrustedProxies may say for whom they forward.
	TrustedProxies []netip.Prefix
	// HealthPath is answered with what Health returns: a status and a body of
	// JSON. "" leaves every path to the backends.
	HealthPath string
	Health     func() (status int, body []byte)
	Routes     *Table
	AccessLog  *AccessLog    // nil keeps none
	Clock      *socket.Clock // that ends waits; it must run until Shutdown has returned; it stays
	Logger     hclog.Logger
}

// settings are by what a listener serves at present. They never change. A
// connection looks for new ones at each request.
type settings struct {
	Options
	rules *rules
}

// Server serves one listener.
type Server struct {
	settings atomic.Pointer[settings]
	date     date
	listener *socket.Listener

	silent  time.Duration   // until then, as the clock counts; see acceptFailed
	closing atomic.Bool     // connections end with the request that is under way
	calling atomic.Bool     // and where there is none, soon
	ctx     context.Context // done when nothing is to be tried any more
	cancel  context.CancelFunc

	mu    sync.Mutex
	conns map[*conn]struct{}
	empty chan struct{} // closed when the last one has gone after Shutdown
	ended bool          // it is closed
}

// Listen takes the address. Connections wait until [Server.Serve]. What the
// server does ends with ctx at the latest.
func Listen(ctx context.Context, o Options) (*Server, error) {
	l, err := o.Listener, error(nil)
	if l == nil {
		// A client that is gone is noticed by the limits, without probes.
		config := net.ListenConfig{KeepAlive: -1}
		if l, err = config.Listen(ctx, "tcp", o.Address); err != nil {
			return nil, err
		}
	}
	s := &Server{conns: map[*conn]struct{}{}, empty: make(chan struct{})}
	s.settings.Store(&settings{o, newRules(o.TrustedProxies)})
	s.listener, err = socket.Listen(l, socket.ListenerOptions{
		Clock: o.Clock, Stall: o.WriteTimeout, Open: s.open, Failed: s.acceptFailed,
	})
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.date.update(0) // who is at the door is answered even if nobody is ever served
	return s, nil
}

// Configure has all requests that begin from now on go by other options, on
// connections that stand already, too.
func (s *Server) Configure(o Options) {
	rules := *s.settings.Load().rules
	rules.trusted = o.TrustedProxies
	s.settings.Store(&settings{o, &rules})
}

// Listener returns what connections come from, to be handed over to another
// process.
func (s *Server) Listener() net.Listener { return s.listener.Listener }

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until [Server.Shutdown]; then it returns nil.
func (s *Server) Serve() error {
	s.date.update(0)
	stop := s.options().Clock.Watch(func(now time.Duration) {
		s.date.update(now)
		s.options().Routes.tick(now)
	})
	defer stop()
	return s.listener.Serve()
}

func (s *Server) options() *Options { return &s.settings.Load().Options }

func (s *Server) open(c *socket.Conn) socket.Owner {
	conn := newConn(s, c)
	s.mu.Lock()
	s.conns[conn] = struct{}{}
	s.mu.Unlock()
	if s.calling.Load() {
		conn.shut() // it came between the list and the order
	}
	return conn
}

// acceptFailed is told at each pause. What goes on is told once a minute.
func (s *Server) acceptFailed(err error, pause time.Duration) {
	o, level, message := s.options(), hclog.Debug, "can't accept connections for the moment" // for a client's doing, most likely
	if upstream.OutOfResources(err) {
		message = "new connections have to wait: raise the limit of open files, or of memory"
		if now := o.Clock.Now(); now >= s.silent {
			level, s.silent = hclog.Warn, now+time.Minute
		}
	}
	o.Logger.Log(level, message, "listener", o.Name, "error", err, "pause", pause)
}

// Discard gives up a server that is never to serve: see [socket.Listener.Discard].
func (s *Server) Discard() error {
	defer s.cancel()
	return s.listener.Discard()
}

// Shutdown stops accepting, lets the requests under way finish until ctx is
// done, then closes whatever is left. It returns ctx's error where something
// was. A connection on which nothing is under way stays for one more request until
// calm is done, and then for a second.
func (s *Server) Shutdown(ctx, calm context.Context) error {
	s.closing.Store(true)
	err := s.listener.Close()
	s.forget(nil)
	select {
	case <-calm.Done():
	case <-s.empty:
	case <-ctx.Done():
	}
	s.calling.Store(true)
	s.each((*conn).shut)
	select {
	case <-s.empty:
	case <-ctx.Done():
		err = errors.Join(err, ctx.Err())
		s.cancel()
		s.each((*conn).leave)
		<-s.empty
	}
	s.cancel()
	s.listener.End()
	return err
}

func (s *Server) each(do func(*conn)) {
	s.mu.Lock()
	conns := slices.Collect(maps.Keys(s.conns))
	s.mu.Unlock()
	for _, c := range conns {
		do(c)
	}
}

// mistake tells of a panic.
func (o *Options) mistake(message string, panicked any) {
	o.Routes.unrouted.stats.panics.Add(1)
	o.Logger.Error(message, "panic", panicked, "stack", string(debug.Stack()))
}

// rescue keeps a mistake of ours from ending more than what it happened in. It
// is deferred, and does first what is left to do there: the log may be stuck.
func (s *Server) rescue(first func()) {
	if v := recover(); v != nil {
		first()
		s.options().mistake("a mistake in rota ended a connection", v)
	}
}

// forget tells that a connection has ended.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if s.closing.Load() && len(s.conns) == 0 && !s.ended {
		s.ended = true
		close(s.empty)
	}
}

// date is the present time as the Date field has it (RFC 9110 §6.6.1), rendered
// once a second.
type date struct {
	second int64
	text   atomic.Pointer[string]
}

func (d *date) update(time.Duration) {
	now := time.Now()
	if second := now.Unix(); second != d.second {
		text := now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		d.second = second
		d.text.Store(&text)
	}
}

func (d *date) String() string { return *d.text.Load() }
