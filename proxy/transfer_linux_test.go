package proxy

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"syscall"
	"testing"
)

// Where there is no descriptor left for a pipe, a large body is copied, and nobody
// is to blame.
func TestALargeBodyWithoutDescriptors(t *testing.T) {
	want := make([]byte, 4<<20)
	_, _ = io.ReadFull(noise(), want)
	asked, answer := make(chan struct{}), make(chan struct{})
	r := newRig(t, Options{}, limits, raw(t, func(conn net.Conn) {
		close(asked)
		<-answer
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(want))
		_, _ = conn.Write(want)
	}))
	c := r.dial(t)
	c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-asked
	for range 3 { // until nobody has kept a pipe
		runtime.GC()
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) }()
	close(answer)
	_, body := c.answer(t, "GET")
	if body != string(want) {
		t.Errorf("%d bytes of %d came, or others", len(body), len(want))
	}
	r.finish(t)
	r.blameless(t)
}
