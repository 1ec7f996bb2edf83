package proxy

import (
	"errors"
	"io"
	"net/http"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// gather is up to how many bytes a piece of a body is copied behind the head, to
// be written with it.
const gather = 4 << 10

// Relay is part of [Carrier]. It passes on each piece as it comes.
func (x *exchange) Relay(lane Lane) Result {
	if lane == second {
		x.adopt()
	}
	x.unite()
	if x.res.Status == http.StatusSwitchingProtocols {
		return x.tunnel()
	}
	if x.upload != nil && !x.upload.read.Load() || x.pausing {
		x.over, x.conn.talking = true, true // the rest of the body is not taken for a request
	}
	framing, reusable := x.res.Framing, x.res.KeepAlive
	if framing == http1.Chunked || framing == http1.UntilClose {
		if framing = http1.Chunked; x.req.Minor == 0 {
			framing, x.over = http1.UntilClose, true
		}
	}
	if x.upload != nil {
		x.upload.answered.Store(true)
	}
	x.status = x.res.Status
	to := x.reply(framing, x.res.Length)
	x.head = appendResponse(x.head[:0], &x.res, &to)
	var err error
	switch x.res.Framing {
	case http1.Sized:
		err = x.relaySized(x.res.Length)
	case http1.Chunked:
		x.chunks.Reset()
		err = x.relayChunked(framing == http1.Chunked)
	case http1.UntilClose:
		err = x.relayUntilClose(framing == http1.Chunked)
	}
	if err == nil {
		err = x.flush()
	}
	if err != nil {
		return x.relayFailed(err)
	}
	if u := x.upload; u != nil && !u.ended.Load() {
		// The backend has answered before it took the whole body, and may never
		// do so.
		if !u.read.Load() {
			x.over, x.conn.talking = true, true
		}
		x.endUpload()
		reusable = false
	} else if u != nil {
		reusable = reusable && u.whole
	}
	if reusable && !x.pausing && x.out.Len() == 0 {
		x.keepBackend()
	} else {
		x.dropBackend()
	}
	x.out.Release()
	return Result{Status: x.status, Sent: true, Started: true}
}

func (x *exchange) relaySized(left int64) error {
	splices := x.upload == nil && x.conn.CanSplice() && x.backend.CanSplice()
	for {
		piece := x.out.Bytes()
		piece = piece[:min(int64(len(piece)), left)]
		if err := x.put(piece); err != nil {
			return err
		}
		x.out.Skip(len(piece))
		x.written += int64(len(piece))
		if left -= int64(len(piece)); left == 0 {
			return nil
		}
		if splices && left >= spliceFrom {
			if err := x.splice(left); !errors.Is(err, socket.ErrNoPipe) {
				return err
			}
			splices = false // who copies is done sooner than who waits for a pipe
		}
		if err := x.pull(); err != nil {
			return err
		}
	}
}

// spliceFrom is how much has to be left of a body before it pays to leave it in
// the kernel.
const spliceFrom = 128 << 10

// splice has the rest of a body pass without a copy.
func (x *exchange) splice(left int64) error {
	if err := x.flush(); err != nil {
		return err
	}
	n, readErr, writeErr := socket.Splice(x.conn.Conn, x.backend.Conn, left)
	x.written += n
	switch {
	case writeErr != nil:
		return writeErr
	case readErr != nil:
		return &backendError{readErr}
	}
	return nil
}

func (x *exchange) relayChunked(chunked bool) error {
	for {
		for {
			n, err := x.relayPiece(chunked)
			if err != nil || x.chunks.Done() {
				return err
			}
			if n == 0 {
				break
			}
		}
		if err := x.pull(); err != nil {
			return err
		}
	}
}

// relayPiece passes on what lies together of a chunked body: as it is, or only
// the data.
func (x *exchange) relayPiece(chunked bool) (n int, err error) {
	var piece []byte
	if chunked {
		piece, n, err = x.chunks.Relay(x.out.Bytes(), &responseLimits)
	} else {
		piece, n, err = x.chunks.Decode(x.out.Bytes(), &responseLimits)
	}
	if err == nil {
		x.written += int64(len(piece))
		err = x.put(piece)
	}
	if err == nil && chunked && x.chunks.Done() {
		x.head = http1.AppendLastChunk(x.head, x.chunks.Trailer)
	}
	x.out.Skip(n)
	return n, err
}

func (x *exchange) relayUntilClose(chunked bool) error {
	for {
		if piece := x.out.Bytes(); len(piece) > 0 {
			if chunked {
				x.head = http1.AppendChunkSize(x.head, int64(len(piece)))
			}
			if err := x.put(piece); err != nil {
				return err
			}
			if chunked {
				x.head = append(x.head, "\r\n"...)
			}
			x.written += int64(len(piece))
			x.out.Skip(len(piece))
		}
		err := x.pull()
		if errors.Is(err, io.EOF) { // the client's is never read here
			if err := x.reset(); err != nil {
				return &backendError{err}
			}
			if chunked {
				x.head = http1.AppendLastChunk(x.head, nil)
			}
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// reset returns the error by which the backend has ended the connection, where
// it is the upload that got it: after that, reading finds but an end.
func (x *exchange) reset() error {
	if x.upload == nil {
		return nil
	}
	_ = x.endUpload()
	return x.upload.reset
}

// put writes a piece of the body, or keeps it to be written with what is about
// to be written anyway.
func (x *exchange) put(piece []byte) error {
	if len(piece) <= gather {
		x.head = append(x.head, piece...)
		if len(x.head) <= 2*gather {
			return nil
		}
		piece = nil
	}
	x.started = true
	_, err := x.conn.WriteBoth(x.head, piece)
	x.head = x.head[:0]
	return err
}

// flush writes what was put.
func (x *exchange) flush() error {
	if len(x.head) == 0 {
		return nil
	}
	x.started = true
	_, err := x.conn.Write(x.head)
	x.head = x.head[:0]
	return err
}

// backendError is an error that is not the client's.
type backendError struct{ err error }

func (e *backendError) Error() string { return e.err.Error() }

func (e *backendError) Unwrap() error { return e.err }

// pull waits for more of the body. The client has everything by then.
func (x *exchange) pull() error {
	if err := x.flush(); err != nil {
		return err
	}
	// As long as the body of the request makes progress, so does the exchange.
	if x.upload == nil || x.upload.ended.Load() {
		x.backend.LimitRead(x.service.Upstream.Stall)
	}
	if err := x.more(); err != nil {
		return &backendError{err}
	}
	return nil
}

// relayFailed tells whose fault it is that the response is not whole.
func (x *exchange) relayFailed(err error) Result {
	if !x.started { // the client will hear of another one
		x.status, x.written = 0, 0
	}
	r := Result{Sent: true, Started: x.started, Replayable: x.upload == nil, Status: x.status, Err: err}
	switch e := err.(type) {
	case *backendError:
		r.Err = e.err
		r.Fault = upstream.FaultOf(e.err, upstream.Stalled)
	case *http1.Error:
		r.Fault = upstream.Malformed
	default:
		r.Fault = clientFault(err)
	}
	if err := x.endUpload(); err != nil {
		r.Fault, r.Err = x.upload.fault, err
	}
	if over := x.conn.over(); over != upstream.None {
		r.Fault = over
	}
	x.dropBackend()
	return r
}
