package http1

import (
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fields makes a header of lines like "Name: value".
func fields(lines ...string) Header {
	var h Header
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h = append(h, Field{Name: name, Value: value})
	}
	return h
}

// RFC 9110 §5.1
func TestNamesCompareWithoutCase(t *testing.T) {
	tests := []struct {
		field, name string
		want        bool
	}{
		{"Connection", "connection", true},
		{"cONNECTION", "Connection", true},
		{"Connection", "Connectio", false},
		{"Connection", "Connections", false},
		{"X_Real_IP", "X-Real-IP", false},
		{"", "", true},
	}
	for _, tt := range tests {
		if got := (Field{Name: tt.field}).Is(tt.name); got != tt.want {
			t.Errorf("%q is %q: %v, want %v", tt.field, tt.name, got, tt.want)
		}
	}
}

func TestGet(t *testing.T) {
	tests := []struct {
		header Header
		name   string
		want   string
	}{
		{nil, "Via", ""},
		{fields("Via: 1.1 a"), "Via", "1.1 a"},
		{fields("Via: 1.1 a"), "via", "1.1 a"},
		{fields("A: 1", "Via: 1.1 a", "Via: 1.1 b"), "Via", "1.1 a"}, // the first of several
		{fields("Via: ", "Via: 1.1 b"), "Via", ""},                   // an empty one counts
		{fields("Vi: 1", "Viaa: 2"), "Via", ""},
		{fields("Via:  a "), "Via", " a "}, // as it is
	}
	for _, tt := range tests {
		if got := tt.header.Get(tt.name); got != tt.want {
			t.Errorf("%v: %s is %q, want %q", tt.header, tt.name, got, tt.want)
		}
	}
}

// RFC 9110 §5.6.1: a recipient parses and ignores empty members.
func TestTokens(t *testing.T) {
	tests := []struct {
		header Header
		want   []string
	}{
		{nil, nil},
		{fields("Connection: "), nil},
		{fields("Connection: close"), []string{"close"}},
		{fields("connection: close, Upgrade"), []string{"close", "Upgrade"}},
		{fields("Connection: a,b,\tc ,  d"), []string{"a", "b", "c", "d"}},
		{fields("Connection: , ,\t, a,,"), []string{"a"}},
		{fields("Connection: a", "Te: x", "CONNECTION: b, c"), []string{"a", "b", "c"}}, // one list in all
		{fields("Connection: a b"), []string{"a b"}},                                    // not our business
		{fields("Connection: a\v"), []string{"a\v"}},                                    // only SP and HTAB are blank
	}
	for _, tt := range tests {
		if got := slices.Collect(tt.header.Tokens("Connection")); !slices.Equal(got, tt.want) {
			t.Errorf("%q: the members are %q, want %q", tt.header, got, tt.want)
		}
	}
}

func TestTokensMayStopEarly(t *testing.T) {
	for first := range fields("A: 1, 2", "A: 3").Tokens("a") {
		if first != "1" {
			t.Errorf("began with %q", first)
		}
		break
	}
}

func TestHasToken(t *testing.T) {
	h := fields("Connection: keep-alive, X-Hop", "Connection: Upgrade", "Te: trailers")
	tests := []struct {
		name, token string
		want        bool
	}{
		{"Connection", "keep-alive", true},
		{"Connection", "KEEP-ALIVE", true},
		{"connection", "upgrade", true},
		{"Connection", "x-hop", true},
		{"Connection", "keep", false},
		{"Connection", "keep-alive, X-Hop", false},
		{"Connection", "trailers", false},
		{"Connection", "", false},
		{"Connection", "\u212Aeep-alive", false}, // only ASCII letters have a case here
		{"Trailer", "trailers", false},
	}
	for _, tt := range tests {
		if got := h.HasToken(tt.name, tt.token); got != tt.want {
			t.Errorf("%s has %q: %v, want %v", tt.name, tt.token, got, tt.want)
		}
	}
}

// However a list is cut into fields, it is the same list, and its members are
// what lies between the commas.
func FuzzTokens(f *testing.F) {
	f.Add("close, Upgrade", "X-Hop")
	f.Add(", ,\t,", "a,,b")
	f.Add("\v\x00 a", "\u212A, k")
	f.Fuzz(func(t *testing.T, one, two string) {
		apart := Header{{Name: "A", Value: one}, {Name: "B", Value: "not this"}, {Name: "a", Value: two}}
		got := slices.Collect(apart.Tokens("A"))
		joined := Header{{Name: "A", Value: one + "," + two}}
		if together := slices.Collect(joined.Tokens("A")); !slices.Equal(got, together) {
			t.Errorf("%q and %q are %q apart and %q together", one, two, got, together)
		}
		for _, token := range got {
			if token == "" || strings.Contains(token, ",") || token != strings.Trim(token, " \t") {
				t.Errorf("%q is no member of a list", token)
			}
			if !apart.HasToken("A", token) || !apart.HasToken("a", strings.ToUpper(token)) && isASCII(token) {
				t.Errorf("HasToken does not find the member %q", token)
			}
		}
		if apart.HasToken("A", "") || apart.HasToken("B", "not") {
			t.Error("HasToken finds what is no member")
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}
