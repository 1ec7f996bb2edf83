package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/upstream"
)

// handle is where net/http hands over a request.
func (s *Server) handle(w http.ResponseWriter, r *http.Request) {
	defer s.tellMistake()
	body := s.takeBody(w, r)
	defer body.end()
	if r.URL.Path == s.options.HealthPath && s.options.HealthPath != "" {
		s.health(w, r)
		return
	}
	service, status, reason := s.route(r)
	began := time.Now()
	counts := service.stats.begin()
	x := newExchange(s, w, r, body, service)
	var j journey
	defer func() {
		took := time.Since(began)
		counts.end(x.status, took)
		s.options.AccessLog.add(x, j, began, took)
	}()
	if status == 0 {
		j = attempt(r.Context(), service, isIdempotent(r.Method), x)
		switch {
		case j.Fault == upstream.None:
			return
		case j.Started, j.Fault == upstream.ClientGone:
			// A client that is still there must see that the response is not
			// whole (RFC 9112 §8).
			panic(http.ErrAbortHandler)
		}
		status, reason = j.answer()
	}
	body.answer(w.Header())
	x.status = status
	refuse(w, status, reason)
}

// tellMistake logs a panic as what it is, a mistake of ours: net/http's own
// words about it go where those about bad clients go. It ends this connection
// and no other.
func (s *Server) tellMistake() {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		s.options.Logger.Error("a mistake in rota ended a request", "panic", v, "stack", string(debug.Stack()))
		panic(http.ErrAbortHandler)
	}
}

// route returns the service that gets a request; for a request that none gets,
// the one that accounts for such, and the answer.
func (s *Server) route(r *http.Request) (service *Service, status int, reason string) {
	switch {
	case r.ProtoMajor != 1: // the preface of HTTP/2, which net/http lets pass
		status, reason = http.StatusHTTPVersionNotSupported, "not HTTP/1.1"
	case r.URL.Opaque != "":
		status, reason = http.StatusBadRequest, "the target is not a path"
	case r.Method == http.MethodConnect || r.Method == http.MethodTrace:
		status, reason = http.StatusMethodNotAllowed, "not through this proxy"
	default:
		if service = s.options.Routes.Match(r.Host, r.URL.Path); service != nil {
			return service, 0, ""
		}
		status, reason = http.StatusNotFound, "no route for this host and path"
	}
	return s.options.Routes.unrouted, status, reason
}

// health answers as the user's health checks expect it.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	status, body := s.options.Health()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that left needs no answer
	}
}

// refuse answers a request in rota's own name.
func refuse(w http.ResponseWriter, status int, reason string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	http.Error(w, fmt.Sprintf("rota: %d %s: %s", status, http.StatusText(status), reason), status)
}

// exchange carries one request over net/http, on both sides.
type exchange struct {
	server  *Server
	service *Service
	w       http.ResponseWriter
	r       *http.Request
	body    *requestBody // nil without one
	control *http.ResponseController
	out     upstream.Request
	in      *upstream.Response

	status  int // of the response to the client; 0 while there is none
	written int64
}

func newExchange(s *Server, w http.ResponseWriter, r *http.Request, body *requestBody, service *Service) *exchange {
	x := &exchange{server: s, service: service, w: w, r: r, body: body, control: http.NewResponseController(w)}
	fields := make(http1.Header, 0, len(r.Header))
	for name, values := range r.Header {
		for _, v := range values {
			fields = append(fields, http1.Field{Name: name, Value: v})
		}
	}
	x.out = upstream.Request{
		Method: r.Method, Target: target(r), Host: r.Host,
		Header: requestFields(fields, client{
			address: r.RemoteAddr, scheme: "http", host: r.Host,
			proto: fmt.Sprintf("%d.%d", r.ProtoMajor, r.ProtoMinor), body: body != nil,
		}),
		Length: r.ContentLength, Trailer: r.Trailer,
	}
	dropTrailers(x.out.Trailer)
	if r.ProtoAtLeast(1, 1) { // others don't know of them (RFC 9110 §15.2)
		x.out.Informational = x.inform
	}
	if body != nil {
		x.out.Body = body
	}
	return x
}

// target returns the target in origin-form (RFC 9112 §3.2.1): byte for byte, if
// it came in that form.
func target(r *http.Request) string {
	if r.URL.Scheme != "" {
		return r.URL.RequestURI()
	}
	return r.RequestURI
}

// Send is part of [Carrier].
func (x *exchange) Send(ctx context.Context, address string) Result {
	in, err := x.service.Upstream.Send(ctx, address, &x.out)
	if err != nil {
		return x.failed(err)
	}
	x.in = in
	return Result{Status: in.Status}
}

func (x *exchange) failed(err error) Result {
	var e *upstream.Error
	if !errors.As(err, &e) {
		e = &upstream.Error{Fault: upstream.Reset, Sent: true, Touched: true, Err: err}
	}
	return Result{Fault: e.Fault, Sent: e.Sent, Replayable: !e.Touched, Started: x.status != 0, Status: x.status, Err: e.Err}
}

// inform passes a 1xx response on (RFC 9110 §15.2).
func (x *exchange) inform(status int, h http1.Header) {
	setFields(x.w.Header(), endToEndFields(h))
	x.w.WriteHeader(status)
	clear(x.w.Header())
}

// Relay is part of [Carrier]. It passes on each piece as it comes.
func (x *exchange) Relay(ctx context.Context) Result {
	defer x.in.Body.Close()
	if x.in.Status == http.StatusSwitchingProtocols {
		return x.tunnel()
	}
	h := x.w.Header()
	setFields(h, endToEndFields(x.in.Header))
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one
	}
	dropTrailers(x.in.Trailer)
	for name := range x.in.Trailer {
		h.Add("Trailer", name)
	}
	x.body.answer(h)
	x.status = x.in.Status
	x.w.WriteHeader(x.status)
	if x.in.Length < 0 {
		// What streams may begin late, and the head must not wait for it.
		if err := x.control.Flush(); err != nil {
			return x.clientFailed(err)
		}
	}
	if r := x.relayBody(ctx); r.Fault != upstream.None {
		return r
	}
	for name, values := range x.in.Trailer {
		h[name] = values
	}
	return Result{Status: x.status, Started: true}
}

var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

func (x *exchange) relayBody(ctx context.Context) Result {
	buffer := buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buffer)
	for {
		n, err := x.in.Body.Read(buffer[:])
		if n > 0 {
			if err := x.write(buffer[:n]); err != nil {
				return x.clientFailed(err)
			}
		}
		switch {
		case err == io.EOF:
			return Result{}
		case err != nil && ctx.Err() != nil:
			return x.clientFailed(ctx.Err())
		case err != nil:
			return x.failed(err)
		}
	}
}

// write sends a piece of the body to the client at once, but for the last of a
// known length: net/http puts that out itself, with what it still holds.
func (x *exchange) write(p []byte) error {
	n, err := x.w.Write(p)
	x.written += int64(n)
	if err != nil || x.written == x.in.Length {
		return err
	}
	return x.control.Flush()
}

func (x *exchange) clientFailed(err error) Result {
	fault := upstream.ClientGone
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && !errors.Is(err, context.DeadlineExceeded) {
		fault = upstream.ClientStalled
	}
	return Result{Fault: fault, Sent: true, Started: true, Status: x.status, Err: err}
}

func setFields(h http.Header, fields http1.Header) {
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
}
