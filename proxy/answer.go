package proxy

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/upstream"
)

// refusal is an answer of rota's own to a request that no backend gets.
type refusal struct {
	status int // 0: it is not refused
	reason string
	fields http1.Header
}

var allowed = http1.Header{{Name: "Allow", Value: "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"}}

// health answers as the user's health checks expect it, and reports whether the
// request was for it.
func (x *exchange) health() bool {
	o := x.conn.settings
	if o.HealthPath == "" || x.req.Path != o.HealthPath {
		return false
	}
	x.conn.Leave() // there may be much to tell
	status, body := o.Health()
	x.own(status, "application/json", http1.Header{{Name: "Cache-Control", Value: "no-store"}}, body)
	return true
}

// malformed answers what is not a request.
func (x *exchange) malformed(err error) {
	status, reason := http.StatusBadRequest, err.Error()
	if e, ok := err.(*http1.Error); ok {
		status = e.Status
	}
	x.fail(status, reason)
}

// fail answers, and accounts for, what did not become a request.
func (x *exchange) fail(status int, reason string) {
	x.req.Reset() // the bytes may have been moved since they were read
	_, _ = x.req.Parse(x.in.Bytes(), &requestLimits)
	x.over, x.conn.talking = true, true
	x.service = x.conn.settings.Routes.unrouted
	began := time.Now()
	counts := x.service.stats.begin(x.conn.Home())
	defer func() { counts.end(x.status, time.Since(began)) }()
	x.refuse(refusal{status: status, reason: reason})
	x.log(&journey{}, began, time.Since(began))
}

// cut ends a request that the client has not sent whole.
func (x *exchange) cut(err error) {
	if err == io.EOF && x.size > 0 {
		x.fail(http.StatusBadRequest, "the request's body ended before its end")
	}
}

// refuse answers a request in rota's own name.
func (x *exchange) refuse(r refusal) {
	if r.status == http.StatusServiceUnavailable && r.fields == nil {
		r.fields = retryAfter(0)
	}
	body := fmt.Appendf(nil, "rota: %d %s: %s\n", r.status, http.StatusText(r.status), r.reason)
	x.own(r.status, "text/plain; charset=utf-8", r.fields, body)
}

// own writes a response of rota's own.
func (x *exchange) own(status int, contentType string, fields http1.Header, body []byte) {
	if x.slow && (x.upload != nil || x.req.Framing == http1.Chunked || x.req.Length > int64(x.in.Len()-x.size)) {
		x.over, x.conn.talking = true, true // the rest of the body is not read
	}
	x.status = status
	to := x.reply(http1.Sized, int64(len(body)))
	x.head = appendOwn(x.head[:0], status, contentType, fields, body, &to)
	if _, err := x.conn.Write(x.head); err != nil {
		x.abort() // nobody reads
	}
	if x.req.Method != http.MethodHead {
		x.written = int64(len(body))
	}
}

// clientLeft is the status that logs show where the client left before it had
// one, as other servers' logs do.
const clientLeft = 499

// log hands the line of the request over.
func (x *exchange) log(j *journey, began time.Time, took time.Duration) {
	log := x.conn.settings.AccessLog
	if log == nil {
		return
	}
	e := accessEntry{
		Time: began, Client: x.conn.peer.ip, Method: x.req.Method, Host: x.req.Host, Target: x.req.Target,
		Protocol: protocols[x.req.Minor], Status: cmp.Or(x.status, clientLeft), Bytes: x.written, Seconds: took.Seconds(),
		Service: x.service.Name, Attempts: j.attempts,
	}
	for i := range x.req.Header {
		switch f := &x.req.Header[i]; {
		case f.ID != http1.Other:
		case f.Is("Referer"):
			e.Referer = f.Value
		case f.Is("User-Agent"):
			e.UserAgent = f.Value
		}
	}
	if j.endpoint != nil {
		e.Endpoint = j.endpoint.ID()
	}
	if j.Fault != upstream.None {
		e.Fault = j.Fault.String()
	}
	log.add(x.conn.Home(), &e)
}

var protocols = [...]string{"HTTP/1.0", "HTTP/1.1"}
