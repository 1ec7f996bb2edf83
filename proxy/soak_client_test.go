package proxy

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// What clients do wrong, always in their last request.
const (
	leavesAsking     = "leaves within the request"
	resetsAsking     = "resets within the request"
	halfClosesAsking = "half-closes within the request"
	stallsAsking     = "stalls within the request"
	breaksChunk      = "breaks a chunk"
	breaksHead       = "breaks the head"
	tooLarge         = "has a head that is too large"
	leavesHearing    = "leaves within the answer"
	resetsHearing    = "resets within the answer"
	stopsHearing     = "does not take the answer"
	halfCloses       = "half-closes after the request"
)

var clientFlaws = []string{
	leavesAsking, resetsAsking, halfClosesAsking, breaksChunk, breaksHead, tooLarge, leavesHearing, resetsHearing, halfCloses,
	stallsAsking, stopsHearing, // the slow ones
}

// session is one connection of a client.
type session struct {
	*soak
	client int
	wild   bool
	conn   *net.TCPConn
	rng    *rand.Rand
	ear    *ear
	hand   *mouth
	asks   []*errand
	slots  chan struct{} // one for each request that may be on its way
	words  chan bool     // the answer to an expectation: true is 100
	end    chan struct{} // closed when nothing more is to be said
	ending sync.Once     // closes end
	told   chan struct{} // closed when all was said
	listen chan struct{} // closed when all of a tunnel was heard
}

// session plays one connection, from its beginning to its end.
func (s *soak) session(client int, rng *rand.Rand) {
	conn, err := net.Dial("tcp", s.server.Addr().String())
	if err != nil {
		s.breach(err, "client", "dial")
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * soakPatience))
	c := &session{
		soak: s, client: client, conn: conn.(*net.TCPConn), rng: rng, wild: rng.IntN(3) > 0,
		words: make(chan bool, 1), end: make(chan struct{}), told: make(chan struct{}), listen: make(chan struct{}),
	}
	c.ear, c.hand = newEar(c.conn, fork(rng), c.end), newMouth(c.conn, fork(rng), c.end)
	c.ear.slow = rng.IntN(6) == 0
	window := 1
	if rng.IntN(3) == 0 {
		window = 2 + rng.IntN(6)
	}
	c.slots = make(chan struct{}, window)
	if c.plan(); c.last().flaw == stopsHearing {
		_ = c.conn.SetReadBuffer(16 << 10)
	}
	var talking sync.WaitGroup
	talking.Go(func() {
		defer close(c.told)
		c.talk()
	})
	c.hearAll()
	c.hangUp()
	conn.Close()
	talking.Wait()
}

// plan decides on what is asked for.
func (s *session) plan() {
	n := 1 + s.rng.IntN(8)
	if s.rng.IntN(8) == 0 {
		n *= 8
	}
	for i := range n {
		e := s.errand(i == n-1)
		s.enter(e)
		s.asks = append(s.asks, e)
		if e.close || e.tunnel != "" {
			break
		}
	}
}

// errand decides on one request. Only the last may be flawed.
func (s *session) errand(last bool) *errand {
	e := &errand{client: s.client, service: "calm", minor: 1, whole: true, framing: framedBodiless}
	if s.wild {
		e.service = "wild"
	}
	e.method = [...]string{"GET", "GET", "HEAD", "POST", "POST", "PUT"}[s.rng.IntN(6)]
	if s.rng.IntN(16) == 0 {
		e.fill = s.rng.IntN(28 << 10)
	}
	if e.method == "POST" || e.method == "PUT" {
		e.framing = framedSized
		if s.rng.IntN(2) == 0 {
			e.framing = framedChunked
		}
		e.length = lengthOf(s.rng, e.fill+200)
		e.expect = cap(s.slots) == 1 && s.rng.IntN(8) == 0
	}
	switch s.rng.IntN(24) {
	case 0:
		if cap(s.slots) > 1 { // an answer may end with the connection, and nobody could tell how
			break
		}
		e.minor, e.expect, e.close = 0, false, s.rng.IntN(2) == 0
		if e.framing == framedChunked {
			e.framing = framedSized
		}
	case 1:
		e.close = true
	}
	if !last || e.close {
		return e
	}
	switch s.rng.IntN(6) {
	case 0:
		if e.framing == framedBodiless && e.minor == 1 {
			e.method, e.tunnel, e.length = "GET", tunnels[s.rng.IntN(len(tunnels))], lengthOf(s.rng, 0)
		}
	case 1, 2:
		s.spoil(e)
	}
	return e
}

// spoil has the client do something wrong in a request.
func (s *session) spoil(e *errand) {
	n := len(clientFlaws)
	if !s.long || s.rng.IntN(8) > 0 {
		n -= 2
	}
	switch e.flaw = clientFlaws[s.rng.IntN(n)]; e.flaw {
	case leavesAsking, resetsAsking, halfClosesAsking, stallsAsking:
		e.whole = false
	case breaksChunk:
		e.method, e.minor, e.framing, e.whole = "PUT", 1, framedChunked, false
	case stopsHearing:
		e.expect = false
	case tooLarge:
		e.fill = 40 << 10
	}
}

// expects reports whether there is a body to be asked for.
func (e *errand) expects() bool { return e.expect && (e.length > 0 || e.framing == framedChunked) }

// head is that of the request.
func (e *errand) head() []byte {
	b := fmt.Appendf(nil, "%s %s HTTP/1.%d\r\nHost: %s.test\r\nX-Id: %d\r\nX-Client: %d\r\nUser-Agent: soak/%d\r\n",
		e.method, e.target(), e.minor, e.service, e.id, e.client, e.id)
	b = fmt.Appendf(b, "X-Length: %d\r\nX-Fill: %s\r\n", e.length, filling(e.id, e.fill))
	switch e.framing {
	case framedSized:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", e.length)
	case framedChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if e.expect {
		b = append(b, "Expect: 100-continue\r\n"...)
	}
	switch {
	case e.tunnel != "":
		b = append(b, "Connection: Upgrade\r\nUpgrade: soak\r\n"...)
	case e.close && e.minor == 1:
		b = append(b, "Connection: close\r\n"...)
	case !e.close && e.minor == 0:
		b = append(b, "Connection: keep-alive\r\n"...)
	}
	if e.flaw == breaksHead {
		b = append(b, "Bad : field\r\n"...)
	}
	return append(b, "\r\n"...)
}

// talk says all requests, each when there is room for it.
func (s *session) talk() {
	if s.hand.rng.IntN(10) == 0 {
		s.hesitate()
	}
	for i, e := range s.asks {
		select {
		case s.slots <- struct{}{}:
		default:
			if s.hand.flush() != nil {
				return
			}
			select {
			case s.slots <- struct{}{}:
			case <-s.end:
				return
			}
		}
		if i > 0 && s.hand.rng.IntN(20) == 0 {
			s.hesitate()
		}
		if !s.ask(e) {
			return
		}
	}
	_ = s.hand.flush()
}

// hesitate pauses between two requests, long enough for the connection to be
// put aside.
func (s *session) hesitate() {
	if s.hand.flush() == nil {
		s.count("client: hesitates")
		pause(s.end, time.Duration(s.hand.rng.IntN(700))*time.Millisecond)
		s.hand.wrote = time.Time{}
	}
}

// ask says one request, and reports whether another may follow.
func (s *session) ask(e *errand) bool {
	p := &speech{head: e.head(), framing: e.framing, seed: e.id, length: e.length}
	p.dribbled = s.hand.rng.IntN(40) == 0 && e.fill < 1000
	p.trailer = e.framing == framedChunked && s.hand.rng.IntN(4) == 0
	if !e.whole && e.flaw != breaksChunk {
		if s.hand.flush() != nil {
			return false
		}
		s.hand.left = s.hand.rng.Int64N(int64(len(p.head)) + e.length)
	}
	if e.expects() && e.whole {
		s.hand.say(p.head)
		if s.hand.flush() != nil || !s.wait() {
			return false
		}
		p.head = nil
	}
	switch {
	case e.flaw == breaksChunk:
		s.hand.say(p.head)
		s.hand.say([]byte("5\r\n"))
		s.hand.say(material(e.id, 0, 5))
		s.hand.say([]byte("\r\nzz\r\nGET /poison HTTP/1.1\r\nHost: wild.test\r\nX-Id: 0\r\n\r\n"))
	case e.tunnel != "":
		return s.enterTunnel(e, p)
	default:
		_ = s.hand.deliver(p, false)
	}
	if e.flaw != "" {
		_ = s.hand.flush()
		s.misbehave(e)
		return false
	}
	return s.hand.failed == nil
}

// wait waits for what is said to an expectation, and reports whether the body
// is to come.
func (s *session) wait() bool {
	select {
	case on := <-s.words:
		return on
	case <-s.end:
		return false
	}
}

// misbehave does what the flaw of a request is, once all is said of it that is.
func (s *session) misbehave(e *errand) {
	s.count("client: " + e.flaw)
	switch e.flaw {
	case leavesAsking:
		s.conn.Close()
	case resetsAsking:
		resetNow(s.conn)
	case halfClosesAsking, halfCloses:
		_ = s.conn.CloseWrite()
	}
}

// enterTunnel asks for a tunnel, and says what is to go through it.
func (s *session) enterTunnel(e *errand, p *speech) bool {
	s.hand.say(p.head)
	if s.hand.flush() != nil || !s.wait() {
		return false
	}
	_ = s.hand.deliver(&speech{framing: framedSized, seed: e.id, length: e.length}, true)
	if e.tunnel == tunnelListen {
		select {
		case <-s.listen:
		case <-s.end:
		}
	}
	_ = s.conn.CloseWrite()
	return false
}

// heard tells that all of a tunnel has come.
func (s *session) heard() { close(s.listen) }

// hangUp has the client say nothing more.
func (s *session) hangUp() { s.ending.Do(func() { close(s.end) }) }
