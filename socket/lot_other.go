//go:build !linux

package socket

// lot is for systems with epoll.
type lot struct{}

func newLot(*Listener) (*lot, error) { return nil, nil }

func (*lot) run() error { return nil }

func (*lot) close() {}

func (*lot) end() {}

func (*lot) forget(int) {}

func (*lot) control(op, fd int, events uint32) error { return nil }
