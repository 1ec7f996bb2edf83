package proxy

import (
	"net/http"
	"sync"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// exchange carries one request, and its response, over HTTP/1.1 on both sides.
// Nothing is sent to a backend before the head is here and, where it is short
// and comes at once, the body: then another backend can be given all of it
// again.
type exchange struct {
	conn    *conn
	service *Service
	lane    Lane
	second  *exchange // of the second lane; nil where there is none
	stopped bool      // the second lane was

	in   socket.Buffer // from the client, from the head of the request on
	req  http1.Request // views of in
	size int           // of the head of the request; 0 while it is not all there
	path string        // to forward
	body []byte        // of the request, if that is in the buffer, whole
	late bool          // the rest of the head is awaited, with a limit
	slow bool          // the body comes slowly, or there may be more to it

	out     socket.Buffer      // from the backend
	res     http1.Response     // views of out
	chunks  http1.ChunkDecoder // of the response
	backend *upstream.Conn     // lent for this request; nil without
	upload  *upload            // of a body that is not in the buffer; nil without
	head    []byte             // what is about to be written
	tail    []byte             // and what behind it, of the request, that is not copied
	interim int                // how many 1xx have come
	pausing bool               // the client waits for a 100 before it sends the body

	journey journey
	over    bool // the connection ends with this request
	started bool // the client may have seen the beginning of the response
	status  int  // of the response to the client; 0 while there is none
	written int64
}

var exchanges = sync.Pool{New: func() any {
	x := new(exchange)
	x.out.Wide = true
	return x
}}

// The limits of heads, within which a buffer is never full without a verdict.
var (
	requestLimits  = http1.DefaultLimits()
	responseLimits = http1.Limits{Line: 8 << 10, Header: 48 << 10, Fields: 256, Extensions: 4 << 10}
)

func newExchange(c *conn) *exchange {
	x := exchanges.Get().(*exchange)
	x.conn = c
	return x
}

// free gives the exchange back, with its memory.
func (x *exchange) free() {
	if x.late { // of a head that never was whole
		x.req.Reset()
	}
	x.next()
	if cap(x.head) > socket.Large {
		x.head = nil // it was for an answer of our own
	}
	x.in.Empty()
	x.out.Release()
	x.conn, x.lane, x.over = nil, first, false
	exchanges.Put(x)
}

// next makes the exchange ready for the next request on the connection.
func (x *exchange) next() {
	x.unite()
	x.service, x.body, x.tail, x.path, x.upload = nil, nil, nil, "", nil
	x.size, x.interim, x.status, x.written = 0, 0, 0, 0
	x.late, x.slow, x.pausing, x.started = false, false, false, false
	x.journey.forget()
}

func (x *exchange) room() []byte {
	room := x.in.Room()
	if len(room) == 0 {
		x.in.Compact()
		room = x.in.Room()
	}
	if len(room) == 0 {
		x.in.Grow()
		room = x.in.Room()
	}
	return room
}

// progress is how far the request at the beginning of the buffer has got.
type progress uint8

const (
	served progress = iota
	incomplete
	elsewhere // it must not be served within the loop that reads
)

// step serves the request at the beginning of the buffer, if it can be served
// without reading from the client.
func (x *exchange) step() progress {
	x.conn.renew()
	if !x.parse() {
		if x.over {
			return elsewhere
		}
		if !x.late {
			x.late = true
			x.conn.LimitRead(x.conn.settings.ReadTimeout)
		}
		return incomplete
	}
	switch {
	case x.req.Framing == http1.Chunked || x.req.Upgrade != "":
		x.slow = true
	case x.req.Length > int64(x.in.Len()-x.size):
		if x.req.Expect == http1.ExpectNothing && x.req.Length <= int64(socket.Large-x.size) {
			// What comes at once is worth waiting for.
			x.in.Grow()
			x.conn.LimitRead(socket.Tick)
			return incomplete
		}
		x.slow = true
	}
	if x.slow {
		return elsewhere
	}
	x.body = x.in.Bytes()[x.size:][:x.req.Length]
	x.serve()
	x.in.Skip(x.size + len(x.body))
	x.next()
	if x.over {
		x.conn.talking = x.in.Len() > 0
		return elsewhere
	}
	return served
}

// parse reads the head, and reports whether it is all there. What is malformed
// it answers.
func (x *exchange) parse() bool {
	n, err := x.req.Parse(x.in.Bytes(), &requestLimits)
	if err != nil {
		x.malformed(err)
		return false
	}
	x.size = n
	return n > 0
}

// overdue goes on with a request of which the rest has not come in time. It
// reports whether there is anything to go on with.
func (x *exchange) overdue() bool {
	if x.size == 0 || !x.parse() {
		x.fail(http.StatusRequestTimeout, "the head of the request did not arrive in time")
		return false
	}
	x.slow = true
	return true
}

// serveSlowly serves a request outside the loop that reads. It reports whether
// the connection goes on.
func (x *exchange) serveSlowly() bool {
	x.conn.Share()
	defer x.conn.Unshare()
	x.serve()
	x.leftover()
	x.next()
	// The limit of this body may have run out while nobody read.
	x.conn.LimitRead(x.conn.settings.IdleTimeout)
	return !x.over
}

// leftover puts what follows the request at the beginning of the buffer.
func (x *exchange) leftover() {
	switch {
	case x.over && x.upload != nil:
		x.upload.buffer.Release()
	case x.over:
	case x.upload != nil:
		x.upload.leave(&x.in)
	default:
		x.in.Skip(x.size)
		if n := x.req.Length; n > 0 { // it was answered without looking at the body
			x.in.Skip(int(n))
		}
	}
}

// serve answers the request.
func (x *exchange) serve() {
	x.over = x.over || !x.req.KeepAlive || x.conn.server.closing.Load()
	began := time.Now()
	var counts *shard // nil for requests that are not counted
	j := &x.journey
	defer func() {
		if v := recover(); v != nil {
			x.mistake(v)
		}
		if counts != nil {
			took := time.Since(began)
			counts.end(x.status, took)
			x.log(j, began, took)
		}
	}()
	if x.health() {
		return
	}
	service, refused := x.route()
	x.service, counts = service, service.stats.begin(x.conn.Home())
	if refused.status != 0 {
		x.refuse(refused)
		return
	}
	if err := service.enter(); err != nil {
		x.turnAway(err)
		return
	}
	defer service.leave()
	j.service, j.carrier, j.idempotent = service, x, isIdempotent(x.req.Method)
	j.hedgeable = isSafe(x.req.Method) && !x.slow
	if service.Timeout > 0 {
		x.conn.limit(service.Timeout)
		defer x.conn.limit(0)
	}
	j.attempt(began)
	switch {
	case j.Fault == upstream.None:
	case j.Fault == upstream.Limited:
		x.turnAway(j.Err)
	case j.Started, j.Fault == upstream.ClientGone:
		if j.Started && outcome(j.Result) == balancer.Broken {
			service.stats.cut.Add(1)
		}
		// A client that is still there must see that the response is not whole
		// (RFC 9112 §8).
		x.abort()
	default:
		if j.endpoint == nil || j.Fault == upstream.OwnLimit {
			service.stats.own.Add(1)
		}
		status, reason := j.answer()
		x.refuse(refusal{status: status, reason: reason})
	}
}

// abort has the connection end without a proper end.
func (x *exchange) abort() { x.over, x.conn.broken = true, true }

// mistake ends a request in which this program went wrong, and no other.
func (x *exchange) mistake(v any) {
	x.conn.Leave() // the log may be stuck
	x.conn.settings.mistake("a mistake in rota ended a request", v)
	_ = x.endUpload()
	x.dropBackend()
	if x.started {
		x.abort()
		return
	}
	x.over = true
	x.refuse(refusal{status: http.StatusInternalServerError, reason: "a mistake in rota"})
}

// route returns the service that gets a request; for a request that none gets,
// the one that accounts for such, and the answer.
func (x *exchange) route() (*Service, refusal) {
	routes, r := x.conn.settings.Routes, refusal{}
	switch {
	case x.req.Method == http.MethodConnect || x.req.Method == http.MethodTrace:
		r = refusal{http.StatusMethodNotAllowed, "not through this proxy", allowed}
	case x.req.Expect == http1.ExpectUnknown:
		r = refusal{status: http.StatusExpectationFailed, reason: "an unknown expectation"}
	case x.conn.settings.rules.looped(&x.req):
		r = refusal{status: http.StatusLoopDetected, reason: "the request has been here before"}
	case final(&x.req):
		r = refusal{http.StatusOK, "it must not go further", allowed}
	default:
		normal, err := http1.NormalPath(x.req.Path)
		if err != nil {
			r = refusal{status: http.StatusBadRequest, reason: err.Error()}
			break
		}
		service := routes.Match(x.req.Host, normal)
		// Who spells a path in another way to take another route must not find
		// that spelling at its end.
		if x.path = x.req.Path; normal != x.path && routes.Match(x.req.Host, x.path) != service {
			x.path = normal
		}
		if service != nil {
			return service, r
		}
		r = refusal{status: http.StatusNotFound, reason: "no route for this host and path"}
	}
	return routes.unrouted, r
}

// reply is what the head of a response says of the connection.
func (x *exchange) reply(framing http1.Framing, length int64) reply {
	return reply{
		method: x.req.Method, minor: x.req.Minor, keep: !x.over, framing: framing, length: length,
		date: x.conn.server.date.String(),
	}
}
