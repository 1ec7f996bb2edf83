package proxy

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
)

// entries are what the formats are tested with; the last is what an attacker
// would have logged.
var entries = []accessEntry{
	{
		Time: time.Date(2026, 3, 1, 13, 37, 0, 250e6, time.FixedZone("", 3600)), Client: "192.0.2.7",
		Method: "GET", Host: "example.com", Target: "/a?b=c", Protocol: "HTTP/1.1", Status: 200, Bytes: 5,
		Seconds: .25, Service: "web", Endpoint: "dc1/node/web-1", Attempts: 1,
		Referer: "http://example.com/", UserAgent: "tester/1.0",
	},
	{
		Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Client: "2001:db8::1",
		Method: "POST", Target: "/", Protocol: "HTTP/1.0", Status: 503, Service: "web",
	},
	{
		Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Client: "192.0.2.7",
		Method: "GET", Host: `"`, Target: `/" 200 5 "x`, Protocol: "HTTP/1.1", Status: 499, Service: "web",
		Attempts: 4, Fault: "client_gone", Endpoint: "static/[::1]:80",
		Referer:   "a\r\n192.0.2.1 - - [forged] \"GET / HTTP/1.1\" 200 0\n",
		UserAgent: "\x00\x1b[31m\\\u2028\u202e\xff</script>",
	},
}

func TestAccessFormats(t *testing.T) {
	for format, name := range map[AccessFormat]string{AccessJSON: "access.json", AccessCombined: "access.combined"} {
		t.Run(name, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			var got []byte
			for _, e := range entries {
				line := format.appendLine(nil, &e)
				if bytes.Count(line, []byte("\n")) != 1 || !bytes.HasSuffix(line, []byte("\n")) {
					t.Errorf("not one line: %q", line)
				}
				if i := bytes.IndexFunc(line[:len(line)-1], unicode.IsControl); i >= 0 {
					t.Errorf("a control byte at %d in %q", i, line)
				}
				got = append(got, line...)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// What JSON can't hold as it is, and its neighbours.
func TestJSONStrings(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "", ``},
		{"plain", "/a?b=c~ ", `/a?b=c~ `},
		{"quotes", `"\/`, `\"\\/`},
		{"markup", "<&>", `\u003c\u0026\u003e`},
		{"ends of lines", "\r\n\u0085\u2028\u2029", `\r\n` + "\u0085" + `\u2028\u2029`},
		{"short escapes", "\b\f\t", `\b\f\t`},
		{"control bytes", "\x00\a\v\x1b\x1f\x7f", `\u0000\u0007\u000b\u001b\u001f` + "\x7f"},
		{"UTF-8", "é\u2027\u202a€😀\uffff", "é\u2027\u202a€😀\uffff"},
		{"U+FFFD itself", "\ufffd", "\ufffd"},
		{"a lone byte", "a\xffb", `a\ufffdb`},
		{"each byte of a cut rune", "\xe2\x82", `\ufffd\ufffd`},
		{"a surrogate", "\xed\xa0\x80", `\ufffd\ufffd\ufffd`},
		{"an overlong slash", "\xc0\xaf", `\ufffd\ufffd`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(appendEscaped(nil, tt.in)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Alone among plain ones, each byte is still escaped as it must be.
func TestEachByte(t *testing.T) {
	for c := range 256 {
		in := string([]byte{'a', byte(c), 'b'})
		if got, want := `"`+string(appendQuoted(nil, in))+`"`, strconv.Quote(in); got != want {
			t.Errorf("quoted as %s, want %s", got, want)
		}
		want, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := `"` + string(appendEscaped(nil, in)) + `"`; got != string(want) {
			t.Errorf("in JSON %s, want %s", got, want)
		}
	}
}

// The quick way and the general one write the same digits.
func TestSeconds(t *testing.T) {
	check := func(s float64) {
		if got, want := string(appendSeconds(nil, s)), strconv.FormatFloat(s, 'f', -1, 64); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	for _, s := range []float64{
		0, 1e-9, 5e-7, 1e-6, .1, .25, .1 + .2, 1, 60, 3600.000000001, 1e6, 999999.999999999, 1e15, 1e300,
		1e-10, 1.5e-9, 1.0 / 3, -1, -1e-9, math.Nextafter(.25, 1), math.MaxFloat64, math.SmallestNonzeroFloat64,
	} {
		check(s)
	}
	for range 10_000 {
		check(time.Duration(rand.Int64N(1 << rand.IntN(63))).Seconds())
	}
}

func TestCommonTime(t *testing.T) {
	for _, tm := range []time.Time{
		{},
		time.Date(2026, 12, 31, 23, 59, 59, 999999999, time.UTC),
		time.Date(2024, 2, 29, 1, 2, 3, 0, time.FixedZone("", -(3*3600+30*60))),
		time.Date(9999, 9, 9, 9, 9, 9, 0, time.FixedZone("", 14*3600)),
		time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", -59)),
	} {
		if got, want := string(appendCommonTime(nil, tm)), tm.Format("02/Jan/2006:15:04:05 -0700"); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// Whatever an entry holds, JSON says it as encoding/json does, and the combined
// format is one line that reads back.
func FuzzAccessLine(f *testing.F) {
	for _, e := range entries {
		_, zone := e.Time.Zone()
		took := int64(e.Seconds * 1e9)
		f.Add(e.Time.UnixNano(), zone, took, e.Status, e.Client, e.Method, e.Host, e.Target, e.Protocol, e.Referer, e.UserAgent)
	}
	f.Fuzz(func(t *testing.T, began int64, zone int, took int64, status int,
		client, method, host, target, protocol, referer, agent string) {
		e := accessEntry{
			Time:   time.Unix(0, began).In(time.FixedZone("", zone%86400)),
			Client: client, Method: method, Host: host, Target: target, Protocol: protocol,
			Status: status, Bytes: took, Attempts: status, Referer: referer, UserAgent: agent,
			Service: host, Endpoint: client, Fault: method,
		}
		// encoding/json would write less in scientific notation.
		e.Seconds = max(time.Microsecond, time.Duration(took)).Seconds()
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if got := AccessJSON.appendLine(nil, &e); string(got) != string(want)+"\n" {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		readBack(t, string(AccessCombined.appendLine(nil, &e)), &e)
	})
}

// readBack checks a line in the combined format.
func readBack(t *testing.T, line string, e *accessEntry) {
	t.Helper()
	text, ended := strings.CutSuffix(line, "\n")
	if i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !ended {
		t.Fatalf("not one printable line: %q", line)
	}
	skip := func(prefix string) {
		t.Helper()
		rest, ok := strings.CutPrefix(text, prefix)
		if !ok {
			t.Fatalf("%q does not go on with %q", text, prefix)
		}
		text = rest
	}
	quoted := func(want string) {
		t.Helper()
		part, err := strconv.QuotedPrefix(text)
		if err != nil {
			t.Fatalf("%q begins with nothing quoted", text)
		}
		skip(part)
		if got, err := strconv.Unquote(part); got != want || err != nil {
			t.Errorf("%s reads as %q, %v; want %q", part, got, err, want)
		}
	}
	client := strconv.Quote(e.Client)
	skip(client[1 : len(client)-1])
	skip(e.Time.Format(" - - [02/Jan/2006:15:04:05 -0700] "))
	quoted(e.Method + " " + e.Target + " " + e.Protocol)
	skip(" " + strconv.Itoa(e.Status) + " " + strconv.FormatInt(e.Bytes, 10) + " ")
	quoted(cmp.Or(e.Referer, "-"))
	skip(" ")
	quoted(cmp.Or(e.UserAgent, "-"))
	if text != "" {
		t.Errorf("goes on with %q", text)
	}
}

// slow is an entry with nothing that has a quick way to be rendered.
func slow() accessEntry {
	e := entries[2]
	e.Seconds, e.Client, e.Service = 1.0/3, "\x00", "\xff"
	return e
}

// Once the buffers have grown, nothing is allocated for a line.
func TestNoAllocationsForLines(t *testing.T) {
	for _, format := range []AccessFormat{AccessJSON, AccessCombined} {
		for name, e := range map[string]accessEntry{"quick": entries[0], "slow": slow()} {
			l := NewAccessLog(format, io.Discard)
			w := logWriter{log: l}
			if n := testing.AllocsPerRun(1000, func() { l.add(0, &e); w.drain() }); n != 0 {
				t.Errorf("%s, %s: %v allocations for a line", format, name, n)
			}
		}
	}
}

// BenchmarkAccessLog is all that a line costs: rendered, handed over, and
// gathered into a write.
func BenchmarkAccessLog(b *testing.B) {
	const together = 512
	for _, format := range []AccessFormat{AccessJSON, AccessCombined} {
		l := NewAccessLog(format, io.Discard)
		b.Run(string(format), func(b *testing.B) {
			b.ReportAllocs()
			w := logWriter{log: l}
			for i := 0; b.Loop(); i++ {
				l.add(0, &entries[0])
				if i%together == 0 {
					w.drain()
				}
			}
		})
		b.Run(string(format)+"/parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				w := logWriter{log: l}
				for i := 0; p.Next(); i++ {
					l.add(0, &entries[0])
					if i%together == 0 {
						w.drain()
					}
				}
			})
		})
		if n := l.dropped.Load(); n > 0 {
			b.Errorf("%d lines were dropped", n)
		}
	}
}
