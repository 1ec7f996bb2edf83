package test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crowd is clients on connections of their own, and the two backends of a rota
// that is short of something. What is under way waits in the backends until
// release.
type crowd struct {
	t       *testing.T
	rota    *rota
	clients []*member
	config  string
	arrived chan struct{}
	release chan struct{}
}

// member is one of them.
type member struct {
	net.Conn
	in *bufio.Reader
}

func newCrowd(t *testing.T) *crowd {
	c := &crowd{t: t, arrived: make(chan struct{}, 10000), release: make(chan struct{})}
	var urls []string
	for _, name := range []string{"a", "b"} {
		b := startBackend(t, name)
		b.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/wait" {
				c.arrived <- struct{}{}
				<-c.release
			}
			fmt.Fprint(w, name)
		})
		urls = append(urls, fmt.Sprintf("%q", "http://127.0.0.1:"+fmt.Sprint(b.port)))
	}
	// A hedge would arrive as well, and need a descriptor.
	c.config = "service \"web\" {\n  hedge { attempts = 0 }\n  discover \"static\" { urls = [" + strings.Join(urls, ", ") + "] }\n}\n"
	return c
}

// come has n clients connect, each from an address of its own.
func (c *crowd) come(n int) {
	c.t.Helper()
	for range n {
		from := net.IPv4(127, 1, byte(len(c.clients)/250), byte(1+len(c.clients)%250))
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: patience, Control: portOfThePair}
		conn, err := dialer.Dial("tcp", strings.TrimPrefix(c.rota.url, "http://"))
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(2 * patience))
		c.clients = append(c.clients, &member{conn, bufio.NewReader(conn)})
	}
}

// portOfThePair leaves the port to be chosen when it is connected, so that it is
// taken for this pair of addresses alone.
func portOfThePair(_, _ string, raw syscall.RawConn) error {
	const bindAddressNoPort = 24 // of <linux/in.h>
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, bindAddressNoPort, 1)
	}), err)
}

// ask sends a request and returns the status and the body of the answer.
func (m *member) ask(path string) (status int, body string) {
	fmt.Fprintf(m, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	response, err := http.ReadResponse(m.in, nil)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

// rush has these clients ask at once, and holds what arrives until each request
// has arrived or been refused. It returns how many have and were.
func (c *crowd) rush(clients []*member) (arrived, refused int) {
	c.t.Helper()
	var all sync.WaitGroup
	answers := make(chan string, len(clients))
	for _, m := range clients {
		all.Go(func() {
			status, body := m.ask("/wait")
			answers <- fmt.Sprint(status, " ", body)
		})
	}
	for arrived+refused < len(clients) {
		select {
		case <-c.arrived:
			arrived++
		case a := <-answers:
			if !strings.HasPrefix(a, "503 ") || !strings.Contains(a, "out of resources") {
				c.t.Errorf("answered %q", a)
			}
			refused++
		}
	}
	close(c.release)
	all.Wait()
	for range arrived {
		if a := <-answers; a != "200 a" && a != "200 b" {
			c.t.Errorf("what had arrived was answered %q", a)
		}
	}
	return arrived, refused
}

// served asserts that these are served, one after another.
func (c *crowd) served(clients []*member) {
	c.t.Helper()
	for i, m := range clients {
		if status, body := m.ask("/"); status != 200 {
			c.t.Fatalf("client %d of %d was answered %d %s", i, len(clients), status, body)
		}
	}
}

// blameless asserts that nothing was held against the backends.
func (c *crowd) blameless() {
	c.t.Helper()
	if n := c.rota.said("endpoint ejected"); n != 0 {
		c.t.Errorf("endpoints were ejected %d times", n)
	}
	c.rota.counts(2, 2, 0)
}

// Clients have taken the descriptors that they may have: the others wait, those
// who are in are served, and when some leave others get in. It is told once.
func TestDescriptorsUsedUp(t *testing.T) {
	c := newCrowd(t)
	c.rota = startRotaIn(t, []string{"sh", "-c", `ulimit -n 100; exec "$@"`, "sh"}, c.config)
	c.rota.await("few connections fit into the limit", "descriptors", "100")
	c.rota.await("ready")
	c.come(150)
	c.rota.await("new connections have to wait", "@level", "warn")
	c.served(c.clients[:20])
	// Each of these needs a connection of its own.
	if arrived, refused := c.rush(c.clients[:15]); refused != 0 {
		t.Errorf("%d arrived, and %d were refused", arrived, refused)
	}
	for _, m := range c.clients[:120] {
		m.Close()
	}
	c.served(c.clients[120:])
	if n := c.rota.said("new connections have to wait", "@level", "warn"); n != 1 {
		t.Errorf("told %d times", n)
	}
	c.blameless()
}

// All at once need a backend, and there are no descriptors for that: some get
// through, the others 503, at once, and no backend is blamed.
func TestDescriptorsUsedUpByBackends(t *testing.T) {
	c := newCrowd(t)
	c.rota = startRotaIn(t, []string{"sh", "-c", `ulimit -n 100; exec "$@"`, "sh"}, c.config)
	c.rota.await("ready")
	c.come(50)
	c.served(c.clients)
	arrived, refused := c.rush(c.clients)
	t.Logf("%d arrived, %d were refused", arrived, refused)
	if arrived < 25 || refused == 0 {
		t.Errorf("%d arrived, and %d were refused", arrived, refused)
	}
	c.served(c.clients)
	c.blameless()
}

// What the hard limit allows, rota takes.
func TestTheLimitOfDescriptorsIsRaised(t *testing.T) {
	c := newCrowd(t)
	c.rota = startRotaIn(t, []string{"sh", "-c", `ulimit -Sn 60; exec "$@"`, "sh"}, c.config)
	c.rota.await("ready")
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.rota.cmd.Process.Pid))
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "Max open files") {
			continue
		}
		f := strings.Fields(line)
		soft, err1 := strconv.Atoi(f[3])
		hard, err2 := strconv.Atoi(f[4])
		if err1 != nil || err2 != nil || soft < hard-1 { // Go's runtime leaves one
			t.Errorf("the limits are %q", line)
		}
	}
}
