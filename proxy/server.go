// Package proxy is the data path: listeners, routes, and the loop that tries
// endpoints until one answers. Deciding is apart from carrying: what is routed,
// retried and reported are plain values, and only a carrier knows the protocol.
package proxy

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Options describe a listener.
type Options struct {
	Name    string
	Address string
	// ReadTimeout is for the head of a request, and for each wait within its
	// body; WriteTimeout for each write to the client; IdleTimeout for the next
	// request on a connection.
	ReadTimeout, WriteTimeout, IdleTimeout time.Duration
	// HealthPath is answered with what Health returns: a status and a body of
	// JSON. "" leaves every path to the backends.
	HealthPath string
	Health     func() (status int, body []byte)
	Routes     *Table
	AccessLog  *AccessLog // nil keeps none
	Logger     hclog.Logger
}

// Server serves one listener.
type Server struct {
	options  Options
	listener net.Listener
	http     http.Server

	// Upgraded connections are out of net/http's sight; they end with closing.
	closing context.Context
	close   context.CancelFunc
	tunnels sync.WaitGroup
	mu      sync.Mutex
	closed  bool // no new tunnels
}

// maxRequestHead limits the head of a request, in bytes.
const maxRequestHead = 64 << 10

// Listen takes the address. Connections wait until [Server.Serve]. What the
// server does ends with ctx at the latest.
func Listen(ctx context.Context, o Options) (*Server, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, listener: clientListener{l, o.WriteTimeout}}
	s.closing, s.close = context.WithCancel(ctx)
	s.http = http.Server{
		Handler:           http.HandlerFunc(s.handle),
		ReadHeaderTimeout: o.ReadTimeout,
		IdleTimeout:       o.IdleTimeout,
		MaxHeaderBytes:    maxRequestHead,
		// A bad client must not be able to fill the log.
		ErrorLog: log.New(o.Logger.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}), "", 0),
	}
	return s, nil
}

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until [Server.Shutdown]; then it returns nil.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown stops accepting, lets the requests under way finish until ctx is
// done, then closes whatever is left. It returns ctx's error where something
// was.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	var waiting sync.WaitGroup
	ended := make(chan struct{})
	waiting.Go(func() { s.tunnels.Wait(); close(ended) })
	select {
	case <-ended:
	case <-ctx.Done():
		err = cmp.Or(err, ctx.Err())
	}
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.close()
	waiting.Wait()
	return err
}

// beginTunnel counts a tunnel in, for which Shutdown then waits. It reports
// whether there still may be new ones.
func (s *Server) beginTunnel() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.tunnels.Add(1)
	}
	return !s.closed
}
