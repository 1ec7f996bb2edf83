package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rota-lb/rota/upstream"
)

// A body that stops is told as 408, and the backend is let go.
func TestAStalledUpload(t *testing.T) {
	released := make(chan struct{})
	r := newRig(t, Options{ReadTimeout: 50 * time.Millisecond}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(released)
	}))
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhell")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("answered %d, want 408", response.StatusCode)
	}
	<-released
	r.finish(t)
	r.blameless(t)
}

// A client that goes away ends the request to the backend, and it is not the
// backend's failure.
func TestAClientThatLeaves(t *testing.T) {
	for _, when := range []string{"before the response", "within the response"} {
		t.Run(when, func(t *testing.T) {
			arrived, ended := make(chan struct{}), make(chan struct{})
			r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
				if when == "within the response" {
					fmt.Fprint(w, "hello")
					_ = http.NewResponseController(w).Flush()
				}
				close(arrived)
				<-r.Context().Done()
				close(ended)
			}))
			c := r.dial(t)
			c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			<-arrived
			if when == "within the response" {
				response, err := http.ReadResponse(c.in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil {
					t.Fatal(err)
				}
			}
			c.Close()
			<-ended
			r.finish(t)
			r.blameless(t)
		})
	}
}

// A client that does not read is let go after the write timeout, whatever it is
// that it does not read, and nobody else is to blame.
func TestAClientThatDoesNotRead(t *testing.T) {
	endless := func(w http.ResponseWriter, _ *http.Request) {
		for b := make([]byte, 32<<10); ; {
			if _, err := w.Write(b); err != nil {
				return
			}
		}
	}
	large := func() (int, []byte) { return 200, make([]byte, 1<<20) }
	for name, target := range map[string]string{"a response": "/", "answers of our own": "/health"} {
		t.Run(name, func(t *testing.T) {
			o := Options{WriteTimeout: 50 * time.Millisecond, HealthPath: "/health", Health: large}
			r := newRig(t, o, limits, backend(t, endless))
			c := r.dial(t)
			for {
				_, err := c.Write([]byte("GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n"))
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatal("the connection stays open")
				}
				if err != nil {
					break
				}
			}
			r.finish(t)
			r.blameless(t)
			if n := r.service.stats.faults[upstream.ClientStalled].Load(); n != 1 && target == "/" {
				t.Errorf("counted %d stalled clients, want 1", n)
			}
		})
	}
}

// RFC 9112 §9.3.2: answers come in the order of the requests, and none is lost.
func TestPipelinedRequests(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, r.URL.Path, " ")
		_, _ = io.Copy(w, r.Body)
	}))
	var packet strings.Builder
	var methods, want []string
	for i := range 100 {
		switch i % 4 {
		case 0:
			fmt.Fprintf(&packet, "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
			methods, want = append(methods, "GET"), append(want, fmt.Sprintf("GET/%d ", i))
		case 1:
			fmt.Fprintf(&packet, "POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", i)
			methods, want = append(methods, "POST"), append(want, fmt.Sprintf("POST/%d hello", i))
		case 2:
			fmt.Fprintf(&packet, "PUT /%d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", i)
			methods, want = append(methods, "PUT"), append(want, fmt.Sprintf("PUT/%d hello", i))
		case 3:
			fmt.Fprintf(&packet, "HEAD /%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
			methods, want = append(methods, "HEAD"), append(want, "")
		}
	}
	c := r.dial(t)
	c.say(packet.String())
	for i, method := range methods {
		if _, body := c.answer(t, method); body != want[i] {
			t.Fatalf("request %d was answered %q, want %q", i, body, want[i])
		}
	}
}

// RFC 9112 §2.3, RFC 9110 §15.2: an HTTP/1.0 client gets neither chunks nor
// informational responses, and need not name a host.
func TestAnHTTP10Client(t *testing.T) {
	var via string
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		via = r.Header.Get("Via")
		w.WriteHeader(http.StatusEarlyHints)
		for _, piece := range []string{"hel", "lo"} {
			fmt.Fprint(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	c := r.dial(t)
	c.say("GET / HTTP/1.0\r\n\r\n")
	text, err := io.ReadAll(c.in)
	head, body, _ := strings.Cut(string(text), "\r\n\r\n")
	if err != nil || !strings.HasPrefix(head, "HTTP/1.1 200 OK\r\n") || body != "hello" || strings.Contains(head, "chunked") {
		t.Errorf("answered %v\n%s", err, text)
	}
	if !strings.HasPrefix(via, "1.0 rota (") {
		t.Errorf("Via reads %q", via)
	}
}

// RFC 9110 §10.1.1: the body is asked for only when the backend asks for it.
func TestExpectContinue(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
	t.Run("the backend goes on", func(t *testing.T) {
		r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Expect") == "" {
				t.Error("the expectation was not passed on")
			}
			_, _ = io.Copy(w, r.Body)
		}))
		c := r.dial(t)
		c.say(head)
		if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusContinue {
			t.Fatalf("answered %d before the body", response.StatusCode)
		}
		c.say("hello")
		if response, body := c.answer(t, "POST"); response.StatusCode != 200 || body != "hello" {
			t.Errorf("answered %d %q", response.StatusCode, body)
		}
	})
	t.Run("the backend refuses", func(t *testing.T) {
		r := newRig(t, Options{}, limits, raw(t, says("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")))
		c := r.dial(t)
		c.say(head)
		if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusForbidden {
			t.Errorf("answered %d, want 403 without the body", response.StatusCode)
		}
		c.Close()
		r.finish(t)
		r.blameless(t)
	})
	t.Run("something else is expected", func(t *testing.T) {
		r := newRig(t, Options{}, limits, backend(t, ok("")))
		if response, _ := r.do(t, "GET", "/", nil, "Expect: the unexpected"); response.StatusCode != http.StatusExpectationFailed {
			t.Errorf("answered %d, want 417", response.StatusCode)
		}
	})
}

// Some requests have no business with a backend.
func TestRequestsThatGoNowhere(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, ok("")))
	for request, want := range map[string]int{
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":                                                        505, // RFC 9113 §3.4, where HTTP/2 is not spoken
		"GET / HTTP/3.0\r\nHost: x\r\n\r\n":                                                       505,
		"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n":                                           405,
		"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n":                                                     405,
		"GET mailto:x HTTP/1.1\r\nHost: x\r\n\r\n":                                                400,
		"GET / HTTP/1.1\r\n\r\n":                                                                  400,
		"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n":                                            400,
		"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n":                                              400,
		"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00\r\n\r\n":                                           400,
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n":                                                    400,
		"GET / HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 2*requestLimits.Header) + "\r\n": 431,
	} {
		c := r.dial(t)
		c.say(request)
		if response, _ := c.answer(t, "GET"); response.StatusCode != want {
			t.Errorf("%.40q was answered %d, want %d", request, response.StatusCode, want)
		}
		if n, _ := nth(r.service, 0).Totals(); n != 0 {
			t.Fatalf("%.40q was sent to a backend", request)
		}
	}
}

// A client may say of itself what it likes; a backend hears what we know. RFC
// 9110 §6.5.1: not after the body either.
func TestForgedFields(t *testing.T) {
	var got *http.Request
	r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got = r
	}))
	c := r.dial(t)
	c.say("POST http://example.com//a\"b HTTP/1.1\r\nHost: other\r\nX_Forwarded_For: 10.0.0.1\r\nX-Forwarded-Port: 1\r\n" +
		"Trailer: X-Sum, Authorization\r\nTransfer-Encoding: chunked\r\n\r\n" +
		"0\r\nX-Sum: 1\r\nAuthorization: a\r\nX-Forwarded-For: 10.0.0.1\r\nHost: evil\r\n\r\n")
	if response, _ := c.answer(t, "POST"); response.StatusCode != 200 {
		t.Fatalf("answered %d", response.StatusCode)
	}
	r.finish(t)
	if got.Host != "example.com" || got.Header.Get("X-Forwarded-Host") != "example.com" { // RFC 9112 §3.2.2
		t.Errorf("the host arrived as %s and %s", got.Host, got.Header.Get("X-Forwarded-Host"))
	}
	for name := range got.Header {
		if strings.Contains(name, "_") || name == "X-Forwarded-Port" {
			t.Errorf("%s was passed on", name)
		}
	}
	if len(got.Trailer) != 1 || got.Trailer.Get("X-Sum") != "1" { // the rest is not even announced
		t.Errorf("the trailers arrived as %v", got.Trailer)
	}
}

// RFC 9112 §3.2: a target reaches the backend in origin-form, byte for byte
// where it came in it.
func TestTargets(t *testing.T) {
	var got string
	r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI }))
	for sent, want := range map[string]string{
		"/":                         "/",
		"/a\"b^`{|}?\"<>":           "/a\"b^`{|}?\"<>",
		"/%c3%A4":                   "/%c3%A4",
		"//example.org/a":           "//example.org/a",
		"/a?":                       "/a?",
		"http://example.com":        "/",
		"http://example.com?a":      "/?a",
		"HTTP://example.com:80/%2f": "/%2f",
	} {
		c := r.dial(t)
		c.say("GET " + sent + " HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, _ := c.answer(t, "GET"); response.StatusCode != 200 || got != want {
			t.Errorf("%q arrived as %q (%d), want %q", sent, got, response.StatusCode, want)
		}
	}
}

// A connection that is kept alive may end at any point; only what was under way
// ends with it, and what was not whole was never a request.
func TestAKeptConnectionThatEnds(t *testing.T) {
	const request = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for _, at := range []int{0, 5, 30, len(request) - 6, len(request) - 3} {
		for name, end := range map[string]func(*wire){
			"closed": func(c *wire) { c.Close() },
			"reset":  func(c *wire) { resets(c.Conn); c.Close() },
		} {
			t.Run(fmt.Sprint(name, " after ", at), func(t *testing.T) {
				var whole atomic.Int64
				r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err == nil {
						whole.Add(1)
					}
				}))
				c := r.dial(t)
				c.say(request)
				c.answer(t, "POST")
				c.say(request[:at])
				end(c)
				r.finish(t)
				r.blameless(t)
				if n := whole.Load(); n != 1 {
					t.Errorf("the backend saw %d whole requests, want the first alone", n)
				}
			})
		}
	}
}
