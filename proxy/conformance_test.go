package proxy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// clientRow is something that a client may send, and what must come of it.
type clientRow struct {
	rule, name string // where it stands, and what it is about

	// send goes out in one packet, with one more request behind it.
	send string
	// steps are taken instead of that, one by one. One more request follows once
	// all has been answered.
	steps []step
	// want has the statuses of the answers, in order: "200", "400|501"; with a
	// "?" behind it an answer need not come. At the end may stand "close", where
	// the connection must end, or "close?". Elsewhere it must go on.
	want string
	// seen is what reaches the backend, in the words of [describe]. " or " is
	// between two ways to say it.
	seen []string
	// cut is a request of which the backend may see a part.
	cut string

	method  string                     // of the request where that matters: HEAD
	field   string                     // the last answer must have it: "Allow", "Retry-After: 1"
	answer  func(*testkit.BackendConn) // what the backend does, on its first connection
	strikes int64                      // against the backend, for that
	with    Options                    // of the listener
}

// step is one that a client takes.
type step func(c *testkit.Client, b *testkit.Backend) error

func say(text string) step {
	return func(c *testkit.Client, _ *testkit.Backend) error { c.Say(text); return nil }
}

func drip(text string) step {
	return func(c *testkit.Client, _ *testkit.Backend) error { c.Drip(text); return nil }
}

func halfClose(c *testkit.Client, _ *testkit.Backend) error { c.CloseWrite(); return nil }

// told waits for an interim response.
func told(status int) step {
	return func(c *testkit.Client, _ *testkit.Backend) error {
		m, err := c.Answer("")
		if err != nil || m.Status != status {
			return fmt.Errorf("told %s, want %d", tell(m, err), status)
		}
		return nil
	}
}

// lines makes the head of a message.
func lines(all ...string) string { return strings.Join(all, "\r\n") + "\r\n\r\n" }

// getting makes a GET of HTTP/1.1 for the host x.
func getting(target string, fields ...string) string {
	return lines(append([]string{"GET " + target + " HTTP/1.1", "Host: x"}, fields...)...)
}

// posting makes the head of a POST of HTTP/1.1 for the host x.
func posting(fields ...string) string {
	return lines(append([]string{"POST / HTTP/1.1", "Host: x"}, fields...)...)
}

// chunking makes a POST with a body that should be chunked.
func chunking(body string) string { return posting("Transfer-Encoding: chunked") + body }

// run plays a row, and judges it once everything has ended.
func (row clientRow) run(t *testing.T) {
	t.Parallel()
	var r *rig
	var b *testkit.Backend
	var went bool
	t.Cleanup(func() { // after the proxy's end, and the backend's
		for _, p := range row.judge(b, went) {
			t.Errorf("%s\nof %.300q", p, row.send)
		}
		if r != nil {
			r.struck(t, row.strikes)
		}
	})
	b = testkit.StartBackend(t, row.scripts()...)
	r = newRig(t, row.with, limits, b.Addr())
	var found []string
	went, found = row.play(t, r.Addr().String(), b)
	for _, p := range append(found, freshly(t, r.Addr().String())...) {
		t.Errorf("%s\nof %.300q", p, row.send)
	}
}

// struck fails the test unless the endpoints have so many failures to their
// names, and nothing in flight.
func (r *rig) struck(t *testing.T, want ...int64) {
	t.Helper()
	for i := range want {
		e := nth(r.service, i)
		if _, n := e.Totals(); int64(n) != want[i] || e.InFlight() != 0 {
			t.Errorf("endpoint %d has %d failures and %d in flight, want %d and 0", i, n, e.InFlight(), want[i])
		}
	}
}

func (row clientRow) scripts() []func(*testkit.BackendConn) {
	if row.answer == nil {
		return nil
	}
	return []func(*testkit.BackendConn){row.answer}
}

const (
	next  = "GET /next HTTP/1.1\r\nHost: x\r\n\r\n"
	fresh = "GET /fresh HTTP/1.1\r\nHost: x\r\n\r\n"
)

// play talks to a server. It tells whether the next request was answered, and
// what was wrong.
func (row clientRow) play(t testing.TB, address string, b *testkit.Backend) (went bool, problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	c := testkit.Dial(t, address)
	for _, s := range row.steps {
		if err := s(c, b); err != nil {
			return false, []string{err.Error()}
		}
	}
	if row.steps == nil {
		c.Say(row.send + next)
	}
	w := parseWant(row.want)
	var m, last *testkit.Message
	var err error
	ahead := false // m is yet to be accounted for
	finals := 0
	for i, a := range w.answers {
		if !ahead {
			m, err = c.Answer(row.method)
			ahead = true
		}
		switch {
		case err == nil && slices.Contains(a.status, m.Status):
			ahead, last = false, m
			problems = append(problems, row.check(m, finals, i == len(w.answers)-1)...)
			if m.Status >= 200 {
				finals++
			}
		case !a.optional:
			complain("answered %s, want %s", tell(m, err), row.want)
			return false, problems
		}
	}
	if row.steps != nil && w.end != "close" {
		c.Say(next)
	}
	if !ahead {
		m, err = c.Answer("GET")
	}
	switch {
	case err == nil && w.end != "close":
		if m.Status != 200 || m.Body != "GET /next" {
			complain("the next request was answered %s", tell(m, err))
		}
		return true, append(problems, row.checkGoesOn(last)...)
	case !isEnd(err) || w.end == "":
		complain("then came %s, want %s", tell(m, err), cmp.Or(w.end, "the next answer"))
	case last != nil && !hasToken(last, "Connection", "close") && !row.old() && (row.steps == nil || last.Status >= 400):
		complain("the connection ended without a word: %s", tell(last, nil))
	}
	return false, problems
}

// old tells whether the request is one of HTTP/1.0.
func (row clientRow) old() bool { return strings.Contains(row.send, " HTTP/1.0\r\n") }

// check looks at an answer, the last one or another. n final ones came before.
func (row clientRow) check(m *testkit.Message, n int, last bool) (problems []string) {
	complain := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if row.old() && m.Framing == testkit.Chunked { // RFC 9112 §6.1
		complain("HTTP/1.0 was answered in chunks")
	}
	if m.Status == 200 && row.answer == nil && n < len(row.seen) && m.Framing != testkit.Unframed {
		own := slices.ContainsFunc(strings.Split(row.seen[n], " or "), func(s string) bool {
			method, rest, _ := strings.Cut(s, " ")
			target, _, _ := strings.Cut(rest, " ")
			return m.Body == method+" "+target
		})
		if !own {
			complain("answered %s, which is another request's", tell(m, nil))
		}
	}
	name, value, _ := strings.Cut(row.field, ": ")
	if got := m.All(name); last && name != "" && (len(got) != 1 || value != "" && got[0] != value) {
		complain("%s is %q, want %q", name, got, value)
	}
	if name == "Date" && last {
		if _, err := time.Parse("Mon, 02 Jan 2006 15:04:05 GMT", m.Get("Date")); err != nil { // RFC 9110 §5.6.7
			complain("%v", err)
		}
	}
	return problems
}

// checkGoesOn looks at the last answer on a connection that is kept.
func (row clientRow) checkGoesOn(last *testkit.Message) []string {
	switch {
	case last == nil:
	case hasToken(last, "Connection", "close"):
		return []string{"the connection goes on after a close"}
	case row.old() && !hasToken(last, "Connection", "keep-alive"): // RFC 9112 §9.3
		return []string{"the connection goes on without a word"}
	}
	return nil
}

// freshly sends a request as anyone may, on a new connection.
func freshly(t *testing.T, address string) []string {
	c := testkit.Dial(t, address)
	c.Say(fresh)
	if m, err := c.Answer("GET"); err != nil || m.Status != 200 || m.Body != "GET /fresh" {
		return []string{"afterwards a request was answered " + tell(m, err)}
	}
	return nil
}

// tell says what came for an answer.
func tell(m *testkit.Message, err error) string {
	switch {
	case m == nil:
		return fmt.Sprint(err)
	case err != nil:
		return fmt.Sprintf("%d %.100q, then %v", m.Status, m.Body, err)
	}
	return fmt.Sprintf("%d %.100q, connection %q", m.Status, m.Body, m.Get("Connection"))
}

func hasToken(m *testkit.Message, field, token string) bool {
	return slices.ContainsFunc(strings.Split(m.Get(field), ","), func(s string) bool {
		return strings.EqualFold(strings.TrimSpace(s), token)
	})
}

// want is what a row's want says.
type want struct {
	answers []struct {
		status   []int
		optional bool
	}
	end string
}

func parseWant(text string) (w want) {
	for _, word := range strings.Fields(text) {
		if strings.HasPrefix(word, "close") {
			w.end = word
			continue
		}
		alternatives, optional := strings.CutSuffix(word, "?")
		var status []int
		for _, s := range strings.Split(alternatives, "|") {
			n, err := strconv.Atoi(s)
			if err != nil {
				panic(err)
			}
			status = append(status, n)
		}
		w.answers = append(w.answers, struct {
			status   []int
			optional bool
		}{status, optional})
	}
	return w
}
