package admin

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"
)

// told is a listener that tells of each connection that it has accepted, and of
// being closed.
type told struct {
	net.Listener
	accepted, closed chan struct{}
	once             sync.Once
}

func (l *told) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- struct{}{}
	}
	return c, err
}

func (l *told) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// Who has connected before admin closes is answered, though the request comes
// after that: during an upgrade nobody is to find rota gone.
func TestShutdownAnswersWhoHasConnected(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &told{Listener: inner, accepted: make(chan struct{}, 1), closed: make(chan struct{})}
	s, err := Listen(t.Context(), Options{Listener: l, Waiting: ready, Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	<-l.accepted
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	shut := make(chan struct{})
	go func() { defer close(shut); s.Shutdown(ctx) }()
	<-l.closed
	fmt.Fprint(conn, "GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || !response.Close {
		t.Errorf("answered %d, and the connection is to close: %v", response.StatusCode, response.Close)
	}
	<-shut
	if ctx.Err() != nil {
		t.Error("the shutdown waited though everybody had been answered")
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
