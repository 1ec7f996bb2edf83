// Package upstream holds the connections to the backends of a service: it
// dials, reuses and closes them, and tells exactly how far a request that
// failed had got. It knows a backend by its address alone.
package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rota-lb/rota/http1"
)

// Options limit how long a backend may make no progress.
type Options struct {
	Connect  time.Duration // for a connection to stand
	Response time.Duration // from the end of the request to the head of the response
	Stall    time.Duration // between two bytes of a body, either way
}

// idleTimeout is how long an unused connection is kept. Most servers close
// theirs after a minute or more, and it is better to be the one who closes.
const idleTimeout = 30 * time.Second

// maxIdle is how many unused connections are kept for one backend.
const maxIdle = 1024

// maxResponseHead limits the head of a response, in bytes.
const maxResponseHead = 256 << 10

// Request is one request as a backend is to get it.
type Request struct {
	Method string
	Target string // origin-form: path and query (RFC 9112 §3.2.1)
	Host   string
	Header http1.Header // end-to-end fields; framing is up to the client
	Body   io.Reader    // nil without one
	Length int64        // of Body; -1 when unknown
	// Trailer returns the request's trailers once Body has been read; nil
	// without any.
	Trailer http.Header
	// Informational, which may be nil, is told of each 1xx response but 100 and
	// 101, one at a time and not after Send has returned.
	Informational func(status int, h http1.Header)
}

// Response is a response whose head has arrived.
type Response struct {
	Status int
	Header http1.Header
	Length int64 // of Body; -1 when unknown
	// Body must be closed. Its read errors are of type [*Error]. After a 101
	// it is an [io.ReadWriteCloser], the tunnel.
	Body io.ReadCloser
	// Trailer is filled once Body has been read to its end.
	Trailer http.Header
}

// Client sends requests to the backends of one service. It is safe for
// concurrent use.
type Client struct {
	options    Options
	transports sync.Map // address → *http.Transport
}

var errStatus = errors.New("a status below 100")

// New returns a client without connections.
func New(o Options) *Client { return &Client{options: o} }

// Leave closes the unused connections to an address that serves no more.
func (c *Client) Leave(address string) {
	if t, ok := c.transports.LoadAndDelete(address); ok {
		t.(*http.Transport).CloseIdleConnections()
	}
}

// Close closes all unused connections.
func (c *Client) Close() {
	c.transports.Range(func(address, _ any) bool {
		c.Leave(address.(string))
		return true
	})
}

// transport returns the one that holds the connections to address. One for
// each, because only a whole transport can be told to close what it holds.
func (c *Client) transport(address string) *http.Transport {
	if t, ok := c.transports.Load(address); ok {
		return t.(*http.Transport)
	}
	dialer := &net.Dialer{Timeout: c.options.Connect}
	t, _ := c.transports.LoadOrStore(address, &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, &Error{Fault: dialFault(err), Err: err}
			}
			return newConn(conn, c.options.Stall), nil
		},
		DisableCompression:     true, // what the client asked for is what it gets
		MaxIdleConnsPerHost:    maxIdle,
		IdleConnTimeout:        idleTimeout,
		ResponseHeaderTimeout:  c.options.Response,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxResponseHead,
	})
	return t.(*http.Transport)
}

// Send sends the request to the backend at address and returns once the head
// of its response is here. An error is of type [*Error]. The exchange ends with
// ctx.
func (c *Client) Send(ctx context.Context, address string, r *Request) (*Response, error) {
	var sent sentBytes
	var body *attemptBody
	hints := informer{tell: r.Informational}
	defer hints.end()
	ctx, cancel := context.WithCancel(ctx)
	out := (&http.Request{
		Method: r.Method, URL: target(address, r.Target), Host: r.Host,
		ProtoMajor: 1, ProtoMinor: 1, // or an Expect would not be waited for
		Header: toMap(r.Header), Trailer: r.Trailer, ContentLength: r.Length,
	}).WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: sent.gotConn, Got1xxResponse: hints.got,
	}))
	if r.Body != nil {
		body = &attemptBody{source: r.Body}
		out.Body = body
	}
	in, err := c.transport(address).RoundTrip(out)
	if err == nil && in.StatusCode < 100 { // net/http lets it pass
		in.Body.Close()
		err = errStatus
	}
	if err != nil {
		failure := classify(err, ctx.Err() != nil)
		failure.Sent = sent.any()
		if failure.Fault == Malformed && (!failure.Sent || sent.ended()) {
			failure.Fault = Reset // nothing asked for, or half a line, is not a bad answer
		}
		if body != nil {
			body.settle(failure)
		}
		cancel()
		return nil, failure
	}
	return &Response{
		Status: in.StatusCode, Header: fromMap(in.Header), Length: in.ContentLength, Trailer: in.Trailer,
		Body: newResponseBody(in.Body, c.options.Stall, cancel),
	}, nil
}

func classify(err error, gone bool) *Error {
	var dial *Error
	switch {
	case gone:
		return &Error{Fault: ClientGone, Err: err}
	case errors.As(err, &dial):
		return &Error{Fault: dial.Fault, Err: dial.Err}
	default:
		return &Error{Fault: exchangeFault(err), Err: err}
	}
}

// target returns the URL that makes net/http send the target byte for byte.
// The one exception: where it begins with two slashes, net/http would take them
// for an authority, and as a path it escapes what no URI may contain.
func target(address, t string) *url.URL {
	if !strings.HasPrefix(t, "//") {
		return &url.URL{Scheme: "http", Host: address, Opaque: t}
	}
	path, query, found := strings.Cut(t, "?")
	u := &url.URL{Scheme: "http", Host: address, Path: path, RawQuery: query, ForceQuery: found}
	if p, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = p, path
	}
	return u
}

func toMap(h http1.Header) http.Header {
	m := make(http.Header, len(h)+1)
	for _, f := range h {
		switch name := http.CanonicalHeaderKey(f.Name); name {
		case "Idempotency-Key", "X-Idempotency-Key":
			// net/http takes these for leave to send a POST twice. In lower
			// case it does not see them, and names mean the same in any.
			name = strings.ToLower(name)
			m[name] = append(m[name], f.Value)
		default:
			m[name] = append(m[name], f.Value)
		}
	}
	if _, ok := m["User-Agent"]; !ok {
		m["User-Agent"] = nil // or net/http would put in its own
	}
	return m
}

func fromMap(m http.Header) http1.Header {
	h := make(http1.Header, 0, len(m))
	for name, values := range m {
		for _, v := range values {
			h = append(h, http1.Field{Name: name, Value: v})
		}
	}
	return h
}
