package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
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
	// OwnLimit: this process is out of descriptors, ports or memory.
	OwnLimit
)

// String returns the fault as logs and metrics name it.
func (f Fault) String() string {
	return [...]string{
		"none", "unreachable", "connect_timeout", "reset", "late", "stalled", "malformed",
		"client_gone", "client_stalled", "client_body", "own_limit",
	}[f]
}

// Error is a failed attempt: how it failed and how far it had got.
type Error struct {
	Fault Fault
	// Sent is whether any byte of the request may have reached the backend.
	Sent bool
	// Touched is whether any byte of the request's body was taken from its
	// reader, so that it can't be sent again.
	Touched bool
	Err     error
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

// exchangeFault tells what went wrong on a connection that stood.
func exchangeFault(err error) Fault {
	var network *net.OpError
	switch {
	case OutOfResources(err):
		return OwnLimit
	case errors.Is(err, os.ErrDeadlineExceeded): // of a write: nothing else has one
		return Stalled
	case isTimeout(err):
		return Late
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network),
		errors.Is(err, net.ErrClosed), errors.Is(err, context.Canceled), isServerClosed(err):
		return Reset
	default:
		return Malformed
	}
}

// isServerClosed recognises the one error of net/http that wraps nothing: the
// backend closed a reused connection before the request was written.
func isServerClosed(err error) bool {
	return err.Error() == "http: server closed idle connection"
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout() || errors.Is(err, os.ErrDeadlineExceeded)
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
