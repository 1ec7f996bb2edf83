// Package upstream holds the connections to the backends of a service: it
// dials, keeps, lends and closes them, and names the ways in which they fail.
// It knows a backend by its address alone.
package upstream

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/rota-lb/rota/socket"
)

// Options limit how long a backend may make no progress.
type Options struct {
	Connect  time.Duration // for a connection to stand
	Response time.Duration // from the end of the request to the head of the response
	Stall    time.Duration // between two bytes of a body, either way
	MaxConns int           // to one backend, unused ones included, which make room; 0 is no limit
	Clock    *socket.Clock // that ends waits; it must run
}

// Client keeps the connections to the backends of one service. It is safe for
// concurrent use.
type Client struct {
	Options
	dialer net.Dialer
	*store // shared by all clients of the service
}

// store is where connections are kept.
type store struct {
	clock  *socket.Clock
	shelfs sync.Map // address → *shelf
	closed atomic.Bool
	stop   func() // the sweeps
}

// New returns a client without connections.
func New(o Options) *Client {
	s := &store{clock: o.Clock}
	s.stop = o.Clock.Watch(s.sweep)
	return newClient(o, s)
}

func newClient(o Options, s *store) *Client {
	return &Client{Options: o, store: s, dialer: net.Dialer{
		Timeout: o.Connect,
		// A backend that is gone is noticed by its silence, sooner than by
		// probes of the kernel's.
		KeepAlive: -1,
	}}
}

// With returns a client that goes by other options and has the same
// connections, those to come included. The clock must be the same, too. Either
// may be closed, for both.
func (c *Client) With(o Options) *Client { return newClient(o, c.store) }

func (all *store) sweep(now time.Duration) {
	limit := idleTimeout
	if all.clock.IsShort() {
		limit = shortIdleTimeout
	}
	all.shelfs.Range(func(address, s any) bool {
		shelf := s.(*shelf)
		if shelf.sweep(now, limit); shelf.forsaken(now) && all.shelfs.CompareAndDelete(address, s) {
			shelf.close() // somebody may just have looked it up
		}
		return true
	})
}

// Idle returns the unused connection to address that was used last, preferably one
// of that home ([socket.Conn.Home]), nil where there is none. The connection is
// then the caller's, who has to Join it. With sure, none comes that the backend
// might be about to close.
func (c *Client) Idle(address string, sure bool, home int) *Conn {
	s, ok := c.shelfs.Load(address)
	if !ok {
		return nil
	}
	conn := s.(*shelf).take(c.Clock.Now(), sure, home)
	if conn != nil {
		conn.SetStall(c.Stall) // it may be of a client with another one
	}
	return conn
}

// Dial makes a new connection to address, which is the caller's, who has to Join
// it. An error is of type [*Error]. ctx ends only the attempt to connect. Where
// there are as many as there may be, the one that has been unused for longest makes
// room.
func (c *Client) Dial(ctx context.Context, address string) (*Conn, error) {
	shelf := c.shelf(address) // one that is left meanwhile takes nothing back
	// Who must be sure of a connection may have left unused ones where they are.
	if n := shelf.open.Add(1); c.MaxConns > 0 && n > int64(c.MaxConns) && !shelf.makeRoom() {
		shelf.open.Add(-1)
		return nil, &Error{Fault: Limited, Err: ErrMaxConnections}
	}
	conn := &Conn{shelf: shelf}
	plain, err := c.dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		conn.Conn, err = socket.New(plain, c.Clock, c.Stall)
	}
	if err != nil {
		shelf.open.Add(-1)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, &Error{Fault: ClientGone, Err: err}
	default:
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			c.Clock.Short()
		}
		return nil, &Error{Fault: dialFault(err), Err: err}
	}
	shelf.lend(conn)
	return conn, nil
}

// Drain closes the unused connections to an address that is to get no more
// requests, and those in use once they are given back. It may get some again.
func (all *store) Drain(address string) {
	if s, ok := all.shelfs.Load(address); ok {
		s.(*shelf).drain()
	}
}

// Cut ends the waits on all connections to an address that are in use, and with
// them what they are used for. It returns how many there were.
func (all *store) Cut(address string) int {
	if s, ok := all.shelfs.Load(address); ok {
		return s.(*shelf).cut()
	}
	return 0
}

// Leave closes the unused connections to an address that serves no more, and
// those in use once they are given back.
func (all *store) Leave(address string) {
	if s, ok := all.shelfs.LoadAndDelete(address); ok {
		s.(*shelf).close()
	}
}

// Close closes all unused connections. Requests that are still under way get
// connections as before, which are closed when they are given back.
func (all *store) Close() {
	all.closed.Store(true)
	all.stop()
	all.shelfs.Range(func(_, s any) bool {
		s.(*shelf).close() // it goes on counting
		return true
	})
}

func (all *store) shelf(address string) *shelf {
	if s, ok := all.shelfs.Load(address); ok {
		return s.(*shelf)
	}
	s, _ := all.shelfs.LoadOrStore(address, new(shelf))
	if all.closed.Load() {
		s.(*shelf).close()
	}
	return s.(*shelf)
}
