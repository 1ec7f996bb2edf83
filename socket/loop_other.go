//go:build !linux

package socket

import (
	"errors"
	"net"
	"sync/atomic"
)

// Elsewhere connections have goroutines of their own, and wait as [net.Conn] does.

type loop struct {
	index int
	load  atomic.Int64
	ring  *ring
	tired []*task
	away  atomic.Int64
	pass  uint64

	others bool

	mails, spare, batch []*mail
}

func newLoops(*Clock) []*loop { return nil }

func (*loop) run() {}

func (*loop) post(turn) {}

func (*loop) forget(*Conn) {}

func (*loop) start(*Conn) {}

func (*loop) resume(*task) {}

func (*Conn) move(*loop) error { return errors.ErrUnsupported }

func ownDescriptor(net.Conn, *Clock) (int, error) { return -1, nil }

type door struct{}

func newDoor(*Listener) (*door, error) { return nil, nil }

func (*door) open() error { return errors.ErrUnsupported }

func (*door) close() {}
