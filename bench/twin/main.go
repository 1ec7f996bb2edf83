// Command twin is the reverse proxy that the standard library has, doing the
// same job as rota: what of rota's cost is net/http's, and what is our own, is
// seen by comparing the two.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/errgroup"
)

// options are what the command line says.
type options struct {
	listen    string
	backends  []string
	accessLog string // "" keeps none
	admin     string // "" counts nothing
}

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8080", "`address` that takes requests")
	backends := flag.String("backends", "", "`addresses` of the backends, with commas between")
	flag.StringVar(&o.accessLog, "access-log", "", "`file` for a line per request, in the combined format")
	flag.StringVar(&o.admin, "admin", "", "`address` for /metrics")
	version := flag.Bool("version", false, "print the version and end")
	flag.Parse()
	if *version {
		fmt.Println("net/http/httputil.ReverseProxy of", runtime.Version())
		return
	}
	o.backends = strings.Split(*backends, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "twin:", err)
		os.Exit(1)
	}
}

// run serves until ctx is done.
func run(ctx context.Context, o options) error {
	all, ctx := errgroup.WithContext(ctx)
	var handler http.Handler = forwarder(o.backends)
	if o.admin != "" {
		registry := prometheus.NewRegistry()
		handler = counted(handler, registry)
		serve(ctx, all, o.admin, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	}
	if o.accessLog != "" {
		file, err := os.OpenFile(o.accessLog, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return err
		}
		defer file.Close()
		l := newLog(file)
		handler = l.logged(handler)
		all.Go(func() error { return l.run(ctx) })
	}
	serve(ctx, all, o.listen, handler)
	return all.Wait()
}

// serve serves one address until ctx is done, with the timeouts that all have.
func serve(ctx context.Context, all *errgroup.Group, address string, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 15 * time.Second, IdleTimeout: 60 * time.Second}
	all.Go(func() error {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	all.Go(func() error {
		<-ctx.Done()
		return s.Close()
	})
}
