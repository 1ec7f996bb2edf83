package upstream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
)

func TestNamesOfFaults(t *testing.T) {
	want := []string{"none", "unreachable", "connect_timeout", "reset", "late", "stalled", "malformed",
		"client_gone", "client_stalled", "client_body", "expired", "limited", "own_limit"}
	for f := None; f <= OwnLimit; f++ {
		if got := f.String(); got != want[f] {
			t.Errorf("fault %d is %s, want %s", f, got, want[f])
		}
	}
}

func TestErrorExplains(t *testing.T) {
	cause := errors.New("connection refused")
	e := &Error{Fault: Unreachable, Err: cause}
	if e.Error() != "unreachable: connection refused" || !errors.Is(e, cause) {
		t.Errorf("reads %q", e)
	}
}

// timeout is an error that says so.
type timeout struct{}

func (timeout) Error() string { return "it took too long" }
func (timeout) Timeout() bool { return true }

// dialing wraps an error of the system as net.Dial does.
func dialing(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

// What this process ran out of is told apart from what a backend did, however
// deep the error is wrapped.
func TestWhoseFaultItIs(t *testing.T) {
	tests := []struct {
		err            error
		own            bool
		dial, exchange Fault
	}{
		{dialing(syscall.EMFILE), true, OwnLimit, OwnLimit},
		{dialing(syscall.ENFILE), true, OwnLimit, OwnLimit},
		{dialing(syscall.EADDRNOTAVAIL), true, OwnLimit, OwnLimit},
		{dialing(syscall.ENOBUFS), true, OwnLimit, OwnLimit},
		{dialing(syscall.ENOMEM), true, OwnLimit, OwnLimit},
		{fmt.Errorf("b: %w", &url.Error{Op: "Get", Err: dialing(syscall.EMFILE)}), true, OwnLimit, OwnLimit},
		{errors.Join(io.EOF, syscall.ENOBUFS), true, OwnLimit, OwnLimit},

		{dialing(syscall.ECONNREFUSED), false, Unreachable, Reset},
		{dialing(syscall.EHOSTUNREACH), false, Unreachable, Reset},
		{dialing(syscall.ECONNRESET), false, Unreachable, Reset},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host"}}, false, Unreachable, Reset},
		{&net.OpError{Op: "dial", Err: timeout{}}, false, ConnectTimeout, Late},
		{dialing(syscall.ETIMEDOUT), false, ConnectTimeout, Late},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, false, ConnectTimeout, Late},
		{timeout{}, false, ConnectTimeout, Late},
		{io.EOF, false, Unreachable, Reset},
		{net.ErrClosed, false, Unreachable, Reset},
	}
	for _, tt := range tests {
		if got := OutOfResources(tt.err); got != tt.own {
			t.Errorf("%v: out of resources is %v, want %v", tt.err, got, tt.own)
		}
		if got := dialFault(tt.err); got != tt.dial {
			t.Errorf("%v: dialing is %s, want %s", tt.err, got, tt.dial)
		}
		if got := FaultOf(tt.err, Late); got != tt.exchange {
			t.Errorf("%v: the exchange is %s, want %s", tt.err, got, tt.exchange)
		}
	}
	if OutOfResources(nil) {
		t.Error("no error is out of resources")
	}
}
