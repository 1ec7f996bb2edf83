package health

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// briefError is an error in the few words that fit a log line or a table, with
// its cause underneath.
type briefError struct {
	text  string
	cause error
}

func (e *briefError) Error() string { return e.text }
func (e *briefError) Unwrap() error { return e.cause }

// maxText is the longest text of an error, in bytes: a backend has a say in
// some of them.
const maxText = 120

// brief returns err without what its reader knows already, such as the address
// and the operation. timeout is the limit that the operation had, 0 if it is not
// known.
func brief(err error, timeout time.Duration) error {
	if err == nil {
		return nil
	}
	text := briefText(err, timeout)
	if len(text) > maxText {
		text = text[:maxText] + "..."
	}
	return &briefError{text: text, cause: err}
}

func briefText(err error, timeout time.Duration) string {
	var (
		errno  syscall.Errno
		lookup *net.DNSError
		other  net.Error
	)
	switch {
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &lookup) && lookup.IsNotFound:
		return "no such host"
	case errors.As(err, &other) && other.Timeout(), errors.Is(err, context.DeadlineExceeded):
		if timeout == 0 {
			return "timeout"
		}
		return "timeout after " + timeout.String()
	case errors.As(err, &lookup):
		return "lookup failed: " + lookup.Err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection closed before the answer was complete"
	}
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return err.Error()
		}
		err = cause
	}
}

// unassignable reports whether err says that there is no address of ours from
// which to connect: out of ports, or of another family than any we have.
func unassignable(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }

// ownFault reports whether err says that we, not the endpoint, lack something:
// descriptors, ports, buffers or memory.
func ownFault(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}
