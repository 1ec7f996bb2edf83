package upstream

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/rota-lb/rota/http1"
)

// A request is on the wire what it was asked to be: nothing is made up.
func TestWhatABackendGets(t *testing.T) {
	tests := []struct {
		name    string
		request *Request
		want    []string // lines of the head; fields are in net/http's order
		body    string
	}{
		{"the plainest", get(), []string{"GET / HTTP/1.1", "Host: example.com"}, ""},
		{"fields, repeated ones too", &Request{Method: "GET", Target: "/a?b", Host: "h", Header: http1.Header{
			{Name: "Accept", Value: "x"}, {Name: "B", Value: "1"}, {Name: "b", Value: "2"}, {Name: "User-Agent", Value: "tester"},
		}}, []string{"GET /a?b HTTP/1.1", "Host: h", "User-Agent: tester", "Accept: x", "B: 1", "B: 2"}, ""},
		{"a POST without a body", &Request{Method: "POST", Target: "/", Host: "h"},
			[]string{"POST / HTTP/1.1", "Host: h", "Content-Length: 0"}, ""},
		{"a body of known length", &Request{Method: "PUT", Target: "/", Host: "h", Body: strings.NewReader("hello"), Length: 5},
			[]string{"PUT / HTTP/1.1", "Host: h", "Content-Length: 5"}, "hello"},
		{"a body of unknown length", post(strings.NewReader("hello")),
			[]string{"POST / HTTP/1.1", "Host: example.com", "Transfer-Encoding: chunked"}, "5\r\nhello\r\n0\r\n\r\n"},
		{"a GET with a body", &Request{Method: "GET", Target: "/", Host: "h", Body: strings.NewReader("hello"), Length: 5},
			[]string{"GET / HTTP/1.1", "Host: h", "Content-Length: 5"}, "hello"},
		{"framing is ours, whatever the fields say", &Request{Method: "GET", Target: "/", Host: "h", Header: http1.Header{
			{Name: "Content-Length", Value: "7"}, {Name: "Transfer-Encoding", Value: "chunked"}, {Name: "Host", Value: "other"},
		}}, []string{"GET / HTTP/1.1", "Host: h"}, ""},
		{"a method of one's own", &Request{Method: "PURGE", Target: "/*", Host: "h"}, []string{"PURGE /* HTTP/1.1", "Host: h"}, ""},
		{"a target that is none", &Request{Method: "OPTIONS", Target: "*", Host: "h"}, []string{"OPTIONS * HTTP/1.1", "Host: h"}, ""},
		{"no host: HTTP/1.0 may", &Request{Method: "GET", Target: "/"}, []string{"GET / HTTP/1.1", "Host: ADDRESS"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var head string
			body := make([]byte, len(tt.body))
			address := listen(t, func(p *peer) {
				head = p.head()
				_, _ = io.ReadFull(p.in, body)
				p.say(hello)
			})
			if _, got := answer(t, newClient(t, patient), address, tt.request); got != "hello" {
				t.Errorf("answered %q", got)
			}
			want := strings.ReplaceAll(strings.Join(tt.want, "\r\n")+"\r\n\r\n", "ADDRESS", address)
			if head != want || string(body) != tt.body {
				t.Errorf("came as\n%q %q, want\n%q %q", head, body, want, tt.body)
			}
		})
	}
}

// RFC 9112 §3.2: a target is sent on as it came, however odd: a backend that
// reads it in another way than we do must not be given another one.
func FuzzTarget(f *testing.F) {
	for _, t := range []string{"/", "*", "/a%2fb//c;d?q=%20&", "/?", "/a?b?c", "/a\"<b>^`{|}", "/\xff\xc3\xa4", "/a#b?c#d",
		"/..%2f../%00", "/[::1]:80", "//", "//host/a", "//ho\"st/a?b\"", "///?", "/:80", "/a+b%2Bc", "/%E4"} {
		f.Add(t)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		in, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + sent + " HTTP/1.1\r\nHost: h\r\n\r\n")))
		if err != nil || in.URL.Host != "" || in.URL.Opaque != "" {
			t.Skip("not what a server of net/http takes, or not in origin-form")
		}
		var wire bytes.Buffer
		out := &http.Request{Method: "GET", URL: target("127.0.0.1:1", in.RequestURI), Host: "h"}
		if err := out.Write(&wire); err != nil {
			t.Fatalf("%q can't be sent: %v", in.RequestURI, err)
		}
		got, err := http.ReadRequest(bufio.NewReader(&wire))
		if err != nil {
			t.Fatalf("%q can't be read: %v", in.RequestURI, err)
		}
		if got.RequestURI == in.RequestURI && got.Host == "h" {
			return
		}
		// net/http escapes what no URI may contain where it has to take the
		// target for a path. The meaning is the same.
		path, query, _ := strings.Cut(in.RequestURI, "?")
		meant, err := url.PathUnescape(path)
		if err != nil || !strings.HasPrefix(path, "//") || got.URL.Path != meant || got.URL.RawQuery != query {
			t.Errorf("%q was sent as %q", in.RequestURI, got.RequestURI)
		}
	})
}

// RFC 9110 §6.5: trailers pass, both ways.
func TestTrailers(t *testing.T) {
	var got string
	address := listen(t, func(p *peer) {
		p.head()
		text := make([]byte, len("5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"))
		_, _ = io.ReadFull(p.in, text)
		got = string(text)
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-End\r\n\r\n2\r\nhi\r\n0\r\nX-End: 7\r\n\r\n")
	})
	trailer := http.Header{"X-Sum": nil}
	r := post(io.MultiReader(strings.NewReader("hello"), reader(func([]byte) (int, error) {
		trailer.Set("X-Sum", "42") // known once the body has been read
		return 0, io.EOF
	})))
	r.Trailer = trailer
	response, err := newClient(t, patient).Send(t.Context(), address, r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, announced := response.Trailer["X-End"]; !announced {
		t.Error("the trailer was not announced")
	}
	body, err := io.ReadAll(response.Body)
	if string(body) != "hi" || err != nil || response.Trailer.Get("X-End") != "7" || response.Length != -1 {
		t.Errorf("answered %q, %v, trailer %v, length %d", body, err, response.Trailer, response.Length)
	}
	if want := "5\r\nhello\r\n0\r\nX-Sum: 42\r\n\r\n"; got != want {
		t.Errorf("the body came as %q, want %q", got, want)
	}
}

func TestTheHeadOfAResponse(t *testing.T) {
	address := listen(t, says("HTTP/1.1 299 Fine\r\nB: 1\r\nSet-Cookie: a\r\nset-cookie: b\r\nContent-Length: 2\r\nContent-Encoding: gzip\r\n\r\nhi"))
	response, body := answer(t, newClient(t, patient), address, get())
	slices.SortStableFunc(response.Header, func(a, b http1.Field) int { return strings.Compare(a.Name, b.Name) })
	want := "B: 1, Content-Encoding: gzip, Content-Length: 2, Set-Cookie: a, Set-Cookie: b"
	var lines []string
	for _, f := range response.Header {
		lines = append(lines, f.Name+": "+f.Value)
	}
	if got := strings.Join(lines, ", "); got != want || response.Status != 299 || response.Length != 2 || body != "hi" {
		t.Errorf("came as %d, length %d, %q\n%s, want\n%s", response.Status, response.Length, body, got, want)
	}
}

// RFC 9110 §10.1.1: a body that the backend does not ask for stays where it is.
func TestExpectContinue(t *testing.T) {
	tests := []struct{ name, answer, body string }{
		{"asked for", "HTTP/1.1 100 Continue\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"},
		{"refused", "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := listen(t, func(p *peer) {
				p.head()
				p.say(tt.answer)
				body := make([]byte, len(tt.body))
				if _, err := io.ReadFull(p.in, body); err != nil || string(body) != tt.body {
					t.Errorf("the body came as %q, %v", body, err)
				}
				if tt.body != "" {
					p.say(hello)
				}
			})
			r := post(untouched(t))
			if tt.body != "" {
				r = post(strings.NewReader("hello"))
			}
			r.Header = http1.Header{{Name: "Expect", Value: "100-continue"}}
			if _, body := answer(t, newClient(t, patient), address, r); body != "hello" {
				t.Errorf("answered %q", body)
			}
		})
	}
}

// RFC 9110 §15.2: a client may get any number of 1xx responses before the
// final one, but we stop listening at some number.
func TestInformationalResponses(t *testing.T) {
	hint := "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
	tests := []struct {
		name, hints string
		told        int
		want        Fault
	}{
		{"none", "", 0, None},
		{"one", hint, 1, None},
		{"100 is ours", "HTTP/1.1 100 Continue\r\n\r\n" + hint, 1, None},
		{"as many as may be", strings.Repeat(hint, maxInformational), maxInformational, None},
		{"one more", strings.Repeat(hint, maxInformational+1), maxInformational, Malformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			told := 0
			r := get()
			r.Informational = func(status int, h http1.Header) {
				if told++; status != 103 || len(h) != 1 || h.Get("Link") != "</a.css>" {
					t.Errorf("told of %d %v", status, h)
				}
			}
			c, address := newClient(t, patient), listen(t, says(tt.hints+hello))
			if tt.want != None {
				if got := fail(t, c, address, r).fault; got != tt.want {
					t.Errorf("ended as %s, want %s", got, tt.want)
				}
			} else if _, body := answer(t, c, address, r); body != "hello" {
				t.Errorf("answered %q", body)
			}
			if told != tt.told {
				t.Errorf("told %d times, want %d", told, tt.told)
			}
		})
	}
}

// A transport that goes on reading after the attempt is over must not write to
// the client any more.
func TestNothingIsToldAfterTheEnd(t *testing.T) {
	told := 0
	i := informer{tell: func(int, http1.Header) { told++ }}
	for range 2 {
		if err := i.got(103, nil); err != nil {
			t.Error(err)
		}
		i.end()
	}
	if told != 1 {
		t.Errorf("told %d times, want 1", told)
	}
}

// After a 101 the connection is the caller's: neither a stall nor silence ends
// it (RFC 9110 §7.8).
func TestATunnel(t *testing.T) {
	c := newClient(t, hasty)
	address := listen(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(p.Conn, p.in)
	})
	r := get()
	r.Header = http1.Header{{Name: "Connection", Value: "Upgrade"}, {Name: "Upgrade", Value: "echo"}}
	response, err := c.Send(t.Context(), address, r)
	if err != nil {
		t.Fatal(err)
	}
	tunnel := response.Body.(io.ReadWriteCloser)
	defer tunnel.Close()
	fail(t, c, listen(t, (*peer).hang), get()) // as long as a stall would take
	fail(t, c, listen(t, (*peer).hang), get())
	fmt.Fprint(tunnel, "hello")
	echo := make([]byte, 5)
	if _, err := io.ReadFull(tunnel, echo); err != nil || string(echo) != "hello" || response.Status != 101 {
		t.Errorf("%d echoed %q, %v", response.Status, echo, err)
	}
}

// net/http sends a request with this field once more when a connection breaks,
// whatever its method. Whether to is not its decision.
func TestAnIdempotencyKeyIsNoLeaveToRepeat(t *testing.T) {
	m := toMap(http1.Header{{Name: "Idempotency-Key", Value: "1"}, {Name: "X-IDEMPOTENCY-KEY", Value: "2"}})
	if m["Idempotency-Key"] != nil || m["X-Idempotency-Key"] != nil {
		t.Errorf("net/http sees %v", m)
	}
	if got := map[string][]string(m); fmt.Sprint(got["idempotency-key"], got["x-idempotency-key"]) != "[1] [2]" {
		t.Errorf("the backend gets %v", m)
	}
}
