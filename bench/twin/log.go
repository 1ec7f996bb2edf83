package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// flushEvery is how long a line may wait before it is written, as with nginx.
const flushEvery = time.Second

// accessLog gathers lines, so that a write to the file is for many of them.
type accessLog struct {
	mu  sync.Mutex
	out *bufio.Writer
}

func newLog(out io.Writer) *accessLog { return &accessLog{out: bufio.NewWriterSize(out, 64<<10)} }

// run writes what has gathered, now and then and when ctx is done.
func (l *accessLog) run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := l.flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return l.flush()
		}
	}
}

func (l *accessLog) flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Flush()
}

// logged adds a line for each request, in the combined format.
func (l *accessLog) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &counter{ResponseWriter: w}
		next.ServeHTTP(c, r)
		client, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			client = r.RemoteAddr
		}
		line := fmt.Appendf(nil, "%s - - [%s] %s %d %d %s %s\n", client,
			began.Format("02/Jan/2006:15:04:05 -0700"), strconv.Quote(r.Method+" "+r.RequestURI+" "+r.Proto),
			c.status, c.bytes, quoted(r.Referer()), quoted(r.UserAgent()))
		l.mu.Lock()
		defer l.mu.Unlock()
		l.out.Write(line) // an error stays, and the next flush tells of it
	})
}

func quoted(s string) string {
	if s == "" {
		return `"-"`
	}
	return strconv.Quote(s)
}
