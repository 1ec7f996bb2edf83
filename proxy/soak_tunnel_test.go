package proxy

import (
	"fmt"
	"sync"
	"time"
)

// How tunnels end.
const (
	tunnelBoth   = "the client stops, and the backend then"
	tunnelAsk    = "the backend answers when the client has stopped"
	tunnelListen = "the client stops when it has heard all"
)

var tunnels = []string{tunnelBoth, tunnelAsk, tunnelListen}

// tunnel is the backend's end of one.
func (c *turn) tunnel(a *account, broken bool) {
	as := &answer{status: 101, minor: 1, framing: framedUntilClose, length: lengthOf(c.rng, 200), whole: !broken}
	c.promise(a, as)
	c.hand.say(fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: soak\r\n"+
		"X-Id: %d\r\nX-Nonce: %d\r\nX-Length: %d\r\n\r\n", a.id, as.nonce, as.length))
	if c.hand.flush() != nil {
		return
	}
	hear := func() {
		n, _, err := c.ear.body(framedUntilClose, 0, a.id)
		if a.flaw == "" && !broken && (err != nil || n != a.length) {
			err = breachf("%d of %d bytes came through a tunnel: %v", n, a.length, err)
		}
		c.mind(err, "tunnel", a.errand)
	}
	var hearing sync.WaitGroup
	if a.tunnel == tunnelAsk && !broken {
		hear()
		if c.rng.IntN(8) == 0 {
			c.count("backend: answers late through a tunnel")
			pause(c.stop, time.Duration(c.rng.IntN(1500))*time.Millisecond)
		}
	} else {
		hearing.Go(hear)
	}
	if broken {
		c.hand.left = c.rng.Int64N(as.length + 1)
	}
	_ = c.hand.deliver(&speech{framing: framedSized, seed: as.nonce, length: as.length}, true)
	if broken {
		c.count("backend: resets a tunnel")
		resetNow(c.conn)
	}
	hearing.Wait()
}

// tunnel is the client's end of one, behind the 101. It reports whether all came.
func (s *session) tunnel(a *account, as *answer) bool {
	n, err := int64(0), error(nil)
	if a.tunnel == tunnelListen {
		n, err = s.ear.compare(as.nonce, 0, as.length)
		s.heard()
	}
	if err == nil {
		var more int64
		more, _, err = s.ear.body(framedUntilClose, 0, as.nonce)
		n += more
	}
	if err == nil && n > as.length {
		err = breachf("%d bytes came through a tunnel, of %d", n, as.length)
	}
	s.mind(err, a, as)
	return err == nil && n == as.length
}
