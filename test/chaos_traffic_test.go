package test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

const (
	// clientPatience is how long a client waits for an answer.
	clientPatience = 20 * time.Second
	// restLimit is how long a client keeps a connection without use.
	restLimit = 5 * time.Second
)

// traffic is a constant rate of requests whose times are fixed beforehand: when
// answers are late, more clients send the next ones all the same, and each
// request's time counts from when it was due.
type traffic struct {
	address string
	rate    int // requests a second
	posts   int // each so-manieth request is a POST; 0: none is
	ledger  *ledger
	done    chan struct{}
	pacer   sync.WaitGroup
	clients sync.WaitGroup

	mu   sync.Mutex
	idle []*client // the least recently used first
}

// client has one connection, and one request on its way at most.
type client struct {
	*traffic
	conn   *net.TCPConn // nil: none
	wire   *testkit.Wire
	work   chan ticket
	rested time.Time
}

type ticket struct {
	id   uint64
	post bool
}

func startTraffic(t *testing.T, address string, rate, posts int, l *ledger) *traffic {
	tr := &traffic{address: address, rate: rate, posts: posts, ledger: l, done: make(chan struct{})}
	tr.pacer.Go(tr.pace)
	t.Cleanup(tr.stop)
	return tr
}

// stop ends the traffic and waits until each request has.
func (tr *traffic) stop() {
	select {
	case <-tr.done:
	default:
		close(tr.done)
	}
	tr.pacer.Wait()
	tr.ledger.mu.Lock()
	for tr.ledger.open > 0 {
		tr.ledger.settled.Wait()
	}
	tr.ledger.mu.Unlock()
	tr.trim(time.Now())
	tr.clients.Wait()
}

func (tr *traffic) pace() {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	began := tr.ledger.now()
	for n := 0; ; {
		select {
		case <-tick.C:
		case <-tr.done:
			return
		}
		for passed := tr.ledger.now() - began; ; n++ {
			due := time.Duration(n) * time.Second / time.Duration(tr.rate)
			if due > passed {
				break
			}
			post := tr.posts > 0 && n%tr.posts == tr.posts-1
			tr.client().work <- ticket{tr.ledger.enter(began+due, post), post}
		}
		tr.trim(time.Now().Add(-restLimit))
	}
}

// client takes the one that has rested least, or a new one.
func (tr *traffic) client() *client {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n := len(tr.idle); n > 0 {
		c := tr.idle[n-1]
		tr.idle = tr.idle[:n-1]
		return c
	}
	c := &client{traffic: tr, work: make(chan ticket, 1)}
	tr.clients.Go(c.run)
	return c
}

// trim sends those away that rest since before a moment.
func (tr *traffic) trim(before time.Time) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for len(tr.idle) > 0 && tr.idle[0].rested.Before(before) {
		close(tr.idle[0].work)
		tr.idle = tr.idle[1:]
	}
}

func (c *client) run() {
	for t := range c.work {
		fault := c.do(t)
		if fault != "" {
			c.hangUp()
		}
		c.mu.Lock()
		c.rested = time.Now()
		c.idle = append(c.idle, c)
		c.mu.Unlock()
		c.ledger.ended(t.id, fault)
	}
	c.hangUp()
}

func (c *client) hangUp() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// do sends a request and says what is wrong with its answer. As other clients
// do, it sends a GET once more where a connection that had been idle ends
// without a byte of answer (RFC 9112 §9.3.1).
func (c *client) do(t ticket) (fault string) {
	if c.conn != nil && c.ended() {
		c.hangUp()
	}
	reused := c.conn != nil
	fault, silent := c.try(t)
	if reused && silent && !t.post {
		c.ledger.retried()
		c.hangUp()
		fault, _ = c.try(t)
	}
	return fault
}

func (c *client) try(t ticket) (fault string, silent bool) {
	if c.conn == nil {
		conn, err := net.DialTimeout("tcp", c.address, clientPatience)
		if err != nil {
			return "no connection: " + reason(err), false
		}
		c.conn, c.wire = conn.(*net.TCPConn), testkit.NewWire(conn)
	}
	_ = c.conn.SetDeadline(time.Now().Add(clientPatience))
	method := "GET"
	text := fmt.Sprintf("GET /id/%d HTTP/1.1\r\nHost: web\r\n\r\n", t.id)
	if t.post {
		method = "POST"
		text = fmt.Sprintf("POST /id/%d HTTP/1.1\r\nHost: web\r\nContent-Length: 11\r\n\r\nto be done.", t.id)
	}
	if _, err := io.WriteString(c.conn, text); err != nil {
		return "not sent: " + reason(err), true
	}
	m, err := c.wire.Response(method)
	if m == nil {
		return "no answer: " + reason(err), !errors.Is(err, os.ErrDeadlineExceeded)
	}
	if err == nil {
		err = c.wire.Body(m)
	}
	if strings.EqualFold(m.Get("Connection"), "close") {
		defer c.hangUp()
	}
	switch {
	case err != nil:
		return "cut off: " + reason(err), false
	case m.Status != 200:
		return fmt.Sprintf("%d %s", m.Status, strings.TrimSpace(m.Body)), false
	case !strings.HasSuffix(m.Body, fmt.Sprintf(" %d", t.id)):
		return "the answer of another request", false
	}
	return "", false
}

// ended reports whether the server has closed the connection.
func (c *client) ended() (ended bool) {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Read(func(fd uintptr) bool {
		n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		ended = n > 0 || err != syscall.EAGAIN
		return true
	})
	return ended || err != nil
}

// reason is an error without the addresses, so that like ones are counted as
// one.
func reason(err error) string {
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded,
		syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNREFUSED} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}
