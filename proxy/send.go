package proxy

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// maxInterim is how many 1xx responses may come before the final one. A few are
// useful; more is a backend that keeps both of us busy.
const maxInterim = 32

// continueTimeout is how long a backend may take to ask for a body that the
// client holds back. Many never do.
const continueTimeout = time.Second

var (
	errInterim = errors.New("too many informational responses")
	errLeft    = errors.New("the client is gone")
	errExpired = errors.New("the request took too long")
)

// Send is part of [Carrier].
func (x *exchange) Send(lane Lane, address string, limit time.Duration) Result {
	if lane == second {
		return x.sendSecond(address, limit)
	}
	return x.send(address, limit)
}

// send sends the request in the lane of the exchange.
func (x *exchange) send(address string, limit time.Duration) Result {
	if limit == 0 {
		limit = x.service.Upstream.Response
	}
	x.head = x.conn.settings.rules.appendRequest(x.head[:0], &x.req, &x.conn.peer, x.path, address)
	if x.tail = x.body; len(x.tail) <= gather {
		x.head, x.tail = append(x.head, x.tail...), nil
	}
	idempotent := isIdempotent(x.req.Method)
	sent := false
	for reuse := true; ; reuse = false {
		if err := x.borrow(address, reuse, idempotent); err != nil {
			return Result{Fault: err.Fault, Sent: sent, Replayable: true, Err: err.Err}
		}
		r := x.ask(min(limit, x.service.Upstream.Response))
		r.Sent = r.Sent || sent
		if r.Fault == upstream.None {
			return r
		}
		// A backend may close a connection that nobody uses at any time, and no
		// byte says that it read the request: that is no failure of its.
		race := x.backend.Reused && r.Fault == upstream.Reset && x.out.Len() == 0 && x.interim == 0
		x.dropBackend()
		if !race || !r.Replayable || r.Sent && !idempotent {
			return r
		}
		sent = r.Sent
	}
}

// Again is part of [Carrier].
func (x *exchange) Again(pause time.Duration) upstream.Fault {
	x.unite()
	x.dropBackend()
	if pause == 0 {
		return upstream.None
	}
	ctx, cancel := context.WithCancel(x.conn.server.ctx)
	defer cancel()
	if !x.conn.wait(x.lane, cancel, nil) {
		return x.conn.over()
	}
	x.conn.Leave()
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	x.conn.wait(x.lane, nil, nil)
	return x.conn.over()
}

// borrow gets a connection to the backend.
func (x *exchange) borrow(address string, reuse, idempotent bool) *upstream.Error {
	client := x.service.Upstream
	var b *upstream.Conn
	if reuse {
		// Who can't be asked twice must not be lost on a connection that is just
		// being closed.
		b = client.Idle(address, !idempotent, x.conn.Home())
	}
	if b == nil {
		done, err := x.service.pend()
		if err != nil {
			return &upstream.Error{Fault: upstream.Limited, Err: err}
		}
		defer done()
		ctx, cancel := context.WithCancel(x.conn.server.ctx)
		defer cancel()
		if !x.conn.wait(x.lane, cancel, nil) {
			return x.givenUp()
		}
		if x.lane == first {
			x.conn.Leave()
		}
		if b, err = client.Dial(ctx, address); err != nil {
			x.conn.wait(x.lane, nil, nil)
			var e *upstream.Error
			if errors.As(err, &e); e.Fault == upstream.ClientGone {
				return x.givenUp()
			}
			return e
		}
	}
	if err := x.join(b); err != nil {
		b.Close()
		return &upstream.Error{Fault: upstream.OwnLimit, Err: err}
	}
	if !x.conn.wait(x.lane, nil, b) {
		b.Close()
		return x.givenUp()
	}
	x.backend = b
	return nil
}

// join has a connection to a backend wait where that of the client does; the second
// lane has a goroutine of its own.
func (x *exchange) join(b *upstream.Conn) error {
	if x.lane == second {
		return b.Join(nil)
	}
	return b.Join(x.conn.Conn)
}

// givenUp tells why there is no reason to wait.
func (x *exchange) givenUp() *upstream.Error {
	if x.conn.over() == upstream.Expired {
		return &upstream.Error{Fault: upstream.Expired, Err: errExpired}
	}
	return &upstream.Error{Fault: upstream.ClientGone, Err: errLeft}
}

// dropBackend ends the connection to the backend, if there is one.
func (x *exchange) dropBackend() {
	if x.backend != nil {
		x.conn.wait(x.lane, nil, nil)
		x.backend.Close()
		x.backend = nil
	}
}

// keepBackend gives the connection back for other requests.
func (x *exchange) keepBackend() {
	if !x.conn.wait(x.lane, nil, nil) { // or its waits may have been ended
		x.backend.Close()
	} else {
		x.backend.Keep(x.service.Upstream.Clock.Now())
	}
	x.backend = nil
}

// ask sends the request and reads the head of the response, which has to be there
// within the limit.
func (x *exchange) ask(limit time.Duration) Result {
	x.out.Release()
	x.interim = 0
	x.backend.LimitRead(limit)
	var sent int
	var err error
	if hasBody := x.slow && (x.req.Framing == http1.Chunked || x.req.Length > 0); hasBody {
		sent, err = x.begin()
	} else {
		sent, err = x.backend.Exchange(x.head, x.tail, &x.out, x.backend.Reused)
	}
	for {
		if err == nil {
			if done, e := x.look(); e != nil {
				return x.failed(e, sent)
			} else if done {
				return Result{Status: x.res.Status, Sent: true, Replayable: x.upload == nil, Streamed: x.upload != nil}
			}
			err = x.more()
			continue
		}
		if !x.pausing || !errors.Is(err, os.ErrDeadlineExceeded) || x.conn.over() != upstream.None {
			return x.failed(err, sent)
		}
		if err = x.proceed(); err == nil {
			err = x.more()
		}
	}
}

// begin sends the head of a request whose body is not here yet, and then the
// body, unless the client waits to be asked for it.
func (x *exchange) begin() (sent int, err error) {
	if x.backend.Reused && x.backend.Peek() != socket.Silent {
		return 0, socket.ErrTouched
	}
	if sent, err = x.backend.Write(x.head); err != nil {
		return sent, err
	}
	if x.req.Expect == http1.ExpectContinue && x.in.Len() == x.size {
		x.pausing = true
		x.backend.LimitRead(continueTimeout)
	} else {
		x.startUpload()
	}
	return sent, x.more()
}

// proceed asks the client for the body.
func (x *exchange) proceed() error {
	x.pausing = false
	if _, err := x.conn.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
		return &clientError{err}
	}
	x.startUpload()
	return nil
}

// more reads more from the backend.
func (x *exchange) more() error {
	if len(x.out.Room()) == 0 || x.out.Len() == 0 {
		x.out.Compact()
	}
	return x.backend.ReadInto(&x.out)
}

// look reads the heads that are there, up to that of the final response, and
// reports whether that is.
func (x *exchange) look() (done bool, err error) {
	for x.out.Len() > 0 {
		n, err := x.res.Parse(x.out.Bytes(), x.req.Method, &responseLimits)
		if n == 0 || err != nil {
			return false, err
		}
		x.out.Skip(n)
		if !x.res.Interim() {
			return true, nil
		}
		if x.interim++; x.interim > maxInterim {
			return false, errInterim
		}
		if err := x.inform(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// inform passes a 1xx response on to clients that know of them (RFC 9110 §15.2).
func (x *exchange) inform() error {
	switch {
	case x.res.Status == http.StatusContinue && x.pausing:
		return x.proceed()
	case x.res.Status == http.StatusContinue || x.req.Minor == 0:
		return nil // it was not asked for
	case x.lane == second:
		return nil // the client hears of the first
	}
	to := x.reply(http1.NoBody, 0)
	if _, err := x.conn.Write(appendResponse(nil, &x.res, &to)); err != nil {
		return &clientError{err}
	}
	return nil
}

// clientError is an error that is not the backend's.
type clientError struct{ err error }

func (e *clientError) Error() string { return e.err.Error() }

func (e *clientError) Unwrap() error { return e.err }

// failed tells how far the attempt had got.
func (x *exchange) failed(err error, sent int) Result {
	r := Result{Sent: sent > 0, Replayable: x.upload == nil, Err: err}
	x.res.Reset() // it may have been read in part
	var malformed *http1.Error
	var client *clientError
	ofUpload := x.endUpload()
	switch {
	case x.conn.over() != upstream.None:
		r.Fault = x.conn.over()
	case ofUpload != nil:
		r.Fault, r.Err = x.upload.fault, ofUpload
	case errors.As(err, &client):
		r.Fault = clientFault(client.err)
	case errors.As(err, &malformed), errors.Is(err, errInterim):
		r.Fault = upstream.Malformed
	case sent < len(x.head)+len(x.tail):
		r.Fault = upstream.FaultOf(err, upstream.Stalled)
	default:
		r.Fault = upstream.FaultOf(err, upstream.Late)
	}
	return r
}
