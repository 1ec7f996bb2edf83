package test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// backend is a backend in the test's own process, so that the test knows
// exactly which request came when.
type backend struct {
	name   string
	port   int
	server *http.Server
	first  chan time.Time // gets the time of the first request
	last   atomic.Int64   // time of the last request, in nanoseconds
	count  atomic.Int64
}

// startBackend starts one; prepare may change its server before.
func startBackend(t *testing.T, name string, prepare ...func(*http.Server)) *backend {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &backend{name: name, port: l.Addr().(*net.TCPAddr).Port, first: make(chan time.Time, 1)}
	b.server = &http.Server{Handler: b}
	for _, p := range prepare {
		p(b.server)
	}
	served := make(chan error, 1)
	go func() { served <- b.server.Serve(l) }()
	t.Cleanup(func() { b.server.Close(); <-served })
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	b.last.Store(now.UnixNano())
	if b.count.Add(1) == 1 {
		b.first <- now
	}
	_, _ = io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, b.name)
}

func (b *backend) lastRequest() time.Time { return time.Unix(0, b.last.Load()) }

// retire stops the backend as a good one does: some time after it has left the
// service it closes its door and finishes what it has.
func (b *backend) retire(after time.Duration, done func()) {
	time.AfterFunc(after, func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.server.Shutdown(ctx)
		done()
	})
}

func register(c *testkit.Consul, name string, port int) {
	c.Register(&api.AgentServiceRegistration{ID: name, Name: "web", Address: "127.0.0.1", Port: port})
}

// startRegistered starts backends named web-1, web-2 and so on.
func startRegistered(t *testing.T, c *testkit.Consul, n int) []*backend {
	t.Helper()
	backends := make([]*backend, n)
	for i := range backends {
		backends[i] = startBackend(t, fmt.Sprintf("web-%d", i+1))
		register(c, backends[i].name, backends[i].port)
	}
	return backends
}

// backendProcess names the variable that makes this test binary a backend.
const backendProcess = "ROTA_TEST_BACKEND"

// process is a backend in a process of its own, which can be killed.
type process struct {
	name string
	port int
	cmd  *exec.Cmd
}

func startProcess(t *testing.T, name string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), backendProcess+"="+name)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{name: name, cmd: cmd}
	t.Cleanup(p.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the backend never told its port: %v", err)
	}
	if p.port, err = strconv.Atoi(line[:len(line)-1]); err != nil {
		t.Fatal(err)
	}
	return p
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may be dead already
	_ = p.cmd.Wait()
}

// serveAs is the life of such a process; it ends with a signal.
func serveAs(name string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, name) })))
}
