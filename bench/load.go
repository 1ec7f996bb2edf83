package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"
)

// drainLimit is how long answers may take that are owed when the last request
// has become due.
const drainLimit = 5 * time.Second

// requestHost is the Host that clients ask for.
const requestHost = "bench.test"

// load is an open loop: requests come at a fixed rate, whatever the answers do.
type load struct {
	scenario scenario
	rate     float64 // requests per second
	duration time.Duration
	dial     func(context.Context) (net.Conn, error)
	sleep    func(until time.Time) error
}

// openLoop is what a load gave.
type openLoop struct {
	took   []time.Duration // from when a request was due to its whole answer, sorted
	late   []time.Duration // from when it was due to when it was sent, sorted
	failed int
	cause  error // of the first failure of any connection
}

// run sends the load. The error is about the start; what fails then is counted.
func (l load) run(ctx context.Context) (openLoop, error) {
	limited, cancel := context.WithTimeout(ctx, l.duration+drainLimit)
	defer cancel()
	clients := make([]*client, connections)
	for i := range clients {
		clients[i] = &client{load: l, request: l.scenario.request(requestHost)}
		defer clients[i].close()
		if l.scenario.fresh {
			continue
		}
		if err := clients[i].connect(limited); err != nil {
			return openLoop{}, err
		}
	}

	plan := schedule{start: time.Now(), rate: l.rate}
	n := plan.count(l.duration)
	due := make(chan time.Time, n) // room for all: the pace never waits for an answer
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { c.serve(limited, due) })
	}
	all.Go(func() {
		defer close(due)
		for k := range n {
			t := plan.due(k)
			if l.sleep(t) != nil || limited.Err() != nil {
				return // what is not sent is missed at the end
			}
			due <- t
		}
	})
	all.Wait()
	return merge(clients, n), ctx.Err()
}

// client is one connection of a load.
type client struct {
	load
	request []byte
	conn    net.Conn
	reader  *bufio.Reader
	openLoop
}

// serve sends requests as they become due. It takes the next only when it has
// the answer to the last; those that no client is free for wait in the
// channel, and the clock runs for them.
func (c *client) serve(ctx context.Context, due <-chan time.Time) {
	for t := range due {
		c.late = append(c.late, time.Since(t))
		if err := c.exchange(ctx); err != nil {
			c.failed++
			c.cause = cmp.Or(c.cause, err)
			c.close()
			continue
		}
		c.took = append(c.took, time.Since(t))
	}
}

// exchange sends one request and reads its answer.
func (c *client) exchange(ctx context.Context) error {
	if c.conn == nil {
		if err := c.connect(ctx); err != nil {
			return err
		}
	}
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	status, length, err := readAnswer(c.reader)
	switch {
	case err != nil:
		return err
	case status != c.scenario.status || length != int64(c.scenario.answer):
		return fmt.Errorf("an answer with status %d and %d bytes", status, length)
	}
	if c.scenario.fresh {
		c.close()
	}
	return nil
}

func (c *client) connect(ctx context.Context) error {
	conn, err := c.dial(ctx)
	if err != nil {
		return err
	}
	c.conn = conn
	// One deadline for all: a timer for each request would be load of our own.
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(nil, 64<<10)
	}
	c.reader.Reset(conn)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// merge puts together what the clients saw of n requests. What none of them
// came to is a failure.
func merge(clients []*client, n int) openLoop {
	var sum openLoop
	for _, c := range clients {
		sum.took = append(sum.took, c.took...)
		sum.late = append(sum.late, c.late...)
		sum.cause = cmp.Or(sum.cause, c.cause)
	}
	sum.failed = n - len(sum.took)
	slices.Sort(sum.took)
	slices.Sort(sum.late)
	return sum
}

// tcp returns what dials an address.
func tcp(address string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", address)
	}
}
