package main

import (
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// forwarder spreads requests over the backends in turn. It is as fast as the
// standard library can be told to be.
func forwarder(backends []string) *httputil.ReverseProxy {
	var turn atomic.Uint64
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme = "http"
			r.Out.URL.Host = backends[turn.Add(1)%uint64(len(backends))]
			r.SetXForwarded()
			r.Out.Header.Set("Via", "1.1 twin")
			if r.In.Header.Get("User-Agent") == "" {
				r.Out.Header.Set("User-Agent", "") // or one is made up
			}
		},
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 256, // two by default: nearly each request would connect
			IdleConnTimeout:     60 * time.Second,
			DisableCompression:  true, // or Accept-Encoding is made up, and bodies are unpacked
			// One header per answer may take this long.
			ResponseHeaderTimeout: 60 * time.Second,
		},
		// By default, each body is copied through a buffer of its own.
		BufferPool: &buffers{},
	}
}

// buffers are shared by bodies.
type buffers struct{ pool sync.Pool }

// Get is part of [httputil.BufferPool].
func (b *buffers) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, 32<<10)
}

// Put is part of [httputil.BufferPool].
func (b *buffers) Put(p []byte) { b.pool.Put(&p) }

// counted counts requests and how long they take, as others do by default.
func counted(next http.Handler, registry prometheus.Registerer) http.Handler {
	labels := []string{"status"}
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "twin_requests_total", Help: "Requests.",
	}, labels)
	duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "twin_request_duration_seconds", Help: "Time that requests took.", Buckets: prometheus.DefBuckets,
	}, labels)
	registry.MustRegister(requests, duration)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &counter{ResponseWriter: w}
		next.ServeHTTP(c, r)
		status := strconv.Itoa(c.status)
		requests.WithLabelValues(status).Inc()
		duration.WithLabelValues(status).Observe(time.Since(began).Seconds())
	})
}

// counter remembers what was answered.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// WriteHeader is part of [http.ResponseWriter].
func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Write is part of [io.Writer].
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets the proxy flush.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
