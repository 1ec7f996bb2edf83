package testkit

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Link is a way to a TCP server that can be interrupted, as a network is: for a
// while no byte comes through, and nobody is told. Its methods are safe for
// concurrent use.
type Link struct {
	target   string
	listener net.Listener
	closing  chan struct{}
	all      sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while bytes pass
	pairs map[*pair]bool
	flows []Flow // the last ones that are over
}

// Flow is what came from the server on one connection between two things that were
// said to it: an answer, as a rule.
type Flow struct {
	Began, Ended time.Time
	Bytes        int
}

// maxFlows is how many are remembered.
const maxFlows = 1000

// pair is one connection through a [Link].
type pair struct {
	near, far net.Conn
	lost      atomic.Bool // no byte will ever pass again
	flow      Flow        // the link's mu guards it
}

// StartLink starts a way to the server at target. It ends with the test.
func StartLink(t testing.TB, target string) *Link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &Link{
		target: target, listener: l, closing: make(chan struct{}), open: make(chan struct{}), pairs: map[*pair]bool{},
	}
	close(k.open)
	k.all.Go(k.accept)
	t.Cleanup(func() {
		close(k.closing)
		l.Close()
		k.mu.Lock()
		for p := range k.pairs {
			p.close()
		}
		k.mu.Unlock()
		k.all.Wait()
	})
	return k
}

// Addr returns host:port of the near end.
func (k *Link) Addr() string { return k.listener.Addr().String() }

// Cut lets no byte pass from now on. Connections stay open, and connecting goes
// on working.
func (k *Link) Cut() {
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case <-k.open:
		k.open = make(chan struct{})
	default:
	}
}

// Mend lets bytes pass again, those held back first. If it forgets, it does so
// only on connections that it finds or makes later: what is written on the
// others is lost, as it is behind a firewall that has forgotten them.
func (k *Link) Mend(forget bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.pairs {
		if forget {
			p.lost.Store(true)
		}
	}
	select {
	case <-k.open:
	default:
		close(k.open)
	}
}

// Flows returns the flows that began after a moment, in no order.
func (k *Link) Flows(after time.Time) (flows []Flow) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for p := range k.pairs {
		k.end(p)
	}
	for _, f := range k.flows {
		if f.Began.After(after) {
			flows = append(flows, f)
		}
	}
	return flows
}

// passed takes in that bytes have come from the server, or gone to it.
func (k *Link) passed(p *pair, from net.Conn, n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case from == p.near:
		k.end(p)
	case p.flow.Bytes == 0:
		p.flow.Began = time.Now()
		fallthrough
	default:
		p.flow.Ended = time.Now()
		p.flow.Bytes += n
	}
}

func (k *Link) end(p *pair) {
	if p.flow.Bytes > 0 {
		k.flows = append(k.flows, p.flow)
		k.flows = k.flows[max(0, len(k.flows)-maxFlows):]
	}
	p.flow = Flow{}
}

func (k *Link) accept() {
	for {
		conn, err := k.listener.Accept()
		if err != nil {
			return
		}
		k.all.Go(func() { k.join(conn) })
	}
}

// join connects a new connection to the server, as soon as the way is open.
func (k *Link) join(near net.Conn) {
	if !k.passes() {
		near.Close()
		return
	}
	far, err := net.Dial("tcp", k.target)
	if err != nil {
		reset(near)
		near.Close()
		return
	}
	p := &pair{near: near, far: far}
	k.mu.Lock()
	k.pairs[p] = true
	k.mu.Unlock()
	defer func() {
		k.mu.Lock()
		delete(k.pairs, p)
		k.mu.Unlock()
	}()
	select {
	case <-k.closing: // it may not have seen the pair
		p.close()
	default:
	}
	var both sync.WaitGroup
	both.Go(func() { k.copy(p, far, near) })
	k.copy(p, near, far)
	both.Wait()
}

// copy passes bytes on until either side ends, and then ends both.
func (k *Link) copy(p *pair, to, from net.Conn) {
	defer p.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !k.passes() {
			return
		}
		if !p.lost.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			k.passed(p, from, n)
		}
		if err != nil {
			return
		}
	}
}

// passes waits until the way is open, and reports false at the end of the test.
func (k *Link) passes() bool {
	for {
		k.mu.Lock()
		open := k.open
		k.mu.Unlock()
		select {
		case <-open:
		case <-k.closing:
			return false
		}
		k.mu.Lock()
		still := open == k.open
		k.mu.Unlock()
		if still {
			return true
		}
	}
}

func (p *pair) close() {
	p.near.Close()
	p.far.Close()
}
