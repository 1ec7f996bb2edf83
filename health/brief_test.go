package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialError returns err as net.Dialer dresses it.
func dialError(err error) error {
	return &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 80}, Err: err}
}

func connectError(errno syscall.Errno) error {
	return dialError(os.NewSyscallError("connect", errno))
}

func TestBrief(t *testing.T) {
	tests := []struct {
		err     error
		timeout time.Duration
		want    string
	}{
		{connectError(syscall.ECONNREFUSED), time.Second, "connection refused"},
		{connectError(syscall.EHOSTUNREACH), time.Second, "no route to host"},
		{connectError(syscall.ETIMEDOUT), time.Second, "connection timed out"},
		{connectError(syscall.ECONNRESET), 0, "connection reset by peer"},
		{dialError(&net.DNSError{Err: "no such host", Name: "web", IsNotFound: true}), time.Second, "no such host"},
		{dialError(&net.DNSError{Err: "server misbehaving", Name: "web"}), time.Second, "lookup failed: server misbehaving"},
		{dialError(&net.DNSError{Err: "i/o timeout", Name: "web", IsTimeout: true}), 2 * time.Second, "timeout after 2s"},
		{dialError(os.ErrDeadlineExceeded), 1500 * time.Millisecond, "timeout after 1.5s"},
		{context.DeadlineExceeded, 2 * time.Second, "timeout after 2s"},
		{dialError(os.ErrDeadlineExceeded), 0, "timeout"},
		{fmt.Errorf("reading: %w", io.EOF), 0, "connection closed before the answer was complete"},
		{io.ErrUnexpectedEOF, 0, "connection closed before the answer was complete"},
		{fmt.Errorf("outer: %w", errors.New("inner")), 0, "inner"},
		{errors.New(strings.Repeat("x", 1000)), 0, strings.Repeat("x", maxText) + "..."},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			err := brief(test.err, test.timeout)
			wantError(t, err, test.want)
			if !errors.Is(err, test.err) {
				t.Error("the cause is lost")
			}
		})
	}
	if err := brief(nil, time.Second); err != nil {
		t.Errorf("no error became %v", err)
	}
}

func TestOwnFault(t *testing.T) {
	tests := []struct {
		errno syscall.Errno
		want  bool
	}{
		{syscall.EMFILE, true},
		{syscall.ENFILE, true},
		{syscall.EADDRNOTAVAIL, true},
		{syscall.ENOBUFS, true},
		{syscall.ENOMEM, true},
		{syscall.ECONNREFUSED, false},
		{syscall.ECONNRESET, false},
		{syscall.ETIMEDOUT, false},
		{syscall.EHOSTUNREACH, false},
		{syscall.ENETUNREACH, false},
	}
	for _, test := range tests {
		err := brief(connectError(test.errno), time.Second)
		if got := ownFault(err); got != test.want {
			t.Errorf("%v is our own fault: %t, want %t", err, got, test.want)
		}
	}
	if ownFault(errRefused) || ownFault(nil) {
		t.Error("what is no errno is our own fault")
	}
}
