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

// The keep-alive race: requests that can't be asked twice, on connections that the
// backend may be about to close. In the worst case each client asks again when the
// backend's patience ends, or a little later, and nothing can be used again. With
// more patience all ask again after any pause, so that some connections are good,
// some are just being closed, and some only may be.
func TestPostsAndIdleConnectionsThatClose(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("the seed is %d", seed)
	pauses := rand.New(rand.NewPCG(seed, 0))
	tests := []struct {
		name     string
		patience time.Duration
		pause    func() time.Duration // until all ask again
		within   time.Duration        // of each other
		lasting  time.Duration
		reused   bool // some of the connections are
	}{
		{"as they close", 40 * ms, func() time.Duration { return 40 * ms }, 2 * ms, 2500 * ms, false}, // 500 a second
		{"at any time", 500 * ms, func() time.Duration { return time.Duration(pauses.Int64N(int64(600 * ms))) }, 20 * ms, 5000 * ms, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var rounds []time.Duration
			for at := time.Duration(0); at < tt.lasting; at += tt.pause() {
				rounds = append(rounds, at)
			}
			b := &impatient{patience: tt.patience, came: map[string]int{}}
			total := b.asked(t, newRig(t, Options{}, limits, b.start(t)), rounds, tt.within, seed)
			b.mu.Lock()
			defer b.mu.Unlock()
			t.Logf("%d requests on %d connections, of which %d were closed idle", total, b.opened, b.idle)
			if b.idle == 0 || b.opened <= askers || tt.reused && b.opened >= total {
				t.Errorf("%d requests came on %d connections, of which the backend closed %d: that shows nothing", total, b.opened, b.idle)
			}
		})
	}
}

// askers is how many clients ask at a time.
const askers = 20

// asked has them ask in rounds, each at a moment of its own, and asserts that each
// request is answered and came once. It returns how many there were.
func (b *impatient) asked(t *testing.T, r *rig, rounds []time.Duration, within time.Duration, seed uint64) (total int) {
	began := time.Now()
	var asking sync.WaitGroup
	for i := range askers {
		c := r.dial(t)
		rng := rand.New(rand.NewPCG(seed, uint64(1+i)))
		asking.Go(func() {
			timer := time.NewTimer(0)
			<-timer.C
			for n, at := range rounds {
				timer.Reset(time.Until(began.Add(at + time.Duration(rng.Int64N(int64(within))))))
				<-timer.C
				id := fmt.Sprintf("%d-%d", i, n)
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
			}
		})
	}
	asking.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range askers {
		for n := range rounds {
			id := fmt.Sprintf("%d-%d", i, n)
			if came := b.came[id]; came != 1 {
				t.Errorf("%s came %d times", id, came)
			}
		}
	}
	return askers * len(rounds)
}
