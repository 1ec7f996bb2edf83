package upstream

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"
)

var errDetached = errors.New("the attempt is over")

// attemptBody lends the request's body to one attempt. The transport may go on
// reading after it has given up; settle takes the body back, so that another
// attempt has it for itself.
type attemptBody struct {
	source io.Reader

	mu       sync.Mutex
	touched  bool
	detached bool
	err      error // of the source, other than io.EOF
}

func (b *attemptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	if b.detached {
		b.mu.Unlock()
		return 0, errDetached
	}
	b.touched = true
	b.mu.Unlock()

	n, err := b.source.Read(p)
	if err != nil && err != io.EOF {
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}
	return n, err
}

// Close is the transport's. The body belongs to whoever gave it.
func (b *attemptBody) Close() error { return nil }

// settle ends the loan, and puts the blame on the client where its body was
// what failed.
func (b *attemptBody) settle(e *Error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.detached = true
	e.Touched = b.touched
	switch {
	case b.err == nil:
	case isTimeout(b.err): // net/http takes this for a client that left
		e.Fault, e.Err = ClientStalled, b.err
	case e.Fault != ClientGone:
		e.Fault, e.Err = ClientBody, b.err
	}
}

// responseBody watches over the progress of a response's body.
type responseBody struct {
	source io.ReadCloser
	stall  time.Duration
	timer  *time.Timer
	cancel context.CancelFunc

	mu      sync.Mutex
	stalled bool
}

func newResponseBody(source io.ReadCloser, stall time.Duration, cancel context.CancelFunc) io.ReadCloser {
	if tunnel, ok := source.(io.ReadWriteCloser); ok {
		return &tunnelBody{ReadWriteCloser: tunnel, cancel: cancel}
	}
	b := &responseBody{source: source, stall: stall, cancel: cancel}
	b.timer = time.AfterFunc(stall, b.expire)
	b.timer.Stop()
	return b
}

func (b *responseBody) expire() {
	b.mu.Lock()
	b.stalled = true
	b.mu.Unlock()
	b.cancel()
}

// Read waits for the backend only as long as a stall may be. The time that the
// client takes between reads is not the backend's.
func (b *responseBody) Read(p []byte) (int, error) {
	b.timer.Reset(b.stall)
	n, err := b.source.Read(p)
	b.timer.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	fault := exchangeFault(err)
	if b.stalled {
		fault = Stalled
	}
	return n, &Error{Fault: fault, Sent: true, Touched: true, Err: err}
}

func (b *responseBody) Close() error {
	b.timer.Stop()
	err := b.source.Close()
	b.cancel()
	return err
}

// tunnelBody is the connection after a 101: whoever holds it decides how long
// it may be silent.
type tunnelBody struct {
	io.ReadWriteCloser
	cancel context.CancelFunc
}

func (b *tunnelBody) Close() error {
	err := b.ReadWriteCloser.Close()
	b.cancel()
	return err
}
