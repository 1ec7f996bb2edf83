package proxy

import (
	"io"
	"net/http"
	"sync"
	"time"
)

// requestBody gives each wait for the client its own deadline, so that a long
// upload is not cut and a stalled one is.
type requestBody struct {
	request *http.Request
	control *http.ResponseController
	timeout time.Duration

	mu      sync.Mutex
	touched bool
	whole   bool // read to its end
	over    bool // the connection's deadlines are for its next request
}

// takeBody returns the body of a request, nil where it has none. It must be
// ended before the handler ends.
func (s *Server) takeBody(w http.ResponseWriter, r *http.Request) *requestBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &requestBody{request: r, control: http.NewResponseController(w), timeout: s.options.ReadTimeout}
	// What nobody here reads net/http does, for as long as it may.
	_ = b.limit(time.Now().Add(b.timeout))
	return b
}

// Read is part of [io.Reader].
func (b *requestBody) Read(p []byte) (int, error) {
	b.set(&b.touched)
	if err := b.limit(time.Now().Add(b.timeout)); err != nil {
		return 0, err
	}
	n, err := b.request.Body.Read(p)
	if err == io.EOF {
		b.set(&b.whole)
		dropTrailers(b.request.Trailer) // they are here by now
		// net/http goes on reading, to notice a client that leaves.
		if err := b.limit(time.Time{}); err != nil {
			return n, err
		}
	}
	return n, err
}

func (b *requestBody) set(flag *bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	*flag = true
}

// answer prepares for a response, with the header h, that may begin before the
// body has ended. net/http would take in the rest first, as far as it is not too
// large or too late, which holds the response back while somebody reads the
// body. To end the connection is the other way to see that the rest is not taken
// for a request. It may be called on nil.
func (b *requestBody) answer(h http.Header) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.touched && !b.whole {
		h.Set("Connection", "close")
	}
}

func (b *requestBody) limit(deadline time.Time) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return http.ErrBodyReadAfterClose
	}
	return b.control.SetReadDeadline(deadline)
}

// end keeps a backend that still reads, after its response, from changing the
// deadlines of the client's next request. It may be called on nil.
func (b *requestBody) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}
