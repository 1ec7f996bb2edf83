package consul

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/hashicorp/consul/api"
)

// query is what a source asks for.
type query struct {
	index      uint64        // answer when there is something newer; 0: at once
	wait       time.Duration // how long that may take at most; 0: as long as is usual
	consistent bool          // the leader itself must answer
	eager      bool          // the service changes these days, so it should not rest
	again      bool          // it has just changed
	filter     string        // which instances are asked for, as Consul's filters have it; "": all
	node       string        // ask only whether this node has any of them; "": what they are
}

// answer is what Consul says.
type answer struct {
	asked query   // what it answers
	items []*item // nil only with an error
	has   bool    // the node has some of those asked for
	meta  *api.QueryMeta
}

// asker is what a source asks Consul through. It is used by one goroutine.
type asker struct {
	client *Client
	reader *reader
	rung   <-chan struct{} // when a bell has rung since the last query
}

// ask asks for the service's instances. A source that has to wait for its turn,
// or to rest, does that first; what it then asks is in the answer.
func (a *asker) ask(ctx context.Context, q query) (answer, error) {
	c := a.client
	if q.again {
		c.news.Add(1)
	}
	if q.index > 0 && c.crowded() {
		switch {
		case q.eager && c.lasting.tryTake():
			defer c.lasting.give()
		case q.again:
			q.index = 0
		default:
			limit := q.wait
			if a.reader.watch.Datacenter != "" {
				limit = min(cmp.Or(limit, restDeaf), restDeaf)
			}
			c.rest(ctx, a.rung, limit)
			q.index = 0
		}
	}
	if err := c.slots.take(ctx); err != nil {
		return answer{}, err
	}
	defer c.slots.give()
	a.rung = c.chime.next()
	// A stale answer may come from any server, so one without a leader will do.
	options := &api.QueryOptions{
		AllowStale: !q.consistent, RequireConsistent: q.consistent,
		WaitIndex: q.index, Datacenter: a.reader.watch.Datacenter, Filter: q.filter,
	}
	if q.index > 0 {
		options.WaitTime = c.blockFor
		if q.wait > 0 {
			options.WaitTime = min(c.blockFor, q.wait)
		}
	}
	answer := answer{asked: q}
	path := "/v1/health/service/" + a.reader.watch.Service
	read := func(body io.Reader) (err error) {
		answer.items, err = a.reader.read(body, q.filter != "")
		return err
	}
	if q.node != "" {
		path = "/v1/catalog/node-services/" + q.node
		read = func(body io.Reader) (err error) {
			answer.has, err = readNode(body)
			return err
		}
	}
	var err error
	answer.meta, err = c.get(ctx, path, options, read)
	if err == nil && len(answer.items) == 0 && !answer.has {
		err = c.mayBelieveEmpty(ctx, a.reader.watch.Service, answer.meta)
	}
	return answer, err
}

// get makes one request, in bounded time, of which read reads the body.
func (c *Client) get(ctx context.Context, path string, o *api.QueryOptions, read func(io.Reader) error) (*api.QueryMeta, error) {
	if c.tokenFile != "" {
		token, err := readToken(c.tokenFile)
		if err != nil {
			return nil, err
		}
		o.Token = token
	}
	// Consul waits up to a sixteenth longer, to spread its load.
	limit := c.answerWithin
	if o.WaitIndex > 0 {
		limit += o.WaitTime + o.WaitTime/16
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, leave := c.pulse.follow(ctx)
	defer leave()
	if o.WaitIndex == 0 {
		var stop func()
		ctx, stop = c.leader.endHeld(ctx)
		defer stop()
	}
	var body io.ReadCloser
	meta, err := c.api.Raw().Query(path, new(any), o.WithContext(context.WithValue(ctx, bodyKey{}, &body)))
	if err == nil {
		defer body.Close()
		err = read(body)
	}
	if err != nil {
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errLeaderIsBack), errors.Is(cause, errAnswersAgain), errors.Is(cause, errNewToken):
			err = cause
		case errors.Is(cause, context.DeadlineExceeded):
			err = fmt.Errorf("no answer from Consul within %s", limit)
		}
		return nil, err
	}
	return meta, nil
}

// slots are places of which no more can be taken than there are.
type slots chan struct{}

func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s slots) tryTake() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }
