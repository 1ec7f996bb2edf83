package proxy

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// upload sends the body of a request to a backend while the response may be
// coming already. Its goroutine has the reading side of the client and the
// writing side of the backend for itself.
type upload struct {
	conn    *conn
	backend *upstream.Conn
	framing http1.Framing
	left    int64 // of a sized body
	chunks  http1.ChunkDecoder
	buffer  socket.Buffer // of what the client sends
	last    []byte        // the end of a chunked body

	read     atomic.Bool // the client has sent all of it
	answered atomic.Bool // the head of the response is here
	stopped  atomic.Bool
	ended    atomic.Bool
	running  sync.WaitGroup

	// To be read once it has ended.
	fault upstream.Fault // None where the failure was not the client's, too
	err   error
	whole bool
	reset error // by which the backend has ended the connection
}

// startUpload begins with what there is of the body.
func (x *exchange) startUpload() {
	u := &upload{conn: x.conn, backend: x.backend, framing: x.req.Framing, left: x.req.Length}
	u.buffer.Wide = true
	u.buffer.Filled(copy(u.buffer.Room(), x.in.Bytes()[x.size:]))
	x.upload = u
	// How long the backend may take for its answer counts from the end.
	x.backend.LimitRead(0)
	limits := x.service.Upstream.Options
	u.running.Go(func() {
		defer x.conn.server.rescue(u.backend.Interrupt)
		u.run()
		if u.answered.Load() {
			u.backend.LimitRead(limits.Stall)
		} else {
			u.backend.LimitRead(limits.Response)
		}
		u.ended.Store(true)
	})
}

// endUpload ends an upload that the client or the backend let down, or nobody
// needs any more. It returns the error, if it was the reason why the exchange
// can't go on.
func (x *exchange) endUpload() error {
	u := x.upload
	if u == nil {
		return nil
	}
	if u.stopped.Store(true); !u.read.Load() {
		u.conn.EndRead()
	}
	u.backend.Interrupt()
	u.running.Wait()
	if u.fault == upstream.None {
		return nil
	}
	return u.err
}

func (u *upload) run() {
	for {
		if err := u.send(); err != nil {
			u.failed(err, upstream.Stalled)
			return
		}
		if u.done() {
			u.whole = true
			return
		}
		u.conn.LimitRead(u.conn.settings.ReadTimeout)
		if u.stopped.Load() {
			return
		}
		u.buffer.Compact()
		if err := u.conn.ReadInto(&u.buffer); err != nil {
			if !u.stopped.Load() {
				u.blame(clientFault(err), err)
			}
			return
		}
	}
}

func (u *upload) done() bool { return u.left == 0 || u.chunks.Done() }

// send passes on what is in the buffer.
func (u *upload) send() error {
	if u.framing == http1.Sized {
		n := int(min(u.left, int64(u.buffer.Len())))
		u.left -= int64(n)
		u.read.Store(u.left == 0)
		_, err := u.backend.Write(u.buffer.Bytes()[:n])
		u.buffer.Skip(n)
		return err
	}
	for u.buffer.Len() > 0 && !u.chunks.Done() {
		wire, n, err := u.chunks.Relay(u.buffer.Bytes(), &requestLimits)
		if err != nil {
			return err
		}
		if u.last = u.last[:0]; u.chunks.Done() {
			u.read.Store(true)
			u.last = http1.AppendLastChunk(u.last, u.chunks.Trailer)
		}
		// What follows is found here, whether the backend takes this or not.
		u.buffer.Skip(n)
		if len(wire)+len(u.last) > 0 {
			if _, err := u.backend.WriteBoth(wire, u.last); err != nil {
				return err
			}
		}
		if n == 0 {
			break
		}
	}
	return nil
}

// failed tells why the body can't be sent on. Where the backend has ended the
// connection, its response may still be there to be read.
func (u *upload) failed(err error, late upstream.Fault) {
	var malformed *http1.Error
	switch {
	case errors.Is(err, syscall.ECONNRESET):
		u.reset = err
	case u.stopped.Load():
	case errors.As(err, &malformed):
		u.blame(upstream.ClientBody, err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		u.blame(late, err)
	}
}

// blame ends the exchange.
func (u *upload) blame(f upstream.Fault, err error) {
	u.fault, u.err = f, err
	u.backend.Interrupt()
}

// leave puts what follows the body into the client's buffer.
func (u *upload) leave(in *socket.Buffer) {
	in.Release()
	*in, u.buffer = u.buffer, socket.Buffer{}
	in.Wide = false
}
