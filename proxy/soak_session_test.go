package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// hearAll takes the answers to all requests, in their order.
func (s *session) hearAll() {
	for _, e := range s.asks {
		a := s.find(e.id)
		if s.listens(e); !s.hear(a) {
			return
		}
		<-s.slots
	}
	if s.last().flaw == "" {
		s.quiet()
	}
}

func (s *session) last() *errand { return s.asks[len(s.asks)-1] }

// excused reports whether it may be the client's own doing that something does
// not come.
func (s *session) excused(a *account) bool {
	return a.flaw != "" || cap(s.slots) > 1 && s.last().flaw != ""
}

// listens has the client stop listening where that is its flaw.
func (s *session) listens(e *errand) {
	switch e.flaw {
	case leavesHearing, resetsHearing:
		s.ear.left = s.ear.rng.Int64N(4 << 10)
	case stopsHearing:
		pause(s.end, soakHang)
	}
}

// hear takes the answer to one request, and reports whether others may follow.
func (s *session) hear(a *account) bool {
	for awaited := a.expects() && a.whole || a.tunnel != ""; ; {
		h, err := s.ear.head()
		if err != nil {
			s.missed(a, err)
			return false
		}
		var minor, status int
		if _, err := fmt.Sscanf(h.line, "HTTP/1.%d %d ", &minor, &status); err != nil || minor != 1 {
			s.mind(breachf("a status line %q", h.line), a, h)
			return false
		}
		switch {
		case status == 100:
			if s.count("client: may go on"); !a.expects() {
				s.mind(breach("a 100 that was not asked for"), a, h)
			}
			if awaited {
				s.words <- true
			}
			awaited = false
		case status < 200 && status != 101:
			if s.count("client: is informed"); h.id() != a.id || a.minor == 0 {
				s.mind(breach("information for somebody else"), a, h)
			}
		default:
			if awaited {
				s.words <- status == 101
			}
			return s.final(a, h, status)
		}
	}
}

// cutLater reports whether a later answer on the connection was cut off: with
// the reset that tells of it, the kernel forgets what the client has not taken.
func (s *session) cutLater(a *account) bool {
	for _, e := range s.asks {
		if e.id > a.id && s.cut(s.find(e.id)) {
			return true
		}
	}
	return false
}

// missed judges an end in place of an answer.
func (s *session) missed(a *account, err error) {
	switch {
	case errors.Is(err, errEnough):
		s.leave(a)
	case (err != io.EOF || !s.properEnd()) && s.cut(a):
		s.count("client: gets nothing of an answer that was cut")
	case err != io.EOF && s.cutLater(a):
		s.count("client: loses an answer with one that is cut")
	case isBreach(err), errors.Is(err, os.ErrDeadlineExceeded), !s.excused(a):
		s.mind(breachf("no answer: %v, proper: %v, %v, gap %v", err, s.properEnd(), s.hand.failed, time.Duration(s.hand.gap.Load())), a, s.ear.in.Buffered())
	default:
		s.count("client: gets no answer, by its own doing")
	}
}

// leave ends a connection on which the client wants to hear no more.
func (s *session) leave(a *account) {
	if s.count("client: " + a.flaw); a.flaw == resetsHearing {
		resets(s.conn)
	}
	s.conn.Close()
}

// final takes the final answer, whoever gives it.
func (s *session) final(a *account, h *parsed, status int) bool {
	if h.fields["x-id"] == "" {
		return s.own(a, h, status)
	}
	as := s.promised(a, uint64(h.number("x-nonce")))
	if h.id() != a.id || as == nil {
		s.mind(breach("the answer to something else"), a, h)
		return false
	}
	if err := a.check(as, h, status); err != nil {
		s.mind(err, a, h)
		return false
	}
	if status == 101 {
		s.outcome(a, "tunnel", s.tunnel(a, as), false)
		return false
	}
	otherwise := framedUntilClose
	if as.framing == framedBodiless {
		otherwise = framedBodiless
	}
	f, err := h.framed(otherwise)
	if a.minor == 0 && f == framedChunked || f == framedUntilClose && a.minor == 1 || as.framing == framedSized && f != framedSized {
		err = breachf("framed %s", f)
	}
	if as.framing == framedBodiless {
		f = framedBodiless
	}
	var n int64
	var sum string
	if err == nil {
		n, sum, err = s.ear.body(f, as.length, as.nonce)
	}
	if err == nil && f == framedUntilClose && !s.properEnd() {
		s.count("client: can't tell an end from a reset")
		return false
	}
	switch {
	case errors.Is(err, errEnough):
		s.leave(a)
		return false
	case err != nil:
		s.mind(err, a, as)
		s.outcome(a, "answer", false, h.closes() && as.early && a.length > 0)
		return false
	case f != framedBodiless && n != as.length || !as.whole:
		s.mind(breachf("%d bytes came as a whole answer of %d", n, as.length), a, as)
	case as.trailer && f == framedChunked && sum != fmt.Sprint(as.nonce):
		s.mind(breachf("a trailer %q", sum), a, as)
	}
	s.count(fmt.Sprintf("client: gets %s as %s", as.framing, f))
	s.outcome(a, "answer", true, false)
	return !h.closes() && f != framedUntilClose
}

// properEnd tells whether the end of the connection was a proper one. Who writes
// may have been the one to hear of a reset.
func (s *session) properEnd() bool {
	s.hangUp()
	<-s.told
	return s.hand.failed == nil || s.hand.failed == errSilent
}

// check compares the head of an answer with what the backend says.
func (a *account) check(as *answer, h *parsed, status int) error {
	fill := ""
	if as.nonce%16 == 0 && status != 101 {
		fill = filling(as.nonce, int(as.nonce%30000))
	}
	switch {
	case status != as.status:
		return breachf("status %d, not %d", status, as.status)
	case h.number("x-length") != as.length:
		return breachf("length %d, not %d", h.number("x-length"), as.length)
	case h.fields["x-fill"] != fill:
		return breachf("filled with %.100q, not %.100q", h.fields["x-fill"], fill)
	case a.close && !h.closes():
		return breach("the connection is to go on though it was to close")
	case a.minor == 0 && !h.closes() && h.fields["connection"] != "keep-alive":
		return breach("HTTP/1.0 without a word about the connection")
	}
	return nil
}

// own takes an answer of rota's own, and judges whether there was a reason.
func (s *session) own(a *account, h *parsed, status int) bool {
	length := h.number("content-length")
	text := make([]byte, max(0, length))
	if a.method == "HEAD" {
		text = nil
	}
	if _, err := io.ReadFull(s.ear.in, text); errors.Is(err, errEnough) {
		s.leave(a)
		return false
	} else if err != nil {
		s.mind(fmt.Errorf("within an answer of rota's own: %w", err), a, h)
		return false
	}
	if text != nil && !strings.HasPrefix(string(text), fmt.Sprintf("rota: %d ", status)) {
		s.mind(breachf("an answer of nobody's: %q", text), a, h)
	}
	s.count(fmt.Sprintf("client: gets %d of rota's own", status))
	allowed := false
	switch status {
	case 400:
		allowed = a.flaw == breaksHead || a.flaw == breaksChunk || a.flaw == halfClosesAsking
	case 408:
		allowed = a.flaw == stallsAsking || s.hand.gap.Load() > int64(soakRead/2)
	case 431:
		allowed = a.flaw == tooLarge
	case 502, 503, 504:
		allowed = s.wild
	}
	allowed = allowed || (status == 504 || status == 408) && s.starved()
	if !allowed {
		s.mind(breachf("an answer of rota's own without a reason: %d %s", status, text), a, h)
	}
	return !h.closes()
}

// outcome counts how an answer ended. A client that does nothing wrong gets all
// of it, unless the backend cuts it off. Nor is it sure of an early one: behind
// that the connection ends, though the client may be sending still.
func (s *session) outcome(a *account, what string, whole, early bool) {
	if whole {
		s.count("client: gets the whole " + what)
		return
	}
	s.count("client: gets a part of the " + what)
	switch {
	case s.excused(a) || s.cut(a):
	case s.cutLater(a):
		s.count("client: loses an answer with one that is cut")
	case early:
		s.count("client: loses what was answered early")
	default:
		s.mind(breachf("a part of the %s, though all of it was given", what), a, time.Duration(s.hand.gap.Load()))
	}
}

// mind reports an error that is more than an end, or than a wait that is over.
func (s *session) mind(err error, a *account, about any) {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = breachf("neither an answer nor an end: %v", err)
	}
	if isBreach(err) {
		who := fmt.Sprintf("client %d with %d at once: %+v", s.client, cap(s.slots), about)
		for i, e := range s.asks {
			if who += fmt.Sprintf("\n%d. %+v, answers %s", i+1, *e, s.answers(s.find(e.id))); e.id == a.id {
				break
			}
		}
		s.breach(err, who, a)
	}
}

// quiet makes sure that nothing comes that nobody has asked for.
func (s *session) quiet() {
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Duration(1+s.rng.IntN(20)) * time.Millisecond))
	if _, err := s.ear.in.Peek(1); err == nil {
		b, _ := s.ear.in.Peek(s.ear.in.Buffered())
		s.breach(breachf("%.200q behind the last answer", b), "client", s.asks)
	} else if !errors.Is(err, os.ErrDeadlineExceeded) {
		s.breach(breachf("an end though the connection was to go on: %v", err), "client", *s.last())
	}
}
