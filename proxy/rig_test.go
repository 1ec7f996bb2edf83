package proxy

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"go.uber.org/goleak"

	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limits are short enough to wait for; only the tests of a limit come near it.
var limits = upstream.Options{Connect: 5 * time.Second, Response: 5 * time.Second, Stall: 5 * time.Second}

// atOnce is done, for a stop that nobody has time for.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// rig is a server in front of backends, with a client.
type rig struct {
	*Server
	url     string
	client  *http.Client
	service *Service
}

// newRig serves the given backends, tried in order.
func newRig(t *testing.T, o Options, u upstream.Options, backends ...string) *rig {
	t.Helper()
	return newRigOf(t, o, u, onDuty(backends...))
}

// newRigOf serves a service.
func newRigOf(t *testing.T, o Options, u upstream.Options, s *Service) *rig {
	t.Helper()
	clock := newClock(t)
	u.Clock, o.Clock = clock, clock
	s.Upstream = upstream.New(u)
	if o.Routes == nil {
		o.Routes = NewTable([]Route{{PathPrefix: "/", Service: s}}, nil)
	}
	o.Address = "127.0.0.1:0"
	if o.Logger == nil {
		o.Logger = hclog.New(&hclog.LoggerOptions{Level: hclog.Error})
	}
	o.ReadTimeout, o.WriteTimeout = cmp.Or(o.ReadTimeout, 5*time.Second), cmp.Or(o.WriteTimeout, 5*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, time.Minute)
	server, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve() }()
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx, atOnce); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		s.Upstream.Close()
	})
	return &rig{Server: server, url: "http://" + server.Addr().String(), service: s, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// newClock returns a clock that runs as long as the test.
func newClock(t *testing.T) *socket.Clock {
	clock := socket.NewClock()
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	go func() { defer close(stopped); clock.Run(ctx) }()
	t.Cleanup(func() { stop(); <-stopped })
	return clock
}

// do sends a request and returns the response with its whole body.
func (r *rig) do(t *testing.T, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, r.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		request.Header.Add(name, value)
	}
	response, err := r.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(text)
}

// backend starts a real HTTP backend and returns its address.
func backend(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// raw starts a backend that takes one connection after another, reads the head
// of a request, and leaves the rest to answer.
func raw(t *testing.T, answer func(conn net.Conn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
			}
			answer(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-stopped })
	return l.Addr().String()
}

// says returns an answer of fixed bytes, after which the connection closes.
func says(text string) func(net.Conn) {
	return func(conn net.Conn) { _, _ = io.WriteString(conn, text) }
}

// resets ends the connection with a RST.
func resets(conn net.Conn) { _ = conn.(*net.TCPConn).SetLinger(0) }

// dead is an address where nobody listens. A free port would not do: the next
// backend of a test might get it.
const dead = "127.0.0.1:1"

func ok(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) }
}

// wire is a client that says exactly what a test has it say.
type wire struct {
	net.Conn
	in *bufio.Reader
}

func (r *rig) dial(t *testing.T) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	// A test that waits for what never comes fails, it does not hang.
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wire{conn, bufio.NewReader(conn)}
}

func (w *wire) say(text string) { _, _ = io.WriteString(w.Conn, text) }

// answer reads a response to a request of the given method, with its body.
func (w *wire) answer(t *testing.T, method string) (*http.Response, string) {
	t.Helper()
	response, err := http.ReadResponse(w.in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

// ended fails the test unless the server closes the connection.
func (w *wire) ended(t *testing.T) {
	t.Helper()
	var late net.Error
	if n, err := io.Copy(io.Discard, w.in); n > 0 || errors.As(err, &late) && late.Timeout() {
		t.Errorf("the connection goes on: %d bytes, %v", n, err)
	}
}

// finish lets what is under way end, so that it has been counted and logged.
func (r *rig) finish(t *testing.T) {
	t.Helper()
	if err := r.Shutdown(t.Context(), atOnce); err != nil {
		t.Fatal(err)
	}
}

// blameless fails the test if one of the service's endpoints has a failure, or
// something in flight, to its name.
func (r *rig) blameless(t *testing.T) {
	t.Helper()
	for m := range r.service.Duty.Pool().Members() {
		if _, failures := m.Endpoint.Totals(); failures != 0 || m.Endpoint.InFlight() != 0 {
			t.Errorf("%s has %d failures and %d in flight", m.Endpoint.ID(), failures, m.Endpoint.InFlight())
		}
	}
}
