package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// dial connects to the listener.
func (r *running) dial() net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// A tunnel is under way like any request: it is not cut as long as there is
// time.
func TestAStopLetsATunnelEnd(t *testing.T) {
	r := start(t, addresses+fixed(t, "web", func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = io.Copy(conn, buffered)
	}))
	conn := r.dial()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	if response, err := http.ReadResponse(in, nil); err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake ended with %v, %v", response, err)
	}
	r.stop()
	r.log.await(t, "stopping")
	for range 100 {
		fmt.Fprintln(conn, "hello")
		if line, err := in.ReadString('\n'); line != "hello\n" {
			t.Fatalf("the tunnel was cut: %q, %v", line, err)
		}
	}
	conn.Close()
	r.end(nil)
	if log := r.log.String(); strings.Contains(log, "cut off") {
		t.Errorf("something was cut off:\n%s", log)
	}
}

// Nobody new is let in while those who are in finish, and afterwards nobody is
// left to ask.
func TestAStopLetsNobodyIn(t *testing.T) {
	arrived := make(chan struct{})
	r := start(t, addresses+fixed(t, "web", func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	inside := r.dial()
	fmt.Fprint(inside, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-arrived
	r.stop()
	for {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
	}
	if status, body := r.get(r.admin + "/health"); status != 200 || !strings.HasPrefix(body, `{"total":1,"alive":1,`) {
		t.Errorf("while stopping, /health says %d %s", status, body)
	}
	inside.Close()
	r.end(nil)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(r.admin, "http://")); err == nil {
		conn.Close()
		t.Error("admin is open after the end")
	}
}

// A shutdown_timeout of nothing waits for nothing.
func TestAStopThatDoesNotWait(t *testing.T) {
	arrived := make(chan struct{})
	r := start(t, "shutdown_timeout = \"0s\"\n"+addresses+fixed(t, "web", func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	conn := r.dial()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-arrived
	r.end(nil)
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the request under way was answered")
	}
}

// A stop before anything has begun is a stop, too.
func TestAStopAtOnce(t *testing.T) {
	r := launch(t, addresses+withoutConsul)
	r.end(nil)
	if log := r.log.String(); strings.Contains(log, "ready\n") || !strings.Contains(log, "stopping") {
		t.Errorf("the log says\n%s", log)
	}
}
