// Package admin answers those who run rota: what is on duty, whether the
// process is alive and ready, and its metrics. It takes one order, to reload; all
// else only reads.
package admin

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options describe the admin listener.
type Options struct {
	Address  string
	Listener net.Listener    // one that has the address already; nil has it taken now
	Services func() []Viewer // those of the moment
	// Waiting returns what the process still waits for before it is ready, in
	// words; nothing when it is.
	Waiting    func() []string
	Collectors []prometheus.Collector
	// Reload has the process take its configuration anew, and returns in a few
	// lines what is different now, or why everything goes on as before.
	Reload  func(ctx context.Context) (report string, err error)
	Version string
	Logger  hclog.Logger
}

// Server is the admin listener.
type Server struct {
	listener net.Listener
	http     http.Server
	served   chan struct{} // closed when nothing is accepted any more

	mu      sync.Mutex
	waiting map[net.Conn]bool // those that are to be answered
	fewer   chan struct{}     // told when there are fewer
}

// timeout limits how long a client of ours may take over one request, in
// either direction; nothing here is large.
const timeout = 15 * time.Second

// Listen takes the address. Connections wait until [Server.Serve].
func Listen(ctx context.Context, o Options) (*Server, error) {
	l, err := o.Listener, error(nil)
	if l == nil {
		var config net.ListenConfig
		if l, err = config.Listen(ctx, "tcp", o.Address); err != nil {
			return nil, err
		}
	}
	s := &Server{listener: l, served: make(chan struct{}), waiting: map[net.Conn]bool{}, fewer: make(chan struct{}, 1)}
	s.http = http.Server{
		Handler:     handler(o),
		ReadTimeout: timeout, WriteTimeout: timeout, IdleTimeout: time.Minute,
		ErrorLog:  log.New(o.Logger.StandardWriter(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}), "", 0),
		ConnState: s.track,
	}
	return s, nil
}

// track notes which connections wait for an answer, new ones among them.
func (s *Server) track(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == http.StateNew || state == http.StateActive {
		s.waiting[c] = true
		return
	}
	delete(s.waiting, c)
	select {
	case s.fewer <- struct{}{}:
	default:
	}
}

// Listener returns what connections come from, to be handed over to another
// process.
func (s *Server) Listener() net.Listener { return s.listener }

// Addr returns the address that is listened on.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }

// Serve accepts connections until [Server.Shutdown]; then it returns nil. It must
// be called once.
func (s *Server) Serve() error {
	defer close(s.served)
	err := s.http.Serve(s.listener)
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Shutdown stops accepting and answers who has connected until ctx is done; then it
// closes what is left. Serve must have been called, or be about to be.
func (s *Server) Shutdown(ctx context.Context) {
	s.http.SetKeepAlivesEnabled(false)
	// Before the shutdown of net/http, which drops the first request of who has only
	// just connected.
	s.listener.Close()
	select {
	case <-s.served:
	case <-ctx.Done():
	}
	for s.owes() && ctx.Err() == nil {
		select {
		case <-s.fewer:
		case <-ctx.Done():
		}
	}
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // the listener is closed already
	}
}

// owes reports whether somebody waits for an answer.
func (s *Server) owes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) > 0
}

func handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		status, body := Health(o.Services(), time.Now())
		answer(w, status, "application/json", body)
	})
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte("alive\n"))
	})
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		if waiting := o.Waiting(); len(waiting) > 0 {
			text := "not ready\n" + strings.Join(waiting, "\n") + "\n"
			answer(w, http.StatusServiceUnavailable, "text/plain; charset=utf-8", []byte(text))
			return
		}
		answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte("ready\n"))
	})
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		report, err := o.Reload(r.Context())
		if err != nil {
			answer(w, http.StatusUnprocessableEntity, "text/plain; charset=utf-8", []byte(err.Error()+"\n"))
			return
		}
		answer(w, http.StatusOK, "text/plain; charset=utf-8", []byte(report))
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry(o), promhttp.HandlerOpts{}))
	// A page in the browser of somebody on this machine must not give orders.
	return http.NewCrossOriginProtection().Handler(mux)
}

func answer(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that left needs no answer
}

// registry holds what each room tells of itself, and what the process is.
func registry(o Options) *prometheus.Registry {
	r := prometheus.NewRegistry()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "rota_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": o.Version},
	})
	info.Set(1)
	r.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	r.MustRegister(o.Collectors...)
	return r
}
