package proxy

import (
	"bytes"
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

// logBatch is how much is written at once, more or less, in bytes.
const logBatch = 64 << 10

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

// Run writes what is handed over until ctx is done, then what is left. It goes
// on after an error of the writer, without the lines that it cost: a disk that
// is full may be emptied. It returns the first such error.
func (l *AccessLog) Run(ctx context.Context) error {
	var first error
	var cut bool
	batch := make([]byte, 0, logBatch)
	flush := func() {
		if len(batch) == 0 {
			return
		}
		var err error
		if cut, err = l.write(batch, cut); first == nil {
			first = err
		}
		batch = batch[:0]
	}
	for {
		select {
		case line := <-l.lines:
			batch = append(batch, line...)
		case <-ctx.Done():
			for len(l.lines) > 0 {
				batch = append(batch, <-l.lines...)
			}
			flush()
			return first
		}
		if len(l.lines) == 0 || len(batch) >= logBatch { // nobody waits: let it be seen
			flush()
		}
	}
}

// write writes whole lines, after an end of the one that an error has cut off.
// It counts those that the writer does not take whole, and reports whether it
// has cut one off itself.
func (l *AccessLog) write(batch []byte, cut bool) (bool, error) {
	newline := []byte("\n")
	n, err := 0, error(nil)
	if cut {
		_, err = l.out.Write(newline)
	}
	if err == nil {
		cut = false
		n, err = l.out.Write(batch)
	}
	l.dropped.Add(uint64(bytes.Count(batch[n:], newline)))
	return cut || n > 0 && batch[n-1] != '\n', err
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
