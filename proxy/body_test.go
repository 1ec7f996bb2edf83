package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rota-lb/rota/upstream"
)

// Neither side's body is held back: each piece arrives before the next is sent.
func TestBodiesStreamBothWays(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Trailer", "X-Sum")
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintln(w, lines.Text())
			_ = control.Flush()
		}
		w.Header().Set("X-Sum", "3")
	}))
	reader, writer := io.Pipe()
	request, _ := http.NewRequestWithContext(t.Context(), "PUT", r.url, reader)
	go fmt.Fprintln(writer, "0")
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for i := range 3 {
		if !lines.Scan() || lines.Text() != fmt.Sprint(i) {
			t.Fatalf("line %d came as %q", i, lines.Text())
		}
		if i < 2 {
			fmt.Fprintln(writer, i+1)
		}
	}
	writer.Close()
	if lines.Scan() {
		t.Errorf("an extra line %q", lines.Text())
	}
	if sum := response.Trailer.Get("X-Sum"); sum != "3" {
		t.Errorf("the trailer reads %q", sum)
	}
}

// A body may go elsewhere as long as nobody has read of it, and then whole.
func TestABodyGoesElsewhere(t *testing.T) {
	readsAll := backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	tests := []struct {
		name, first, method string
		want                int
	}{
		{"refused POST", dead, "POST", 200},
		{"refused PUT", dead, "PUT", 200},
		{"a POST that was read", readsAll, "POST", 502},
		{"a PUT that was read", readsAll, "PUT", 200}, // of a chunked one the body is gone
	}
	for _, tt := range tests {
		for _, length := range []int64{5, -1} {
			t.Run(fmt.Sprint(tt.name, " of length ", length), func(t *testing.T) {
				r := newRig(t, Options{}, limits, tt.first, backend(t, func(w http.ResponseWriter, r *http.Request) {
					_, _ = io.Copy(w, r.Body)
				}))
				request, _ := http.NewRequestWithContext(t.Context(), tt.method, r.url, io.NopCloser(strings.NewReader("hello")))
				request.ContentLength = length
				response, err := r.client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				body, _ := io.ReadAll(response.Body)
				want := tt.want
				if tt.first == readsAll && length < 0 {
					want = 502
				}
				if response.StatusCode != want || want == 200 && string(body) != "hello" {
					t.Errorf("answered %d %q, want %d", response.StatusCode, body, want)
				}
			})
		}
	}
}

// RFC 9112 §7.1: what is not a chunk ends the request, and nothing that comes
// after it is one.
func TestAMalformedBody(t *testing.T) {
	const evil = "GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, body := range map[string]string{
		"a size that is none":         "5\r\nhello\r\nzz\r\n" + evil,
		"a size too large":            "5\r\nhello\r\n10000000000000000\r\n" + evil,
		"a negative size":             "5\r\nhello\r\n-1\r\n" + evil,
		"a signed size":               "+5\r\nhello\r\n0\r\n\r\n" + evil,
		"no size":                     "5\r\nhello\r\n\r\n" + evil,
		"no end of the data":          "5\r\nhello0\r\n\r\n" + evil,
		"more data than was said":     "5\r\nhello world\r\n0\r\n\r\n" + evil,
		"a bare LF":                   "5\nhello\r\n0\r\n\r\n" + evil,
		"an extension without an end": "5;" + strings.Repeat("a", 8<<10) + "\r\nhello\r\n0\r\n\r\n" + evil,
	} {
		t.Run(name, func(t *testing.T) {
			var asked, whole atomic.Int64
			r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if _, err := io.Copy(io.Discard, r.Body); err == nil {
					whole.Add(1)
				}
			}))
			c := r.dial(t)
			c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
			if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusBadRequest || !response.Close {
				t.Errorf("answered %d, closing: %v; want 400 and close", response.StatusCode, response.Close)
			}
			c.ended(t)
			r.finish(t)
			r.blameless(t)
			if asked.Load() > 1 || whole.Load() > 0 {
				t.Errorf("the backend saw %d requests, %d of them whole", asked.Load(), whole.Load())
			}
		})
	}
}

// What rota answers itself it answers at once, and does not wait for a body
// that it has no use for any longer than for one that it has.
func TestABodyThatNobodyReads(t *testing.T) {
	o := Options{HealthPath: "/health", Health: func() (int, []byte) { return 200, nil }, ReadTimeout: 50 * time.Millisecond}
	web := newRig(t, o, limits)
	o.Routes = NewTable(nil, nil)
	nowhere := newRig(t, o, limits)
	tests := []struct {
		rig    *rig
		method string
		path   string
		want   int
	}{
		{nowhere, "POST", "/", 404},
		{web, "POST", "/", 503},
		{web, "POST", "/health", 200},
		{web, "TRACE", "/", 405},
	}
	for _, tt := range tests {
		for _, framing := range []string{"Content-Length: 9", "Transfer-Encoding: chunked"} {
			c := tt.rig.dial(t)
			c.say(tt.method + " " + tt.path + " HTTP/1.1\r\nHost: x\r\n" + framing + "\r\n\r\n")
			if response, _ := c.answer(t, tt.method); response.StatusCode != tt.want {
				t.Errorf("%s %s was answered %d, want %d", tt.method, tt.path, response.StatusCode, tt.want)
			}
			c.ended(t)
		}
	}
}

// A small body that nobody read does not spoil the connection.
func TestTheNextRequestAfterABodyThatNobodyRead(t *testing.T) {
	for want, r := range map[int]*rig{
		404: newRig(t, Options{Routes: NewTable(nil, nil)}, limits),
		503: newRig(t, Options{}, limits, dead),
	} {
		c := r.dial(t)
		for range 3 {
			c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
			if response, _ := c.answer(t, "POST"); response.StatusCode != want || response.Close {
				t.Fatalf("answered %d, closing: %v; want %d", response.StatusCode, response.Close, want)
			}
		}
	}
}

// A backend that fails within an upload is told while the upload goes on.
func TestABackendThatFailsWithinAnUpload(t *testing.T) {
	r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 5))
		panic(http.ErrAbortHandler)
	}))
	c := r.dial(t)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	var upload sync.WaitGroup
	defer upload.Wait()
	defer c.Close()
	upload.Go(func() {
		for err := error(nil); err == nil; {
			_, err = io.WriteString(c.Conn, "5\r\nhello\r\n")
		}
	})
	if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusBadGateway || !response.Close {
		t.Errorf("answered %d, closing: %v; want 502 and close", response.StatusCode, response.Close)
	}
}

// RFC 9110 §10.1.1, §15.5.14: an answer that comes before the upload is through
// is relayed at once, and the connection ends once the client has stopped.
func TestAnEarlyResponse(t *testing.T) {
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		says("HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nlarge")(conn)
		_, _ = io.Copy(io.Discard, conn) // until rota gives up
	}))
	for name, before := range map[string]int{"read while it is sent": 0, "read after all was sent": 8 << 20} {
		t.Run(name, func(t *testing.T) {
			c := r.dial(t)
			c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nhello")
			if _, err := c.Write(make([]byte, before)); err != nil {
				t.Fatalf("the upload is not taken: %v", err)
			}
			response, body := c.answer(t, "POST")
			if response.StatusCode != http.StatusRequestEntityTooLarge || body != "large" {
				t.Errorf("answered %d %q while the upload goes on", response.StatusCode, body)
			}
			c.Write(make([]byte, 1<<20))
			if rest, err := io.ReadAll(c.in); len(rest) > 0 || err != nil {
				t.Errorf("then came %q, %v", rest, err)
			}
		})
	}
	r.finish(t)
	r.blameless(t)
}

// A stream may pause for longer than any write may take, and still ends whole.
func TestAStreamThatPausesBeforeItsEnd(t *testing.T) {
	o := Options{WriteTimeout: 20 * time.Millisecond}
	stalled := newRig(t, Options{}, upstream.Options{Connect: time.Second, Response: 100 * time.Millisecond, Stall: time.Second},
		raw(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }))
	pause := func() { stalled.do(t, "POST", "/", nil) } // 100 ms, in events
	r := newRig(t, o, limits, backend(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
		_ = http.NewResponseController(w).Flush()
		pause()
	}))
	if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 || body != "hello" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
}

// The largest length that there is is a length like others: it does not come
// out as small where something is added to it.
func TestTheLargestLength(t *testing.T) {
	r := newRig(t, Options{}, limits, raw(t, says("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")))
	c := r.dial(t)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n" + strings.Repeat("x", 100<<10))
	if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("answered %d, want 413", response.StatusCode)
	}
}

// Who takes a large piece slowly makes progress, and is not cut: the limit of a
// write is for each wait.
func TestAClientThatReadsSlowly(t *testing.T) {
	r := newRig(t, Options{WriteTimeout: 300 * time.Millisecond, HealthPath: "/health", Health: func() (int, []byte) {
		return 200, make([]byte, 16<<20)
	}}, limits)
	c := r.dial(t)
	c.say("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	total := int64(0)
	for range 20 { // a second, in all
		<-tick.C
		n, err := io.CopyN(io.Discard, c.in, 512<<10)
		if total += n; err != nil {
			t.Fatalf("cut after %d bytes: %v", total, err)
		}
	}
	if n, err := io.Copy(io.Discard, c.in); err != nil || total+n < 16<<20 {
		t.Errorf("got %d bytes, %v", total+n, err)
	}
}
