package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/rota-lb/rota/upstream"
)

var (
	errUnasked  = errors.New("the backend changes to a protocol that nobody asked for")
	errStopping = errors.New("rota is stopping")
)

// tunnel joins the client with the backend after a 101, byte for byte, until
// either of them ends (RFC 9110 §7.8).
func (x *exchange) tunnel() Result {
	backend, ok := x.in.Body.(io.ReadWriteCloser)
	if asked := upgrade(x.out.Header); !ok || asked == "" || !x.in.Header.HasToken("Upgrade", asked) {
		return Result{Fault: upstream.Malformed, Sent: true, Err: errUnasked}
	}
	if !x.server.beginTunnel() {
		return x.clientFailed(errStopping)
	}
	defer x.server.tunnels.Done()
	conn, buffered, err := x.control.Hijack()
	if err != nil {
		return x.clientFailed(err)
	}
	defer conn.Close()
	stop := context.AfterFunc(x.server.closing, func() {
		conn.Close()
		backend.Close()
	})
	defer stop()
	x.status = http.StatusSwitchingProtocols
	if err := x.switchProtocols(conn, buffered.Writer); err != nil {
		return x.clientFailed(err)
	}

	var up sync.WaitGroup
	up.Go(func() {
		_, _ = io.Copy(backend, buffered) // either end may just stop
		backend.Close()
	})
	x.written, _ = io.Copy(conn, backend)
	conn.Close()
	up.Wait()
	return Result{Status: x.status, Started: true}
}

func (x *exchange) switchProtocols(conn net.Conn, w *bufio.Writer) error {
	if err := conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	fmt.Fprintf(w, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n", x.in.Header.Get("Upgrade"))
	for _, f := range endToEndFields(x.in.Header) {
		fmt.Fprintf(w, "%s: %s\r\n", f.Name, f.Value)
	}
	fmt.Fprint(w, "\r\n")
	return w.Flush()
}
