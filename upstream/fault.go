package upstream

import (
	"errors"
	"syscall"
)

// Fault is the way in which an attempt failed.
type Fault uint8

const (
	// None: nothing failed.
	None Fault = iota
	// Unreachable: no connection, refused or without a route.
	Unreachable
	// ConnectTimeout: no connection in time.
	ConnectTimeout
	// Reset: the connection ended before a whole response was here.
	Reset
	// Late: no head of a response in time.
	Late
	// Stalled: the backend stopped in the middle, neither reading nor writing.
	Stalled
	// Malformed: what came is not an HTTP response.
	Malformed
	// ClientGone: the client went away, and the attempt with it.
	ClientGone
	// ClientStalled: the client stopped in the middle of its request's body, or
	// of taking the response.
	ClientStalled
	// ClientBody: the body of the request ended before its end, or is not in the
	// format that its head announced.
	ClientBody
	// Expired: the request as a whole took longer than it may.
	Expired
	// Limited: a limit of the configuration's is reached.
	Limited
	// OwnLimit: this process is out of descriptors, ports or memory.
	OwnLimit
)

// String returns the fault as logs and metrics name it.
func (f Fault) String() string {
	return [...]string{
		"none", "unreachable", "connect_timeout", "reset", "late", "stalled", "malformed",
		"client_gone", "client_stalled", "client_body", "expired", "limited", "own_limit",
	}[f]
}

// ErrMaxConnections explains [Limited] where a backend has all the connections
// that it may have.
var ErrMaxConnections = errors.New("endpoint_max_connections")

// Error is a failure with the way in which it is one.
type Error struct {
	Fault Fault
	Err   error
}

func (e *Error) Error() string { return e.Fault.String() + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// dialFault tells why there is no connection. Running out of something of ours
// must never count against the backend.
func dialFault(err error) Fault {
	switch {
	case OutOfResources(err):
		return OwnLimit
	case isTimeout(err):
		return ConnectTimeout
	default:
		return Unreachable
	}
}

// FaultOf tells what went wrong on a connection that stood, where waiting too
// long is the fault late.
func FaultOf(err error, late Fault) Fault {
	switch {
	case OutOfResources(err):
		return OwnLimit
	case isTimeout(err):
		return late
	default:
		return Reset
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// OutOfResources reports whether err says that this process, not its peer, is
// out of descriptors, ports, buffers or memory.
func OutOfResources(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
