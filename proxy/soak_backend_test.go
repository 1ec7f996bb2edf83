package proxy

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/rota-lb/rota/balancer"
)

// actor is a backend. Chance tells what it does; if it is wild, also what it
// does wrong.
type actor struct {
	*soak
	name     string
	service  string
	wild     bool
	endpoint *balancer.Endpoint
	serving  sync.WaitGroup

	mu        sync.Mutex
	accepted  uint64
	listeners []net.Listener // the last one is the one in use
}

// listen takes a new address, and returns it.
func (a *actor) listen() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		a.t.Fatal(err)
	}
	a.mu.Lock()
	a.listeners = append(a.listeners, l)
	a.mu.Unlock()
	a.serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			a.accepted++
			rng := a.rng(a.name, a.accepted)
			a.mu.Unlock()
			a.serving.Go(func() { a.serve(conn.(*net.TCPConn), rng) })
		}
	})
	return l.Addr().String()
}

// move takes another address, and gives up all but the last few.
func (a *actor) move(kept int) {
	old := a.endpoint.Address()
	a.endpoint.Move(a.listen())
	a.upstreams[a.service].Leave(old)
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.listeners) > kept {
		a.listeners[0].Close()
		a.listeners = a.listeners[1:]
	}
}

// end returns when all connections have ended.
func (a *actor) end() {
	a.mu.Lock()
	for _, l := range a.listeners {
		l.Close()
	}
	a.mu.Unlock()
	a.serving.Wait()
}

// turn is a connection to an actor.
type turn struct {
	*actor
	conn *net.TCPConn
	rng  *rand.Rand
	ear  *ear
	hand *mouth
	idle time.Duration // after which it closes; 0 is never
}

func (a *actor) serve(conn *net.TCPConn, rng *rand.Rand) {
	defer conn.Close()
	c := &turn{actor: a, conn: conn, rng: rng}
	c.ear, c.hand = newEar(conn, fork(rng), a.stop), newMouth(conn, fork(rng), a.stop)
	c.ear.slow = rng.IntN(6) == 0
	if a.wild {
		switch rng.IntN(60) {
		case 0:
			a.count("backend: resets a new connection")
			resetNow(conn)
			return
		case 1:
			a.count("backend: closes a new connection")
			return
		case 2, 3, 4, 5, 6, 7, 8, 9, 10, 11:
			c.idle = time.Duration(1+rng.IntN(60)) * time.Millisecond
		}
	}
	for c.exchange() {
	}
}

// exchange takes one request, and reports whether another may follow.
func (c *turn) exchange() bool {
	_ = c.conn.SetDeadline(time.Time{})
	if c.idle > 0 {
		_ = c.conn.SetReadDeadline(time.Now().Add(c.idle))
	}
	if _, err := c.ear.in.Peek(1); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.count("backend: closes an idle connection")
		}
		return false
	}
	_ = c.conn.SetDeadline(time.Now().Add(soakPatience))
	flaw := c.chooseFlaw()
	if flaw == "resets within the head" {
		c.count("backend: " + flaw)
		_, _ = c.ear.in.Discard(c.rng.IntN(50))
		resetNow(c.conn)
		return false
	}
	head, err := c.ear.head()
	if err != nil {
		c.mind(err, "head of a request", head)
		return false
	}
	a, err := c.receive(head)
	if err != nil {
		c.mind(err, "a request", head)
		return false
	}
	if a.tunnel != "" && (flaw == "" || flaw == "tunnel") {
		c.tunnel(a, flaw == "tunnel")
		return false
	}
	return c.perform(a, head, flaw)
}

// mind reports an error that is more than an end, or than a wait that is over.
func (c *turn) mind(err error, what string, about any) {
	switch {
	case isBreach(err):
		c.breach(err, c.name+", "+what, about)
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.breach(breach("nothing comes, and no end"), c.name+", "+what, about)
	}
}

// known are the fields that a request may come with.
var known = strings.Fields("host x-id x-client x-fill x-length user-agent via x-forwarded-for x-forwarded-host " +
	"x-forwarded-proto content-length transfer-encoding expect connection upgrade trailer te")

var knownSet = func() map[string]bool {
	set := map[string]bool{}
	for _, name := range known {
		set[name] = true
	}
	return set
}()

// receive finds out who asks, and that it is all of one errand and of no other.
func (c *turn) receive(h *parsed) (*account, error) {
	a := c.find(h.id())
	if a == nil {
		return nil, breach("a request that nobody made")
	}
	f, err := h.framed(framedBodiless)
	if err != nil {
		return nil, err
	}
	id := fmt.Sprint(a.id)
	for name := range h.fields {
		if !knownSet[name] {
			return nil, breachf("a field %s that nobody sent", name)
		}
	}
	for _, pair := range [][2]string{
		{h.line, a.method + " " + a.target() + " HTTP/1.1"},
		{h.fields["host"], a.service + ".test"},
		{a.service, c.service},
		{h.fields["x-client"], fmt.Sprint(a.client)},
		{h.fields["user-agent"], "soak/" + id},
		{h.fields["x-fill"], filling(a.id, a.fill)},
		{h.fields["x-length"], fmt.Sprint(a.length)},
		{h.fields["upgrade"], map[bool]string{true: "soak"}[a.tunnel != ""]},
		{h.fields["expect"], map[bool]string{true: "100-continue"}[a.expects()]},
		{string(f), string(a.framing)},
	} {
		if pair[0] != pair[1] {
			return nil, breachf("%.100q came as %.100q", pair[1], pair[0])
		}
	}
	if n := h.number("content-length"); f == framedSized && n != a.length {
		return nil, breachf("a length of %d, not %d", n, a.length)
	}
	if n := c.arrive(a); n > 1 && a.method == "POST" {
		return nil, breachf("a POST that comes for time %d", n)
	} else if n > 1 {
		c.count("backend: gets a request again")
	}
	return a, nil
}

// take reads the body of a request, and reports whether it was all there.
func (c *turn) take(a *account) bool {
	n, sum, err := c.ear.body(a.framing, a.length, a.id)
	length := a.length
	if a.framing == framedBodiless { // a tunnel that is refused
		length = 0
	}
	switch {
	case err != nil:
		c.mind(err, "body of a request", a.errand)
		c.count("backend: gets but a part of a body")
		return false
	case n != length || !a.whole && length > 0:
		c.mind(breachf("%d bytes come as a whole body of %d, whole: %v", n, a.length, a.whole), "body", a.errand)
	case sum != "" && sum != fmt.Sprint(a.id):
		c.mind(breachf("trailer %q", sum), "body", a.errand)
	}
	return true
}

// discard reads until the other side ends the connection.
func (c *turn) discard() { _, _ = io.Copy(io.Discard, c.conn) }
