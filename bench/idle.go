package main

import (
	"bufio"
	"context"
	"net"
	"os"
	"time"
)

// settle is how long a program may take to give back what it doesn't need for
// connections that wait.
const settle = time.Second

// warmConnections are open before the first look at the memory: what a program
// sets up once, at the first of them, is not the price of one more.
const warmConnections = 64

// idleCost launches a program anew, for memory that has grown under load hides
// what connections take, and returns what one more connection costs that has
// had an answer and waits, in bytes.
func (s *stage) idleCost(ctx context.Context, p program, v variant, c scenario) (float64, error) {
	i, err := s.launch(ctx, p, v)
	if err != nil {
		return 0, err
	}
	defer i.process.stop()
	var held []net.Conn
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	var sizes [2]int64
	for phase, n := range [2]int{warmConnections, idleConnections} {
		for range n {
			conn, err := hold(ctx, i.Address, c)
			if err != nil {
				return 0, i.process.failure(err)
			}
			held = append(held, conn)
		}
		if err := pause(ctx, settle); err != nil {
			return 0, err
		}
		if sizes[phase], err = memory(os.DirFS("/proc"), i.pids); err != nil {
			return 0, err
		}
	}
	return float64(sizes[1]-sizes[0]) / idleConnections, nil
}

// hold makes one request and returns its connection, which is open still.
func hold(ctx context.Context, address string, c scenario) (net.Conn, error) {
	conn, err := tcp(address)(ctx)
	if err != nil {
		return nil, err
	}
	if _, err = conn.Write(c.request(requestHost)); err == nil {
		_, _, err = readAnswer(bufio.NewReader(conn))
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// pause waits for a time, or until ctx is done.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
