package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
)

// How much has gone out is told exactly, whatever has gone wrong.
func TestExchangesThatFail(t *testing.T) {
	hello, huge := []byte("hello"), make([]byte, 4<<20)
	const some = -1
	takes := func(n int) func(*testing.T, *rig) {
		return func(_ *testing.T, r *rig) {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, n)); r.reset() })
		}
	}
	tests := []struct {
		name    string
		before  func(t *testing.T, r *rig)
		what    []byte
		written int
		want    []error // any of them
	}{
		{"ended without an answer", func(_ *testing.T, r *rig) {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 5)); r.peer.Close() })
		}, hello, 5, []error{io.EOF}},
		{"half-closed without an answer", func(_ *testing.T, r *rig) {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 5)); r.peer.(*net.TCPConn).CloseWrite() })
		}, hello, 5, []error{io.EOF}},
		{"reset without an answer", takes(5), hello, 5, []error{syscall.ECONNRESET}},
		{"reset in the middle", takes(1000), huge, some, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"reset before", func(t *testing.T, r *rig) {
			r.reset()
			r.awaitState(t, tcpClosed)
		}, hello, 0, []error{syscall.ECONNRESET}},
		{"reset before, and known", func(t *testing.T, r *rig) {
			r.reset()
			eventually(t, "the reset", func() bool { return r.Peek() == Broken })
		}, hello, 0, []error{syscall.EPIPE}},
		{"closed by us", func(_ *testing.T, r *rig) { r.Close() }, hello, 0, []error{net.ErrClosed}},
		{"ended by us before", func(_ *testing.T, r *rig) { r.EndRead() }, hello, 0, []error{os.ErrDeadlineExceeded}},
		{"interrupted before", func(_ *testing.T, r *rig) { r.Interrupt() }, hello, 0, []error{os.ErrDeadlineExceeded}},
		{"no answer in time", func(t *testing.T, r *rig) {
			runs(t, r.clock)
			r.LimitRead(1)
		}, hello, 5, []error{os.ErrDeadlineExceeded}},
		{"not taken in time", func(t *testing.T, r *rig) { runs(t, r.clock) }, huge, some, []error{os.ErrDeadlineExceeded}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, narrow(tcp))
			tt.before(t, r)
			var b Buffer
			n, err := r.Exchange(tt.what, nil, &b, false)
			if n != tt.written && (tt.written != some || n <= 0 || n >= len(tt.what)) {
				t.Errorf("wrote %d of %d, want %d", n, len(tt.what), tt.written)
			}
			if !isAny(err, tt.want) {
				t.Errorf("ended with %v, want one of %v", err, tt.want)
			}
			if b.Len() > 0 || b.memory != nil && err != io.EOF && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%d bytes were read, and memory is held: %v", b.Len(), b.memory != nil)
			}
			b.Release()
		})
	}
}

// What failed whole did not reach anybody.
func TestWritesThatFail(t *testing.T) {
	hello, huge := []byte("hello"), make([]byte, 4<<20)
	const some = -1
	tests := []struct {
		name    string
		pair    kind
		before  func(t *testing.T, r *rig)
		what    []byte
		written int
		want    []error // any of them
	}{
		{"reset", tcp, func(t *testing.T, r *rig) { r.reset(); r.awaitState(t, tcpClosed) }, hello, 0, []error{syscall.ECONNRESET}},
		{"reset and known", tcp, func(t *testing.T, r *rig) {
			r.reset()
			eventually(t, "the reset", func() bool { return r.Peek() == Broken })
		}, hello, 0, []error{syscall.EPIPE}},
		{"reset in the middle", narrow(tcp), func(_ *testing.T, r *rig) {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 1000)); r.reset() })
		}, huge, some, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"closed by us", tcp, func(_ *testing.T, r *rig) { r.Close() }, hello, 0, []error{net.ErrClosed}},
		{"closed for writing", tcp, func(_ *testing.T, r *rig) { r.CloseWrite() }, hello, 0, []error{syscall.EPIPE}},
		{"interrupted", tcp, func(_ *testing.T, r *rig) { r.Interrupt() }, hello, 0, []error{os.ErrDeadlineExceeded}},
		{"closed, pipe", piped, func(_ *testing.T, r *rig) { r.peer.Close() }, hello, 0, []error{io.ErrClosedPipe}},
		{"closed in the middle, pipe", piped, func(_ *testing.T, r *rig) {
			r.peers.Go(func() { io.ReadFull(r.peer, make([]byte, 1000)); r.peer.Close() })
		}, huge, 1000, []error{io.ErrClosedPipe}},
		{"closed by us, pipe", piped, func(_ *testing.T, r *rig) { r.Close() }, hello, 0, []error{io.ErrClosedPipe}},
		{"interrupted, pipe", piped, func(_ *testing.T, r *rig) { r.Interrupt() }, hello, 0, []error{os.ErrDeadlineExceeded}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tt.pair)
			tt.before(t, r)
			n, err := r.WriteBoth(tt.what, nil)
			if n != tt.written && (tt.written != some || n <= 0 || n >= len(tt.what)) {
				t.Errorf("wrote %d of %d, want %d", n, len(tt.what), tt.written)
			}
			if !isAny(err, tt.want) {
				t.Errorf("ended with %v, want one of %v", err, tt.want)
			}
		})
	}
}
