package proxy

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// backendRow is something that a backend may answer, and what must come of it.
// There are two backends; the first is asked first, and the second is well.
type backendRow struct {
	rule, name string

	ask    string // plain, if it is not said
	answer string // what the first backend says once it has read that
	// then is what it does next; if it is not said, nothing until the proxy ends
	// the connection. Further connections it serves well.
	then func(*testkit.BackendConn)
	// want is what the client gets, in the words of [describeAnswers]. " or " is
	// between two ways to say it.
	want    string
	strikes int64 // against the first backend
	hasty   bool  // the proxy does not wait for long
}

// wrong is an answer that is none, to any method.
func wrong(rule, name, answer string) backendRow {
	return backendRow{rule: rule, name: name, answer: answer, want: "502", strikes: 1}
}

// right is an answer as it ought to be, after which the connection serves on.
func right(rule, name, answer, want string) backendRow {
	return backendRow{rule: rule, name: name, answer: answer, then: (*testkit.BackendConn).Serve, want: want}
}

// respond makes an answer of a status, lines, and a body of hello.
func respond(status string, fields ...string) string {
	return lines(append([]string{"HTTP/1.1 " + status}, fields...)...) + "hello"
}

// closes ends the connection with a FIN, which is what the end of a script does.
func closes(*testkit.BackendConn) {}

func (row backendRow) serve(c *testkit.BackendConn) {
	if c.Request() == nil {
		return
	}
	c.Say(row.answer)
	if row.then == nil {
		c.Hang()
		return
	}
	row.then(c)
}

// run plays a row with one more request behind, on the same connection and on
// a new one, and judges it once everything has ended.
func (row backendRow) run(t *testing.T) {
	t.Parallel()
	var r *rig
	var first, second *testkit.Backend
	var got string
	if row.ask == "" {
		row.ask = plain
	}
	t.Cleanup(func() {
		if r == nil {
			return
		}
		r.struck(t, row.strikes, 0)
		// Only what was rescued may have come twice.
		line, _, _ := strings.Cut(row.ask, " HTTP/")
		asked := map[bool]int{}
		for i, b := range []*testkit.Backend{first, second} {
			for _, s := range b.Seen() {
				if s.Method+" "+s.Target == line {
					asked[i == 1]++
				}
			}
		}
		rescued := strings.Contains(got, fmt.Sprintf("200 %q", line))
		if asked[false] != 1 || rescued != (asked[true] == 1) || asked[true] > 1 {
			t.Errorf("%s came to the backends %d and %d times, and was answered %s", line, asked[false], asked[true], got)
		}
	})
	first, second = testkit.StartBackend(t, row.serve), testkit.StartBackend(t)
	u := limits
	if row.hasty {
		u.Response, u.Stall = 50*time.Millisecond, 50*time.Millisecond
	}
	r = newRig(t, Options{}, u, first.Addr(), second.Addr())
	got = row.play(t, r.Addr().String())
	if !slices.Contains(strings.Split(row.want, " or "), got) {
		t.Errorf("the client got %s, want %s", got, row.want)
	}
	for range 2 { // one for each backend
		for _, p := range freshly(t, r.Addr().String()) {
			t.Error(p)
		}
	}
}

// play asks, and tells what came. Where an answer is whole, the next request
// must have its own; only after an answer of our own the connection may end.
func (row backendRow) play(t *testing.T, address string) (got string) {
	c := testkit.Dial(t, address)
	c.Say(row.ask + next)
	method, _, _ := strings.Cut(row.ask, " ")
	got, last, err := describeAnswers(c, method)
	if err != nil {
		return got
	}
	m, err := c.Answer("GET")
	may := last.Status >= 500 || strings.Contains(row.ask, " HTTP/1.0\r\n")
	if !(isEnd(err) && may) && (err != nil || m.Status != 200 || m.Body != "GET /next") {
		t.Errorf("the next request was answered %s", tell(m, err))
	}
	return got
}

// isEnd tells whether a connection ended between two messages.
func isEnd(err error) bool { return err == io.EOF || errors.Is(err, syscall.ECONNRESET) }

// describeAnswers says what a client gets, the interim answers with it:
//
//	103, 200 "hello", set-cookie: a, trailer x-sum: 1
//	502
//	200 cut
//	nothing
//
// with the fields in the order of their names, but for those that are rota's
// affair. A body that rota makes itself is left out.
func describeAnswers(c *testkit.Client, method string) (text string, last *testkit.Message, err error) {
	var all []string
	for last == nil || last.Status < 200 && last.Status != 101 {
		if last, err = c.Answer(method); last == nil {
			what := err.Error()
			if isEnd(err) {
				what = "nothing"
			}
			return strings.Join(append(all, what), ", "), nil, err
		}
		all = append(all, fmt.Sprint(last.Status))
	}
	said := &all[len(all)-1]
	var wrong testkit.Malformed
	switch {
	case errors.As(err, &wrong):
		*said += " " + err.Error()
	case err != nil:
		*said += " cut"
		return strings.Join(all, ", "), last, err
	case last.Body != "" && last.Status < 500:
		*said += fmt.Sprintf(" %.100q", last.Body)
	}
	if last.Status < 502 {
		all = append(all, describeFields(last)...)
	}
	return strings.Join(all, ", "), last, err
}

func describeFields(m *testkit.Message) (fields []string) {
	for _, f := range m.Fields {
		switch name := strings.ToLower(f.Name); name {
		case "content-length", "transfer-encoding", "connection", "date", "via", "trailer":
		default:
			fields = append(fields, name+": "+f.Value)
		}
	}
	for _, f := range m.Trailers {
		fields = append(fields, "trailer "+strings.ToLower(f.Name)+": "+f.Value)
	}
	slices.SortStableFunc(fields, func(a, b string) int {
		a, _, _ = strings.Cut(a, ": ")
		b, _, _ = strings.Cut(b, ": ")
		return strings.Compare(a, b)
	})
	return fields
}

// What backends may answer, and what must come of it.
func TestBackendConformance(t *testing.T) {
	names := map[string]bool{}
	for _, rows := range backendTables {
		for _, row := range rows {
			name := row.rule + ": " + row.name
			if names[name] {
				t.Errorf("%s is there twice", name)
			}
			names[name] = true
			t.Run(name, row.run)
		}
	}
	t.Logf("%d rows", len(names))
}
