package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// flaws are what backends do wrong, with how often of so many times.
var flaws = []struct {
	name  string
	often int
	slow  bool // it takes as long as somebody's patience
}{
	{"resets within the head", 20, false},
	{"resets within the request", 20, false},
	{"closes within the request", 20, false},
	{"resets before the answer", 20, false},
	{"closes before the answer", 20, false},
	{"hangs before the answer", 1, true},
	{"resets within the answer", 40, false},
	{"closes within the answer", 40, false},
	{"hangs within the answer", 1, true},
	{"talks nonsense", 10, false},
	{"breaks a chunk", 10, false},
	{"informs for ever", 10, false},
	{"changes the protocol", 10, false},
	{"says more than an answer", 20, false},
	{"says another answer", 20, false},
	{"closes after the answer", 30, false},
	{"answers early and closes", 30, false},
	{"tunnel", 100, false},
}

func (c *turn) chooseFlaw() string {
	if !c.wild {
		return ""
	}
	draw := c.rng.IntN(1000)
	for _, f := range flaws {
		if draw -= f.often; draw < 0 {
			if f.slow && !c.long {
				return ""
			}
			return f.name
		}
	}
	return ""
}

// perform answers a request in the way that chance has chosen, and reports
// whether the connection goes on.
func (c *turn) perform(a *account, h *parsed, flaw string) bool {
	if flaw == "tunnel" {
		flaw = ""
	}
	if flaw != "" {
		c.count("backend: " + flaw)
	}
	switch flaw {
	case "resets within the request", "closes within the request":
		_, _ = io.CopyN(io.Discard, c.ear.in, c.rng.Int64N(a.length+1))
	case "resets before the answer", "closes before the answer":
		c.take(a)
	case "hangs before the answer":
		c.discard()
	case "talks nonsense":
		c.take(a)
		c.hand.say([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\nhello"))
		_ = c.hand.flush()
	case "changes the protocol":
		if a.tunnel == "" {
			c.hand.say([]byte("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: soak\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"))
			_ = c.hand.flush()
		}
	default:
		return c.answer(a, flaw)
	}
	if flaw[0] == 'r' {
		resetNow(c.conn)
	}
	return false
}

// answer answers, before, after or while the body of the request is read.
func (c *turn) answer(a *account, flaw string) bool {
	way := c.rng.IntN(6)
	as := c.compose(a, flaw, way < 2)
	if flaw == "answers early and closes" {
		c.inform(a, as, flaw)
		_ = c.speak(a, as, flaw, true)
		_ = c.conn.CloseWrite()
		_, _ = io.CopyN(io.Discard, c.ear.in, c.rng.Int64N(100<<10))
		return false
	}
	whole, asked := true, a.expects()
	var reading sync.WaitGroup
	if asked && c.rng.IntN(2) == 0 || asked && way < 2 {
		c.count("backend: asks for the body")
		c.hand.say([]byte("HTTP/1.1 100 Continue\r\n\r\n"))
		_ = c.hand.flush()
	}
	switch {
	case way == 0 && a.length > 0: // both at once
		c.count("backend: answers while it listens")
		reading.Go(func() { whole = c.take(a) })
	case way == 1 && a.length > 0: // the answer comes first
		c.count("backend: answers before it listens")
	default:
		if whole = c.take(a); !whole {
			return false
		}
	}
	if c.long && c.rng.IntN(400) == 0 {
		c.count("backend: answers late")
		pause(c.stop, soakLate)
	}
	c.inform(a, as, flaw)
	closing := c.rng.IntN(12) == 0 || as.minor == 0 || as.framing == framedUntilClose
	err := c.speak(a, as, flaw, closing)
	if way == 1 && a.length > 0 && err == nil {
		whole = c.take(a)
	}
	reading.Wait()
	return err == nil && whole && !closing && flaw == ""
}

// compose decides on an answer and notes it.
func (c *turn) compose(a *account, flaw string, early bool) *answer {
	as := &answer{flaw: flaw, early: early, status: 200, minor: 1, whole: true, framing: framedSized, length: lengthOf(c.rng, 200)}
	switch c.rng.IntN(20) {
	case 0:
		as.status = 204
	case 1:
		as.status = 304
	case 2:
		as.status = 404
	case 3:
		as.status = 500
	}
	switch c.rng.IntN(6) {
	case 0, 1, 2:
		as.framing = framedChunked
	case 3:
		as.framing = framedUntilClose
	}
	if c.rng.IntN(30) == 0 && as.framing != framedChunked {
		as.minor = 0
	}
	switch flaw {
	case "breaks a chunk":
		as.status, as.framing, as.minor, as.whole = 200, framedChunked, 1, false
	case "resets within the answer", "hangs within the answer", "informs for ever":
		as.whole = false
	case "answers early and closes":
		as.fragile = true
	case "closes within the answer":
		if as.whole = false; as.framing == framedUntilClose {
			as.framing = framedSized // it could not be told
		}
	case "says more than an answer", "says another answer":
		as.framing, as.minor = framedSized, 1
	}
	if a.flaw == stopsHearing {
		as.length = 16 << 20
	}
	if flaw == "says another answer" {
		as.length = c.rng.Int64N(4 << 10)
	}
	if a.method == "HEAD" || as.status == 204 || as.status == 304 {
		as.framing = framedBodiless
		as.whole = as.whole || flaw == "breaks a chunk" // there is none
	}
	as.trailer = as.framing == framedChunked && c.rng.IntN(3) == 0
	c.promise(a, as)
	return as
}

// inform says 1xx responses that nobody has asked for.
func (c *turn) inform(a *account, as *answer, flaw string) {
	n := 0
	if as.minor == 1 && c.rng.IntN(10) == 0 {
		n = 1 + c.rng.IntN(3)
	}
	if flaw == "informs for ever" {
		n = maxInterim + 1
	}
	for range n {
		c.count("backend: informs")
		c.hand.say(fmt.Appendf(nil, "HTTP/1.1 103 Early Hints\r\nX-Id: %d\r\n\r\n", a.id))
	}
}

// speak says an answer, as far as it says it.
func (c *turn) speak(a *account, as *answer, flaw string, closing bool) error {
	s := &speech{framing: as.framing, seed: as.nonce, length: as.length, trailer: as.trailer, head: as.head(a, closing && c.announces(as))}
	s.dribbled = c.rng.IntN(20) == 0 && len(s.head) < 1000
	if flaw == "breaks a chunk" {
		c.hand.say(s.head)
		c.hand.say([]byte("5\r\nhello\r\nzz\r\n"))
		return c.hand.flush()
	}
	if !as.whole && flaw != "informs for ever" {
		_ = c.hand.flush()
		if c.hand.left = c.rng.Int64N(int64(len(s.head)) + as.length); c.rng.IntN(3) == 0 {
			c.hand.left = 1 << 40 // all but the very end
		}
	}
	_ = c.hand.deliver(s, false)
	switch {
	case flaw == "says more than an answer":
		c.hand.say([]byte("more"))
	case flaw == "says another answer": // in one write
		c.hand.most, c.hand.slow = 0, false
		c.hand.say([]byte("HTTP/1.1 200 OK\r\nX-Id: 0\r\nContent-Length: 6\r\n\r\npoison"))
	}
	err := c.hand.flush()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.mind(err, "an answer that nobody takes", a.errand)
		resetNow(c.conn)
	}
	switch flaw {
	case "resets within the answer":
		// What has been sent is to arrive.
		pause(c.stop, time.Duration(c.rng.IntN(3))*time.Millisecond)
		resetNow(c.conn)
	case "closes within the answer":
		c.conn.Close()
	case "hangs within the answer":
		pause(c.stop, soakHang)
	}
	return err
}

// announces reports whether the answer says that the connection ends with it. It
// need not where its framing does.
func (c *turn) announces(as *answer) bool {
	free := c.wild || as.minor == 0 || as.framing == framedUntilClose
	return !free || c.rng.IntN(3) > 0
}

// head is that of the answer.
func (as *answer) head(a *account, announced bool) []byte {
	b := fmt.Appendf(nil, "HTTP/1.%d %d Whatever\r\nX-Id: %d\r\nX-Nonce: %d\r\nX-Length: %d\r\n", as.minor, as.status, a.id, as.nonce, as.length)
	switch {
	case as.framing == framedSized:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", as.length)
	case as.framing == framedChunked:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case as.framing == framedBodiless && as.status != 204 && as.nonce%2 == 0:
		b = fmt.Appendf(b, "Content-Length: %d\r\n", as.length)
	}
	if as.trailer {
		b = append(b, "Trailer: X-Sum\r\n"...)
	}
	if announced {
		b = append(b, "Connection: close\r\n"...)
	}
	if as.nonce%16 == 0 {
		b = fmt.Appendf(b, "X-Fill: %s\r\n", filling(as.nonce, int(as.nonce%30000)))
	}
	return append(b, "\r\n"...)
}
