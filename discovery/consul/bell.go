package consul

import (
	"context"
	"hash/maphash"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/hashicorp/consul/api"
)

// Where there are more sources than an agent takes connections, most of them
// rest: they keep no query open, and ask again when a bell rings. There are two,
// each a query for all services that one of the resting sources keeps open: one
// tells that something was registered or deregistered, the other that a check
// changed its state. Whose it was they don't tell, so all who rest ask then.

const (
	// ringEvery is the least time between two rings for each source that there
	// is: what they ask then is bounded by it, however often Consul changes.
	ringEvery = time.Millisecond
	// restDeaf is how long a source of another datacenter rests at most, of which
	// the bells know nothing.
	restDeaf = 5 * time.Second
	// listenEvery is the least time between two answers to a bell's query.
	// Checks can change their text often, which rings no bell.
	listenEvery = 100 * time.Millisecond
)

// bell is a query for a change of any service. Whoever has it owns it.
type bell struct {
	path   string
	filter string
	mark   func(io.Reader) (uint64, error) // of what matters in an answer
	any    bool                            // whatever has changed matters

	index uint64
	last  uint64 // mark
	news  uint64 // of the client, by then
	asked time.Time
}

// newBells returns the two, for whoever takes them.
func newBells() chan *bell {
	seed := maphash.MakeSeed()
	bells := make(chan *bell, 2)
	for _, b := range []*bell{
		{path: "/v1/catalog/services", mark: skip, any: true},
		{
			path: "/v1/health/state/any", filter: `Status != "passing"`,
			mark: func(body io.Reader) (uint64, error) { return markChecks(seed, body) },
		},
	} {
		bells <- b
	}
	return bells
}

func skip(body io.Reader) (uint64, error) {
	_, err := io.Copy(io.Discard, body)
	return 0, err
}

// markChecks returns a hash of which checks are in which state, in whatever order.
func markChecks(seed maphash.Seed, body io.Reader) (mark uint64, err error) {
	var checks []struct{ Node, ServiceID, CheckID, Status string }
	if err := json.UnmarshalRead(body, &checks, lenient); err != nil {
		return 0, err
	}
	for _, c := range checks {
		mark += maphash.Comparable(seed, c)
	}
	return mark, nil
}

// listen waits for an answer, and reports whether something has changed.
func (c *Client) listen(ctx context.Context, b *bell) (changed bool) {
	if !pause(ctx, listenEvery-time.Since(b.asked)) {
		return false
	}
	b.asked = time.Now()
	index, mark, err := c.hear(ctx, b)
	switch {
	case ctx.Err() != nil: // whoever takes the bell next hears it
		return false
	case err != nil, index < b.index: // the sources will find out what that is about
		b.index = 0
		return true
	}
	// What is again as it was when last heard may have been otherwise when a
	// source asked. Such a source asks once more before it rests, so either that
	// is new enough, or it has counted its news by now.
	news := c.news.Load()
	changed = b.index == 0 || mark != b.last || index != b.index && news != b.news
	b.index, b.last, b.news = max(index, 1), mark, news
	return changed
}

// hear asks a bell's query.
func (c *Client) hear(ctx context.Context, b *bell) (index, mark uint64, err error) {
	options := &api.QueryOptions{AllowStale: true, WaitIndex: b.index, WaitTime: c.blockFor, Filter: b.filter}
	meta, err := c.get(ctx, b.path, options, func(body io.Reader) (err error) {
		mark, err = b.mark(body)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	if b.any {
		mark = meta.LastIndex
	}
	return meta.LastIndex, mark, nil
}

// chime tells all who rest that a bell has rung.
type chime struct {
	mu   sync.Mutex
	rung chan struct{}
	last time.Time
}

// next returns what is closed when a bell rings from now on.
func (c *chime) next() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rung
}

// ring wakes all who rest, not too soon after the last time, and reports whether
// they have been woken. If another does so meanwhile that will do: what they ask
// then is newer still.
func (c *chime) ring(ctx context.Context, every time.Duration) (rang bool) {
	c.mu.Lock()
	before, soon := c.rung, every-time.Since(c.last)
	c.mu.Unlock()
	waited := pause(ctx, soon)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rung != before || !waited {
		return c.rung != before
	}
	c.last = time.Now()
	close(c.rung)
	c.rung = make(chan struct{})
	return true
}

// rest waits until there may be something new for a source: a bell has rung
// since, or it is time to make sure. It is so after a limit at the latest, unless
// that is 0.
func (c *Client) rest(ctx context.Context, rung <-chan struct{}, limit time.Duration) {
	if limit == 0 {
		limit = time.Duration((1.5 + rand.Float64()) * float64(c.blockFor))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// Who listens to one bell must hear the other, too.
	ctx, stop := until(ctx, rung)
	defer stop()
	select {
	case b := <-c.bells:
		if c.listen(ctx, b) && !c.chime.ring(ctx, time.Duration(c.sources.Load())*ringEvery) {
			b.index = 0 // so that whoever takes the bell next hears of the change
		}
		c.bells <- b
	case <-ctx.Done():
	}
}

// until returns a context that also ends when a channel is closed. stop must be
// called.
func until(ctx context.Context, closed <-chan struct{}) (_ context.Context, stop func()) {
	ctx, end := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() {
		select {
		case <-closed:
			end()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		end()
		watching.Wait()
	}
}
