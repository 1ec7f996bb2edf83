package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// handler serves the sample's pages under the name by which the copies of the
// service are told apart.
func handler(name string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: %s %s\n", name, r.Method, r.URL.Path)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		lasting, err := time.ParseDuration(r.FormValue("d"))
		if err != nil {
			http.Error(w, "say how long: /slow?d=5s", http.StatusBadRequest)
			return
		}
		stream(w, r, name, lasting)
	})
	return mux
}

// stream writes a line each tenth of a second until it has been lasting long
// enough or the client has gone.
func stream(w http.ResponseWriter, r *http.Request, name string, lasting time.Duration) {
	const pace = 100 * time.Millisecond
	tick := time.NewTicker(pace)
	defer tick.Stop()
	out := http.NewResponseController(w)
	for gone := time.Duration(0); gone < lasting; gone += pace {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
		fmt.Fprintf(w, "%s: %v of %v\n", name, gone+pace, lasting)
		if err := out.Flush(); err != nil {
			return
		}
	}
}

// serve answers requests and keeps the membership until ctx ends or the server
// fails; it returns when both are over.
func serve(ctx context.Context, drain time.Duration, l net.Listener, s *http.Server, m *member, log *slog.Logger) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var failure error
	wg.Go(func() {
		if err := s.Serve(l); err != http.ErrServerClosed {
			failure = err
			stop()
		}
	})
	log.Info("listening", "address", l.Addr().String())

	m.keep(ctx)

	m.leave()
	pause(context.WithoutCancel(ctx), drain)
	finish, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishLimit)
	defer cancel()
	err := s.Shutdown(finish)
	if err != nil {
		s.Close()
		err = fmt.Errorf("requests cut short after %v: %w", finishLimit, err)
	}
	wg.Wait()
	if failure != nil {
		return failure
	}
	log.Info("finished")
	return err
}

// pause waits for d and tells whether ctx let it.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
