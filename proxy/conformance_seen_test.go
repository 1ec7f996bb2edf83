package proxy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rota-lb/rota/internal/testkit"
)

// describe says what a backend has seen of a request:
//
//	POST /a at x, sized "hello", accept: */*, cookie: a=1, trailer x-sum: 1
//
// with the fields in the order of their names. An empty body is none, however it
// is framed. What rota itself says of the client is left to [ownFields].
func describe(m *testkit.Message) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s %s at %s", m.Method, m.Target, m.Get("Host"))
	if m.Body != "" {
		fmt.Fprintf(&s, ", %s %.100q", m.Framing, m.Body)
	}
	var fields []string
	for _, f := range m.Fields {
		switch name := strings.ToLower(f.Name); {
		case name == "host", name == "content-length", name == "transfer-encoding", name == "trailer", isOwn(name):
		default:
			fields = append(fields, ", "+name+": "+f.Value)
		}
	}
	for _, f := range m.Trailers {
		fields = append(fields, ", trailer "+strings.ToLower(f.Name)+": "+f.Value)
	}
	slices.SortStableFunc(fields, func(a, b string) int { // equal names keep their order
		a, _, _ = strings.Cut(a, ": ")
		b, _, _ = strings.Cut(b, ": ")
		return strings.Compare(a, b)
	})
	return s.String() + strings.Join(fields, "")
}

// isOwn tells whether a field is one by which rota says who the client is.
func isOwn(name string) bool {
	return name == "via" || name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}

// forged are what a client says in fields that are not for it to say. The
// backend must not hear it of rota.
var forged = []string{"6.6.6.6", "evil"}

// ownFields tells what is wrong with what rota says of the client.
func ownFields(m *testkit.Message) (problems []string) {
	complain := func(name, want string) {
		problems = append(problems, fmt.Sprintf("%s is %q to the backend, want %s", name, m.All(name), want))
	}
	for name, want := range map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": m.Get("Host"),
	} {
		if got := m.Get(name); got != want && !(name == "X-Forwarded-Host" && got == "") {
			complain(name, want)
		}
	}
	via := strings.Split(m.Get("Via"), ", ")
	if last := via[len(via)-1]; !strings.HasPrefix(last, "1.1 ") && !strings.HasPrefix(last, "1.0 ") { // RFC 9110 §7.6.3
		complain("Via", "our own at the end")
	}
	for _, f := range m.Fields {
		name := strings.ToLower(f.Name)
		if isOwn(name) && slices.ContainsFunc(forged, func(s string) bool { return strings.Contains(f.Value, s) }) {
			complain(f.Name, "not what the client said")
		}
	}
	return problems
}

// judge tells what is wrong with what the backend has seen. The next request is
// to be among it only where it was answered.
func (row clientRow) judge(b *testkit.Backend, next bool) (problems []string) {
	want := slices.Clone(row.seen)
	if next {
		want = append(want, "GET /next at x")
	}
	want = append(want, "GET /fresh at x")
	var got []string
	for _, s := range b.Seen() {
		whole := strings.ReplaceAll(describe(&s.Message), b.Addr(), "ADDRESS")
		if head := s.Message; !s.Whole {
			head.Body = ""
			if slices.Contains(strings.Split(row.cut, " or "), describe(&head)) {
				continue
			}
			whole += " (cut)"
		}
		got = append(got, whole)
		problems = append(problems, ownFields(&s.Message)...)
	}
	same := slices.EqualFunc(got, want, func(got, want string) bool {
		return slices.Contains(strings.Split(want, " or "), got)
	})
	if !same {
		problems = append(problems, fmt.Sprintf("the backend saw %q, want %q", got, want))
	}
	return problems
}
