package proxy

import (
	"errors"
	"time"

	"github.com/rota-lb/rota/upstream"
)

var errMistake = errors.New("a mistake in rota")

// sendSecond sends the request in the second lane: in another exchange, which has
// all of the request for itself.
func (x *exchange) sendSecond(address string, limit time.Duration) (r Result) {
	y := x.second
	if y == nil {
		y = newExchange(x.conn)
		x.second = y
		y.lane, y.service, y.path = second, x.service, x.path
		request := x.in.Bytes()[:x.size+len(x.body)]
		if len(request) > len(y.in.Room()) {
			y.in.Grow()
		}
		y.in.Filled(copy(y.in.Room(), request))
		y.parse() // as it was parsed before
		y.body = y.in.Bytes()[y.size:]
	}
	defer x.conn.server.rescue(func() {
		y.dropBackend()
		r = Result{Fault: upstream.OwnLimit, Err: errMistake}
	})
	y.dropBackend()
	return y.send(address, limit)
}

// Stop is part of [Carrier].
func (x *exchange) Stop(l Lane) {
	if l == second { // it may not have begun, and must be able to another time
		x.stopped = true
	}
	x.conn.stop(l)
}

// Leave is part of [Carrier].
func (x *exchange) Leave() { x.conn.Leave() }

// adopt makes the response of the second lane that of the first.
func (x *exchange) adopt() {
	y := x.second
	x.backend, y.backend = y.backend, x.backend
	_ = x.backend.Join(x.conn.Conn) // where it can't be watched, its limit ends the wait
	x.out, y.out = y.out, x.out
	x.res, y.res = y.res, x.res
}

// unite ends the second lane, if there was one. Nobody may be in it.
func (x *exchange) unite() {
	y := x.second
	if y == nil && !x.stopped {
		return
	}
	if x.second, x.stopped = nil, false; y != nil {
		y.dropBackend()
		y.free()
	}
	x.conn.unite(x.backend)
}
