package upstream

import (
	"errors"
	"net/http"
	"net/textproto"
	"sync"

	"github.com/rota-lb/rota/http1"
)

// maxInformational is how many 1xx responses may come before the final one. A
// few are useful; more is a backend that keeps both of us busy.
const maxInformational = 32

var errInformational = errors.New("too many informational responses")

// informer passes the 1xx responses of one attempt on. net/http calls it from
// a goroutine that may outlive the attempt.
type informer struct {
	tell func(status int, h http1.Header)

	mu    sync.Mutex
	count int
	over  bool
}

func (i *informer) got(status int, h textproto.MIMEHeader) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.count++; i.count > maxInformational {
		return errInformational
	}
	// 100 answers an Expect, which our own server side does by reading.
	if i.tell != nil && !i.over && status != http.StatusContinue {
		i.tell(status, fromMap(http.Header(h)))
	}
	return nil
}

// end waits for a response that is being told; none is after it.
func (i *informer) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
}
