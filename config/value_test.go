package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// A parserTest is one string and what a parser makes of it: what is stored, as
// text, or else what the error and the hint say, in part.
type parserTest struct {
	in         string
	want       string
	wrong, fix string
}

func testParser[T any](t *testing.T, parse func(string) (T, error), tests []parserTest) {
	t.Helper()
	for _, tt := range tests {
		got, err := parse(tt.in)
		if tt.wrong == "" {
			if err != nil || fmt.Sprint(got) != tt.want {
				t.Errorf("%q: got %v, %v, want %s", tt.in, got, err, tt.want)
			}
			continue
		}
		checkFault(t, tt.in, err, tt.wrong, tt.fix)
	}
}

// checkFault checks that err is a fault that says what is wrong and how that
// is mended; with fix "", that it leaves that to the reader.
func checkFault(t *testing.T, in string, err error, wrong, fix string) {
	t.Helper()
	f := new(fault)
	switch {
	case !errors.As(err, &f):
		t.Errorf("%q: error is %v, want a fault with %q", in, err, wrong)
	case !strings.Contains(f.text, wrong):
		t.Errorf("%q: fault is %q, want it to say %q", in, f.text, wrong)
	case !strings.Contains(f.hint, fix) || fix == "" && f.hint != "":
		t.Errorf("%q: hint is %q, want it to say %q", in, f.hint, fix)
	}
}

func TestOneOf(t *testing.T) {
	testParser(t, oneOf([]string{"text", "json"}), []parserTest{
		{in: "json", want: "json"},
		{in: "JSON", wrong: `did you mean "json"?`},
		{in: "logfmt", wrong: `"logfmt" is none of its values`, fix: `"text" or "json"`},
		{in: "", wrong: `"" is none of its values`, fix: `"text" or "json"`},
	})
}

func TestParseBalance(t *testing.T) {
	testParser(t, parseBalance, []parserTest{
		{in: "round_robin", want: "round_robin"},
		{in: "least_request", want: "least_request"},
		{in: "random", want: "random"},
		{in: "roundrobin", wrong: `did you mean "round_robin"?`},
		{in: "ewma", want: "ewma"},
		{in: "hash", wrong: "not available in this version", fix: `"random"`},
		{in: "fastest", wrong: "is none of its values", fix: `"round_robin", "least_request", "ewma" or "random"`},
	})
}

func TestOrEmpty(t *testing.T) {
	testParser(t, parseNotEmpty, []parserTest{{in: "a", want: "a"}, {in: "", wrong: "must not be empty", fix: "leave it out"}})
	testParser(t, orEmpty(parseNotEmpty), []parserTest{{in: "a", want: "a"}, {in: "", want: ""}})
}

func TestParseDuration(t *testing.T) {
	tests := []struct {
		in         string
		want       time.Duration
		wrong, fix string
	}{
		{in: "10s", want: 10 * time.Second},
		{in: "1m30s", want: 90 * time.Second},
		{in: "1.5h", want: 90 * time.Minute},
		{in: "0s", want: 0},
		{in: "0", want: 0},
		{in: "10", wrong: "no unit", fix: `"10s"`},
		{in: "-1s", wrong: "negative"},
		{in: "1d", wrong: "not a duration", fix: `"1m30s"`},
		{in: "10 s", wrong: "not a duration", fix: `"10s"`},
		{in: "", wrong: "not a duration", fix: `"10s"`},
		{in: "9999999h", wrong: "not a duration", fix: `"10s"`}, // more than an int64 holds
	}
	for _, tt := range tests {
		got, err := parseDuration(tt.in)
		if tt.wrong != "" {
			checkFault(t, tt.in, err, tt.wrong, tt.fix)
		} else if err != nil || got != tt.want {
			t.Errorf("%q: got %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}

// What is shown as a default can be written in a file.
func TestShortDuration(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{100 * time.Millisecond, "100ms"},
		{10 * time.Second, "10s"},
		{time.Minute, "1m"},
		{10 * time.Minute, "10m"},
		{90 * time.Second, "1m30s"},
		{time.Hour, "1h"},
		{time.Hour + time.Second, "1h0m1s"},
		{20 * time.Hour, "20h"},
	}
	for _, tt := range tests {
		got := shortDuration(tt.d)
		if got != tt.want {
			t.Errorf("%d: got %q, want %q", tt.d, got, tt.want)
		}
		if back, err := parseDuration(got); err != nil || back != tt.d {
			t.Errorf("%q is read back as %v, %v", got, back, err)
		}
	}
}

func TestParseStatus(t *testing.T) {
	tests := []struct {
		in         string
		want       StatusRange
		wrong, fix string
	}{
		{in: "204", want: StatusRange{204, 204}},
		{in: "200-299", want: StatusRange{200, 299}},
		{in: "200 - 399", want: StatusRange{200, 399}},
		{in: "599", want: StatusRange{599, 599}},
		{in: "2xx", wrong: "not a status", fix: `"200-299"`},
		{in: "", wrong: "not a status", fix: `"204"`},
		{in: "200-", wrong: "not a status", fix: `"204"`},
		{in: "200,204", wrong: "not a status", fix: `"204"`},
		{in: "101", wrong: "outside of 200 to 599"},
		{in: "200-600", wrong: "outside of 200 to 599"},
		{in: "299-200", wrong: "empty range", fix: "lower code first"},
	}
	for _, tt := range tests {
		got, err := parseStatus(tt.in)
		if tt.wrong != "" {
			checkFault(t, tt.in, err, tt.wrong, tt.fix)
		} else if err != nil || got != tt.want {
			t.Errorf("%q: got %v, %v, want %v", tt.in, got, err, tt.want)
		}
	}
}
