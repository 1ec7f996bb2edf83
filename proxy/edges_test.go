package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

// pauses returns a function that lasts d, in events: a backend is silent, until
// it is given up.
func pauses(t *testing.T, d time.Duration) func() {
	silent := newRig(t, Options{}, upstream.Options{Connect: time.Second, Response: d, Stall: time.Second},
		raw(t, func(conn net.Conn) { _, _ = conn.Read(make([]byte, 1)) }))
	return func() { silent.do(t, "POST", "/", nil) }
}

// The time that a body may take has nothing to do with that of its answer.
func TestALateAnswerToAnUpload(t *testing.T) {
	o := Options{ReadTimeout: 20 * time.Millisecond, IdleTimeout: 5 * time.Second}
	pause := pauses(t, 200*time.Millisecond)
	r := newRig(t, o, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		pause()
		fmt.Fprint(w, "late")
	}))
	c := r.dial(t)
	for range 2 {
		c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
		if response, body := c.answer(t, "POST"); response.StatusCode != 200 || body != "late" {
			t.Fatalf("answered %d %q", response.StatusCode, body)
		}
	}
}

// A request that did not become one is logged as what it was, though its bytes
// have been moved since they were read, and others may be where they were.
func TestWhatIsLoggedOfHeadsThatFail(t *testing.T) {
	const first = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	long := "GET /long HTTP/1.1\r\nHost: x\r\nA: " + strings.Repeat("a", 17<<10)
	for name, request := range map[string]string{
		"too large":            long + strings.Repeat("a", 32<<10) + "\r\n",
		"malformed at the end": long + "\r\nB : b\r\n\r\n",
		"ended in its body":    "GET /long HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			lines := make(chan string, 200)
			l, stop := logTo(t, AccessCombined, lineWriter(lines))
			r := newRig(t, Options{AccessLog: l}, limits, backend(t, ok("")))
			for range 20 {
				c, other := r.dial(t), r.dial(t)
				c.say(first + request[:30])
				c.answer(t, "GET")
				c.say(request[30:])
				other.say("POST /other HTTP/1.1\r\nHost: other\r\nA: " + strings.Repeat("another client's ", 800))
				_ = c.Conn.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				other.Close()
			}
			r.finish(t)
			if err := stop(); err != nil {
				t.Error(err)
			}
			close(lines)
			for some := range lines {
				for line := range strings.Lines(some) {
					if !strings.Contains(line, `"GET / HTTP/1.1"`) && !strings.Contains(line, `"GET /long HTTP/1.1"`) {
						t.Fatalf("logged as %.300q", line)
					}
				}
			}
		})
	}
}

// RFC 9112 §8: a response that lasts until its connection ends is whole only if
// that is a proper end, also where the upload has been the first to see it.
func TestAnEndlessResponseThatIsReset(t *testing.T) {
	reset := make(chan struct{})
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		says("HTTP/1.1 200 OK\r\n\r\n")(conn)
		_ = conn.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)) // rota can take no more by then
		for b := make([]byte, 32<<10); ; {
			if _, err := conn.Write(b); err != nil {
				break
			}
		}
		resets(conn)
		conn.Close()
		close(reset)
	}))
	c := r.dial(t)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
	<-reset
	for range 10 {
		c.say("5\r\nhello\r\n")
	}
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, response.Body); err == nil {
		t.Errorf("a response that was cut off after %d bytes came as a whole", n)
	}
}

// A body that is on its way to a backend that says what nobody understands is
// nobody's any more.
func TestAnUploadIntoATunnelThatNobodyAskedFor(t *testing.T) {
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")(conn)
		_, _ = io.Copy(io.Discard, conn)
	}))
	c := r.dial(t)
	c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
	if response, _ := c.answer(t, "POST"); response.StatusCode != http.StatusBadGateway {
		t.Errorf("answered %d, want 502", response.StatusCode)
	}
	for range 100 { // who reads it? One at most, or the race detector tells
		c.say("5\r\nhello\r\n")
	}
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	c.ended(t)
}

// RFC 9112 §9.2: the next request begins behind the body, also where the backend
// did not take all of that, since it had answered already.
func TestWhatFollowsABodyThatWasNotTaken(t *testing.T) {
	const next = "GET /next HTTP/1.1\r\n"
	for name, u := range map[string]*upload{
		"5\r\nhello\r\n0\r\n\r\n": {framing: http1.Chunked},
		"hello":                   {framing: http1.Sized, left: 5},
	} {
		ours, theirs := net.Pipe()
		ours.Close()
		theirs.Close()
		plain, err := socket.New(ours, socket.NewClock(), time.Second)
		if err != nil {
			t.Fatal(err)
		}
		u.backend = &upstream.Conn{Conn: plain}
		u.buffer.Filled(copy(u.buffer.Room(), name+next))
		if err := u.send(); err == nil || !u.read.Load() {
			t.Errorf("%q was sent on a closed connection: %v, read: %v", name, err, u.read.Load())
		}
		if rest := string(u.buffer.Bytes()); rest != next {
			t.Errorf("behind %q comes %q", name, rest)
		}
	}
}

// RFC 9110 §7.8: a client may have nothing more to say, and the backend still
// much.
func TestATunnelThatIsHalfClosed(t *testing.T) {
	pause := pauses(t, 800*time.Millisecond)
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")(conn)
		question, _ := io.ReadAll(conn)
		pause()
		says("answer to " + string(question))(conn)
	}))
	c := r.dial(t)
	c.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	if response, err := http.ReadResponse(c.in, nil); err != nil || response.StatusCode != 101 {
		t.Fatal(response, err)
	}
	c.say("question")
	_ = c.Conn.(*net.TCPConn).CloseWrite()
	if answer, err := io.ReadAll(c.in); string(answer) != "answer to question" || err != nil {
		t.Errorf("heard %q, %v", answer, err)
	}
}

// What the client does to its request is not the backend's failure, also when
// its response has begun.
func TestABodyThatFailsWithinTheResponse(t *testing.T) {
	for name, rest := range map[string]string{
		"malformed": "zz\r\n",
		"ended":     "",
		"stalled":   "5\r\nhel",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{ReadTimeout: 50 * time.Millisecond}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
				control := http.NewResponseController(w)
				_ = control.EnableFullDuplex()
				fmt.Fprint(w, "hello")
				_ = control.Flush()
				_, _ = io.Copy(io.Discard, r.Body)
			}))
			c := r.dial(t)
			c.say("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
			response, err := http.ReadResponse(c.in, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if c.say(rest); rest == "" {
				_ = c.Conn.(*net.TCPConn).CloseWrite()
			}
			if _, err := io.Copy(io.Discard, response.Body); err == nil {
				t.Error("the response came as a whole")
			}
			r.finish(t)
			r.blameless(t)
		})
	}
}

// A client that is gone when it is to be told something: its doing.
func TestAClientThatLeavesBeforeAnInterimResponse(t *testing.T) {
	for _, interim := range []string{"100 Continue", "103 Early Hints"} {
		t.Run(interim, func(t *testing.T) {
			arrived, gone := make(chan struct{}), make(chan struct{})
			r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
				close(arrived)
				<-gone
				says("HTTP/1.1 " + interim + "\r\n\r\n")(conn)
				_, _ = io.Copy(io.Discard, conn)
			}))
			c := r.dial(t)
			c.say("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
			<-arrived
			resets(c.Conn)
			c.Close()
			close(gone)
			r.finish(t)
			r.blameless(t)
		})
	}
}

// Clients that leave in the middle of something take no memory with them.
func TestMemoryOfClientsThatLeave(t *testing.T) {
	const clients = 200
	r := newRig(t, Options{}, limits, backend(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	for name, length := range map[string]int{"a short body": 60 << 10, "a long body": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range clients {
				c, err := net.Dial("tcp", r.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\nhello", length)
				_ = c.(*net.TCPConn).CloseWrite()
				_, _ = io.Copy(io.Discard, c)
				c.Close()
			}
			runtime.ReadMemStats(&after)
			if n := (after.TotalAlloc - before.TotalAlloc) / clients; n > 96<<10 { // -race makes pools forget one thing in four
				t.Errorf("each client took %d KB", n>>10)
			}
		})
	}
}

// A connection that was cut off while its client had asked for more is not
// touched any more: its descriptor is another's by then.
func TestNothingIsDoneToADescriptorThatIsClosed(t *testing.T) {
	r := newRig(t, Options{}, limits, raw(t, says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")))
	for range 10 {
		c := r.dial(t)
		c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
		_, _ = io.Copy(io.Discard, c.in)
		l, err := net.Listen("tcp", "127.0.0.1:0") // takes the descriptor, most likely
		if err != nil {
			t.Fatal(err)
		}
		runtime.GC() // closes files that nobody has
		runtime.GC()
		other, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatalf("a listener of somebody else's was closed: %v", err)
		}
		other.Close()
		l.Close()
	}
}

// Many connections at once are all accepted, also when no other comes.
func TestAllOfABacklogIsAccepted(t *testing.T) {
	s := onDuty(backend(t, ok("fine")))
	clock := newClock(t)
	u := limits
	u.Clock = clock
	s.Upstream = upstream.New(u)
	server, err := Listen(t.Context(), Options{
		Address: "127.0.0.1:0", Routes: NewTable([]Route{{PathPrefix: "/", Service: s}}, nil), Clock: clock,
		ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, Logger: hclog.NewNullLogger(),
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Server: server}
	var clients []*wire
	for range 200 {
		c := r.dial(t)
		clients = append(clients, c)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	for i, c := range slices.Backward(clients) {
		c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		_ = c.SetDeadline(time.Now().Add(2 * time.Second))
		response, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		response.Body.Close()
	}
	for _, c := range clients {
		c.Close()
	}
	if err := server.Shutdown(t.Context(), atOnce); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	s.Upstream.Close()
}
