package proxy

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// impatient is a backend that closes a connection on which nothing has come for
// a while, and counts how often each request came.
type impatient struct {
	patience time.Duration

	mu           sync.Mutex
	came         map[string]int
	opened, idle int // connections; those closed since nothing came
}

func (b *impatient) start(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { b.serve(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); serving.Wait() })
	return l.Addr().String()
}

func (b *impatient) serve(conn net.Conn) {
	defer conn.Close()
	b.count(func() { b.opened++ })
	// A connection is idle when it has had a request. Whoever gave a new one no
	// more time would lose requests to any machine that stands still for a moment.
	patience := 5 * time.Second
	for in := bufio.NewReader(conn); ; patience = b.patience {
		_ = conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := in.Peek(1); err != nil {
			b.count(func() { b.idle++ })
			return
		}
		_ = conn.SetReadDeadline(time.Time{})
		request, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		id, err := io.ReadAll(request.Body)
		if err != nil {
			return
		}
		b.count(func() { b.came[string(id)]++ })
		fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(id), id)
	}
}

func (b *impatient) count(what func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	what()
}

// The worst case of the keep-alive race: requests that can't be asked twice, on
// connections that the backend is just about to close. Each client asks again
// when the backend's patience ends, or a little later.
func TestPostsAndIdleConnectionsThatClose(t *testing.T) {
	const clients, lasting = 20, 2500 * time.Millisecond // 500 a second
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	b := &impatient{patience: 40 * time.Millisecond, came: map[string]int{}}
	r := newRig(t, Options{}, limits, b.start(t))
	began := time.Now()
	sent := make([][]string, clients)
	var asking sync.WaitGroup
	for i := range clients {
		c := r.dial(t)
		rng := rand.New(rand.NewPCG(seed, uint64(i)))
		asking.Go(func() {
			timer := time.NewTimer(0)
			for due := began; due.Sub(began) < lasting; {
				<-timer.C
				id := fmt.Sprintf("%d-%d", i, len(sent[i]))
				sent[i] = append(sent[i], id)
				c.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(id), id))
				response, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Errorf("%s: %v", id, err)
					return
				}
				body, err := io.ReadAll(response.Body)
				if response.StatusCode != 200 || string(body) != id || err != nil {
					t.Errorf("%s was answered %d %q, %v", id, response.StatusCode, body, err)
				}
				response.Body.Close()
				round := time.Duration(len(sent[i])) * b.patience
				due = began.Add(round + time.Duration(rng.Int64N(int64(2*time.Millisecond))))
				timer.Reset(time.Until(due))
			}
		})
	}
	asking.Wait()
	took := time.Since(began)
	b.mu.Lock()
	defer b.mu.Unlock()
	total := 0
	for _, ids := range sent {
		total += len(ids)
		for _, id := range ids {
			if n := b.came[id]; n != 1 {
				t.Errorf("%s came %d times", id, n)
			}
		}
	}
	t.Logf("%d requests in %v, on %d connections, of which %d were closed idle", total, took.Round(time.Millisecond), b.opened, b.idle)
	if b.idle == 0 || b.opened <= clients {
		t.Errorf("of %d connections the backend closed %d: that shows nothing", b.opened, b.idle)
	}
}
