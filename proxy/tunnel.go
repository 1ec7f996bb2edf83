package proxy

import (
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/socket"
	"github.com/rota-lb/rota/upstream"
)

var errUnasked = errors.New("the backend changes to a protocol that nobody asked for")

// tunnelProbes is how often a tunnel is probed that is silent: nothing else
// would tell of an end that is gone.
const tunnelProbes = 30 * time.Second

// tunnel joins the client with the backend after a 101, byte for byte, until
// the backend or both of them have ended (RFC 9110 §7.8).
func (x *exchange) tunnel() Result {
	if !mayUpgrade(&x.req) || !strings.EqualFold(x.res.Upgrade, x.req.Upgrade) {
		_ = x.endUpload()
		x.dropBackend()
		return Result{Fault: upstream.Malformed, Sent: true, Err: errUnasked}
	}
	x.status, x.started, x.over = x.res.Status, true, true
	to := x.reply(http1.NoBody, 0)
	x.head = appendResponse(x.head[:0], &x.res, &to)
	client, backend := x.conn.Conn, x.backend.Conn
	x.conn.watched.Store(false) // both ends are read from
	for _, end := range [...]*socket.Conn{client, backend} {
		end.LimitRead(0)
		_ = end.KeepAlive(tunnelProbes) // without it an end that is gone is noticed later
	}
	early := x.in.Bytes()[x.size:]
	var up sync.WaitGroup
	up.Go(func() {
		defer x.conn.server.rescue(backend.Interrupt)
		_, err := backend.Write(early)
		if err == nil {
			_, err = pipe(backend, client)
		}
		if err != nil || backend.CloseWrite() != nil {
			backend.Interrupt()
		} // else the backend may have more to say
	})
	if _, err := client.WriteBoth(x.head, x.out.Bytes()); err == nil {
		n, _ := pipe(client, backend) // either end may just stop
		x.written = int64(x.out.Len()) + n
	}
	_ = client.CloseWrite()
	client.EndRead()
	backend.Interrupt()
	up.Wait()
	x.dropBackend()
	return Result{Status: x.status, Sent: true, Started: true}
}

// pipe copies all that comes from one end to the other, and returns how many
// bytes it was.
func pipe(to, from *socket.Conn) (n int64, err error) {
	var buffer socket.Buffer
	defer buffer.Release()
	for {
		err := from.ReadInto(&buffer)
		if err == io.EOF {
			return n, nil
		}
		if err == nil {
			_, err = to.Write(buffer.Bytes())
		}
		if err != nil {
			return n, err
		}
		n += int64(buffer.Len())
		buffer.Empty()
	}
}
