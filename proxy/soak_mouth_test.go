package proxy

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// mouth writes to a connection: at once, or in pieces as chance has it, and
// perhaps it falls silent in the middle.
type mouth struct {
	conn   *net.TCPConn
	rng    *rand.Rand
	stop   <-chan struct{} // ends pauses
	most   int             // bytes in one write; 0 is any number
	slow   bool            // it pauses between writes
	left   int64           // after so many bytes it falls silent; never if negative
	buffer []byte
	failed error
	wrote  time.Time    // when it last did
	gap    atomic.Int64 // the longest between two writes, in nanoseconds
}

var errSilent = errors.New("fell silent")

func newMouth(conn *net.TCPConn, rng *rand.Rand, stop <-chan struct{}) *mouth {
	m := &mouth{conn: conn, rng: rng, stop: stop, left: -1}
	m.most = [...]int{0, 0, 1 << 10, 20 << 10, 100 << 10}[rng.IntN(5)]
	m.slow = rng.IntN(4) == 0
	return m
}

func (m *mouth) say(p []byte) {
	if m.buffer = append(m.buffer, p...); len(m.buffer) > 256<<10 {
		_ = m.drain(withheld)
	}
}

// withheld is how much of the end of a message may be left out.
const withheld = 4

// flush writes what was said.
func (m *mouth) flush() error { return m.drain(0) }

// drain writes what was said, but for the last bytes.
func (m *mouth) drain(kept int) error {
	said := 0
	for len(m.buffer)-said > kept && m.failed == nil {
		n := len(m.buffer) - said - kept
		if m.most > 0 {
			n = min(n, 1+m.rng.IntN(m.most))
		}
		if m.left >= 0 {
			n = int(min(int64(n), m.left))
			m.left -= int64(n)
		}
		m.write(m.buffer[said:][:n])
		said += n
		if m.left == 0 && m.failed == nil {
			m.failed = errSilent
		}
		if m.slow && m.rng.IntN(16) == 0 {
			pause(m.stop, time.Duration(m.rng.IntN(20))*time.Millisecond)
		}
	}
	if m.failed != nil {
		said = len(m.buffer)
	}
	m.buffer = m.buffer[:copy(m.buffer, m.buffer[said:])]
	return m.failed
}

func (m *mouth) write(p []byte) {
	if !m.wrote.IsZero() {
		m.gap.Store(max(m.gap.Load(), int64(time.Since(m.wrote))))
	}
	if len(p) > 0 {
		_, m.failed = m.conn.Write(p)
	}
	m.wrote = time.Now()
}

// dribble says a head a byte at a time.
func (m *mouth) dribble(p []byte) {
	if m.flush() != nil {
		return
	}
	most := m.most
	m.most = 1
	m.say(p)
	_ = m.flush()
	m.most = most
}

// speech is a message: a head, and a body that is made from seed.
type speech struct {
	head     []byte
	dribbled bool // the head comes byte by byte
	framing  framing
	seed     uint64
	length   int64
	trailer  bool
}

// deliver says a message, all but what left has it leave out: then it falls
// silent before the end at the latest. It flushes if asked to, and then.
func (m *mouth) deliver(s *speech, flush bool) error {
	if s.dribbled && m.left < 0 {
		m.dribble(s.head)
	} else {
		m.say(s.head)
	}
	m.tell(s)
	if m.left >= 0 && m.failed == nil {
		m.buffer = m.buffer[:len(m.buffer)-min(len(m.buffer), 1+m.rng.IntN(withheld))]
		if err := m.flush(); err == nil {
			m.failed = errSilent
		}
	}
	if flush {
		return m.flush()
	}
	return m.failed
}

// tell says the body.
func (m *mouth) tell(s *speech) {
	if s.framing == framedBodiless {
		return
	}
	for off := int64(0); off < s.length && m.failed == nil; {
		n := s.length - off
		if s.framing == framedChunked {
			n = min(n, m.chunk())
			extension := ""
			if m.rng.IntN(30) == 0 {
				extension = ";name=value"
			}
			m.say(fmt.Appendf(nil, "%x%s\r\n", n, extension))
		}
		for end := off + n; off < end && m.failed == nil; {
			piece := material(s.seed, off, int(min(end-off, 64<<10)))
			m.say(piece)
			off += int64(len(piece))
		}
		if s.framing == framedChunked {
			m.say([]byte("\r\n"))
		}
	}
	if s.framing == framedChunked {
		m.say([]byte("0\r\n"))
		if s.trailer {
			m.say(fmt.Appendf(nil, "X-Sum: %d\r\n", s.seed))
		}
		m.say([]byte("\r\n"))
	}
}

// chunk returns the size of a chunk: few bytes, many, or those that fill a
// buffer.
func (m *mouth) chunk() int64 {
	switch m.rng.IntN(4) {
	case 0:
		return 1 + m.rng.Int64N(100)
	case 1:
		return borders[m.rng.IntN(len(borders))] - 8 + m.rng.Int64N(10)
	default:
		return 1 + m.rng.Int64N(100<<10)
	}
}

// borders are the sizes of buffers.
var borders = [...]int64{4 << 10, 8 << 10, 16 << 10, 64 << 10}

// lengthOf draws the length of a body that comes behind so many bytes of head:
// none, a little, what fills a buffer or nearly so, or much.
func lengthOf(rng *rand.Rand, head int) int64 {
	switch rng.IntN(16) {
	case 0, 1, 2:
		return 0
	case 3, 4, 5, 6:
		return rng.Int64N(200)
	case 7, 8, 9:
		return rng.Int64N(64 << 10)
	case 10, 11:
		return max(0, borders[rng.IntN(len(borders))]-int64(head)-2+rng.Int64N(5))
	case 12, 13:
		return borders[rng.IntN(len(borders))] - 2 + rng.Int64N(5)
	case 14:
		return rng.Int64N(400 << 10)
	default:
		return rng.Int64N(3 << 20)
	}
}

// resetNow ends a connection with a RST.
func resetNow(conn *net.TCPConn) {
	resets(conn)
	conn.Close()
}
