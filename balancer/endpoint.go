// Package balancer holds what the data path needs to choose a backend: the
// endpoints of a service, immutable pools of them, and the pickers that take
// turns.
//
// An [Endpoint] outlives pools: everything learned about an instance sits on
// it and is carried from one [Pool] to the next. A Pool never changes; a new
// state of the service is a new Pool, published by its owner through an atomic
// pointer. Picking neither locks nor allocates.
package balancer

import "sync/atomic"

// Outcome is how an attempt on an endpoint ended, as far as it says something
// about that endpoint.
type Outcome uint8

const (
	// Succeeded means that the endpoint answered, whatever the status.
	Succeeded Outcome = iota
	// Abandoned means that the attempt ended for a reason of the client's or of
	// our own; it says nothing about the endpoint.
	Abandoned
	// Unreachable means that no connection could be made.
	Unreachable
	// Broken means that the endpoint took the connection and then failed: a
	// reset, a stall, a malformed or late response.
	Broken
)

// Endpoint is one instance of a service as the data path knows it. Its
// identity is fixed, its address may move. All methods may be called
// concurrently.
type Endpoint struct {
	id       string
	address  atomic.Pointer[string]
	inFlight atomic.Int64
	requests atomic.Uint64
	failures atomic.Uint64
	strike   func(id string, err error)
}

// NewEndpoint returns the endpoint of the instance id, reached at address
// (host:port). strike, which may be nil, is called by [Endpoint.Done] in the
// goroutine of the request when the endpoint was [Unreachable] where it is now;
// it must not block.
func NewEndpoint(id, address string, strike func(id string, err error)) *Endpoint {
	e := &Endpoint{id: id, strike: strike}
	e.Move(address)
	return e
}

// ID returns the identity of the instance, unique in its service.
func (e *Endpoint) ID() string { return e.id }

// Address returns the host:port at which the endpoint is reached now.
func (e *Endpoint) Address() string { return *e.address.Load() }

// Move changes the address. Attempts under way stay with the old one.
func (e *Endpoint) Move(address string) { e.address.Store(&address) }

// InFlight returns the number of attempts picked and not yet done.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Totals returns how many attempts were picked and how many of them ended as
// [Unreachable] or [Broken].
func (e *Endpoint) Totals() (requests, failures uint64) {
	return e.requests.Load(), e.failures.Load()
}

// Done ends an attempt that [Pool.Pick] began and that went to address; every
// pick must be followed by exactly one Done. err explains an outcome other than
// [Succeeded]. That a former address can't be reached says nothing of the
// endpoint any more.
func (e *Endpoint) Done(o Outcome, address string, err error) {
	e.inFlight.Add(-1)
	switch o {
	case Unreachable:
		e.failures.Add(1)
		if e.strike != nil && address == e.Address() {
			e.strike(e.id, err)
		}
	case Broken:
		e.failures.Add(1)
	}
}

func (e *Endpoint) begin() {
	e.inFlight.Add(1)
	e.requests.Add(1)
}
