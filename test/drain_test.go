package test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// clinging is a backend whose requests last until the test lets them go: /slow
// before it answers, /download in the middle of the answer. /tunnel becomes an
// echo of lines. What else comes is answered at once.
type clinging struct {
	*backend
	arrived chan string // gets the path of each of these
	release chan struct{}

	mu    sync.Mutex
	moved *sync.Cond
	open  map[net.Conn]http.ConnState
}

func startClinging(t *testing.T, name string) *clinging {
	c := &clinging{arrived: make(chan string, 10), release: make(chan struct{}), open: map[net.Conn]http.ConnState{}}
	c.moved = sync.NewCond(&c.mu)
	c.backend = startBackend(t, name, func(s *http.Server) { s.Handler, s.ConnState = c, c.track })
	return c
}

func (c *clinging) track(conn net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[conn] = s; s == http.StateClosed || s == http.StateHijacked {
		delete(c.open, conn)
	}
	c.moved.Broadcast()
}

func (c *clinging) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/tunnel":
		c.echo(w)
		return
	case "/download":
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "the first part")
		_ = http.NewResponseController(w).Flush()
	case "/slow":
	default:
		c.backend.ServeHTTP(w, r)
		return
	}
	c.arrived <- r.URL.Path
	select {
	case <-c.release:
	case <-r.Context().Done():
	}
	fmt.Fprint(w, c.name)
}

func (c *clinging) echo(w http.ResponseWriter) {
	conn, stream, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	c.arrived <- "/tunnel"
	_, _ = io.Copy(conn, stream)
}

// awaitOpen waits until exactly that many connections are open.
func (c *clinging) awaitOpen(t *testing.T, n int) {
	t.Helper()
	alarm := time.AfterFunc(patience, c.moved.Broadcast)
	defer alarm.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for began := time.Now(); len(c.open) != n; c.moved.Wait() {
		if time.Since(began) > patience {
			t.Fatalf("%d connections are open, want %d", len(c.open), n)
		}
	}
}

// drainRig is rota with two clinging backends of which the first is all there
// is until both is called, and the second when it drains.
func drainRig(t *testing.T, body string) (r *rota, old *clinging, both, drain func()) {
	consul := testkit.StartFaultConsul(t)
	old = startClinging(t, "old")
	next := startBackend(t, "next")
	a, b := testkit.Entry("web", "old", "127.0.0.1", old.port), testkit.Entry("web", "next", "127.0.0.1", next.port)
	consul.Script("web", testkit.Instances(10, a))
	// Hedged, a slow request would be answered by the second.
	r = startReadyRota(t, "service \"web\" {\nhedge { attempts = 0 }\n"+body+"\n}\n", "CONSUL_HTTP_ADDR="+consul.Addr())
	both = func() {
		consul.Script("web", testkit.Instances(11, a, b))
		r.await("endpoint serving", "id", "next")
	}
	drain = func() {
		consul.Script("web", testkit.Instances(12, b))
		r.await("endpoint draining", "id", "old", "reasons", "deregistered")
	}
	return r, old, both, drain
}

// answer is what became of a request.
type answer struct {
	status int
	body   string
	err    error
}

// ask sends a GET, and tells what became of it when it is over.
func ask(t *testing.T, url string) <-chan answer {
	over := make(chan answer, 1)
	client := http.Client{Timeout: 2 * patience, Transport: &http.Transport{DisableKeepAlives: true}}
	go func() {
		response, err := client.Get(url)
		if err != nil {
			over <- answer{err: err}
			return
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		over <- answer{response.StatusCode, string(text), err}
	}()
	return over
}

// openTunnel makes a tunnel and returns a function that sends a line and reads
// it back.
func openTunnel(t *testing.T, address string) (echo func(string) error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * patience))
	fmt.Fprintf(conn, "GET /tunnel HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	if response, err := http.ReadResponse(in, nil); err != nil || response.StatusCode != 101 {
		t.Fatalf("no tunnel: %+v %v", response, err)
	}
	return func(line string) error {
		if line != "" {
			fmt.Fprintln(conn, line)
		}
		got, err := in.ReadString('\n')
		if err == nil && got != line+"\n" {
			err = fmt.Errorf("%q came back as %q", line, got)
		}
		return err
	}
}

// A backend that leaves the service has its unused connections closed at once
// and finishes what it has, for as long as that takes. A tunnel stays.
func TestDrainingClosesConnectionsAndFinishesRequests(t *testing.T) {
	r, old, both, drain := drainRig(t, "")
	slow := ask(t, r.url+"/slow")
	<-old.arrived
	echo := openTunnel(t, strings.TrimPrefix(r.url, "http://"))
	<-old.arrived
	if status, body := r.get(r.url); status != 200 || body != "old" {
		t.Fatalf("rota answers %d %q", status, body)
	}
	old.awaitOpen(t, 2)
	both()
	drain()
	old.awaitOpen(t, 1) // of the request that is under way
	if err := echo("still here"); err != nil {
		t.Errorf("the tunnel ended with %v", err)
	}
	close(old.release)
	if got := <-slow; got.status != 200 || got.body != "old" || got.err != nil {
		t.Errorf("the request that was under way ends with %+v", got)
	}
	old.awaitOpen(t, 0)
}

// With drain_timeout, what is still there after it is cut: a request that may be
// done twice is done elsewhere, a response that has begun breaks off, and a
// tunnel ends. Then the backend is forgotten.
func TestDrainTimeout(t *testing.T) {
	r, old, both, drain := drainRig(t, `drain_timeout = "1s"`)
	slow, download := ask(t, r.url+"/slow"), ask(t, r.url+"/download")
	echo := openTunnel(t, strings.TrimPrefix(r.url, "http://"))
	for range 3 {
		<-old.arrived
	}
	both()
	drain()
	began := r.await("endpoint draining", "id", "old").stamp()
	cut := r.await("requests were cut off at drain_timeout", "address", fmt.Sprint(old.port), "connections", "3").stamp()
	if lasted := cut.Sub(began); lasted < time.Second {
		t.Errorf("they were cut off after %v, before their time", lasted)
	}
	if got := <-slow; got.status != 200 || got.body != "next" || got.err != nil {
		t.Errorf("the request that was not answered yet ends with %+v, want the answer of another", got)
	}
	if got := <-download; got.err == nil || got.status == 0 {
		t.Errorf("the response that had begun ends with %+v, want that it breaks off", got)
	}
	if err := echo(""); err == nil {
		t.Error("the tunnel still answers")
	}
	old.awaitOpen(t, 0)
	r.awaitTotal(1)
}
