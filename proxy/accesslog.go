package proxy

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// AccessFormat is the format of an access log.
type AccessFormat string

const (
	// AccessJSON is one JSON object a line.
	AccessJSON AccessFormat = "json"
	// AccessCombined is the Combined Log Format of the Apache server.
	AccessCombined AccessFormat = "combined"
)

// logQueue is how many lines may wait for a slow disk. What comes on top is
// dropped and counted: a log must not be able to stop the traffic.
const logQueue = 16 << 10

// AccessLog writes a line for each request. Requests hand their line over and
// never wait; [AccessLog.Run] does the writing.
type AccessLog struct {
	format  AccessFormat
	out     io.Writer
	lines   chan []byte
	dropped atomic.Uint64
}

// NewAccessLog returns a log that writes to out.
func NewAccessLog(format AccessFormat, out io.Writer) *AccessLog {
	return &AccessLog{format: format, out: out, lines: make(chan []byte, logQueue)}
}

// Run writes what is handed over until ctx is done, then what is left. It
// returns the first error of the writer after which it goes on, without a log.
func (l *AccessLog) Run(ctx context.Context) error {
	w := bufio.NewWriterSize(l.out, 64<<10)
	var failed error
	put := func(line []byte) {
		if _, err := w.Write(line); err != nil {
			failed = l.fail(w, failed, err)
		}
	}
	for {
		select {
		case line := <-l.lines:
			put(line)
		case <-ctx.Done():
			for len(l.lines) > 0 {
				put(<-l.lines)
			}
			return l.fail(w, failed, w.Flush())
		}
		if len(l.lines) == 0 { // nobody waits: let it be seen
			if err := w.Flush(); err != nil {
				failed = l.fail(w, failed, err)
			}
		}
	}
}

// fail counts what the writer could not take, and starts it anew: a disk that
// is full may be emptied.
func (l *AccessLog) fail(w *bufio.Writer, first, err error) error {
	if err == nil {
		return first
	}
	l.dropped.Add(1)
	w.Reset(l.out)
	if first == nil {
		return err
	}
	return first
}

// add hands over the line of a request. It may be called on nil.
func (l *AccessLog) add(x *exchange, j journey, began time.Time, took time.Duration) {
	if l == nil {
		return
	}
	line := l.line(entry(x, j, began, took))
	select {
	case l.lines <- line:
	default:
		l.dropped.Add(1)
	}
}

// accessEntry is what an access log tells of a request.
type accessEntry struct {
	Time      time.Time `json:"time"`
	Client    string    `json:"client"`
	Method    string    `json:"method"`
	Host      string    `json:"host"`
	Target    string    `json:"target"`
	Protocol  string    `json:"protocol"`
	Status    int       `json:"status"`
	Bytes     int64     `json:"bytes"`
	Seconds   float64   `json:"seconds"`
	Service   string    `json:"service"`
	Endpoint  string    `json:"endpoint,omitempty"`
	Attempts  int       `json:"attempts"`
	Fault     string    `json:"fault,omitempty"`
	Referer   string    `json:"referer,omitempty"`
	UserAgent string    `json:"user_agent,omitempty"`
}

// clientLeft is the status that logs show where the client left before it had
// one, as other servers' logs do.
const clientLeft = 499

func entry(x *exchange, j journey, began time.Time, took time.Duration) accessEntry {
	e := accessEntry{
		Time: began, Client: x.r.RemoteAddr, Method: x.r.Method, Host: x.r.Host, Target: x.r.RequestURI,
		Protocol: x.r.Proto, Status: x.status, Bytes: x.written, Seconds: took.Seconds(),
		Service: x.service.Name, Attempts: j.attempts,
		Referer: x.r.Referer(), UserAgent: x.r.UserAgent(),
	}
	if e.Status == 0 {
		e.Status = clientLeft
	}
	if host, _, err := net.SplitHostPort(e.Client); err == nil {
		e.Client = host
	}
	if j.endpoint != nil {
		e.Endpoint = j.endpoint.ID()
	}
	if j.Fault != 0 {
		e.Fault = j.Fault.String()
	}
	return e
}

// line renders an entry. What a client wrote is quoted, so that it can't forge
// a line of its own.
func (l *AccessLog) line(e accessEntry) []byte {
	if l.format == AccessCombined {
		return fmt.Appendf(nil, "%s - - [%s] %s %d %d %s %s\n", e.Client,
			e.Time.Format("02/Jan/2006:15:04:05 -0700"), strconv.Quote(e.Method+" "+e.Target+" "+e.Protocol),
			e.Status, e.Bytes, dash(e.Referer), dash(e.UserAgent))
	}
	line, err := json.Marshal(e)
	if err != nil { // strings, numbers and a time always marshal
		panic(err)
	}
	return append(line, '\n')
}

func dash(s string) string {
	if s == "" {
		return `"-"`
	}
	return strconv.Quote(s)
}

var droppedDesc = prometheus.NewDesc("rota_access_log_dropped_total",
	"Lines of the access log that were lost because writing was too slow or failed.", nil, nil)

// Describe is part of [prometheus.Collector].
func (l *AccessLog) Describe(out chan<- *prometheus.Desc) { out <- droppedDesc }

// Collect is part of [prometheus.Collector].
func (l *AccessLog) Collect(out chan<- prometheus.Metric) {
	out <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(l.dropped.Load()))
}
