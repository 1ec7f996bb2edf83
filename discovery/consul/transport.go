package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// connectLimit is how long connecting to one IP address may take. It is
	// short because a try that began while Consul was unreachable must not
	// outlast the outage: with the longest pause between tries it makes a
	// second.
	connectLimit = 500 * time.Millisecond
	// errorLimit is how much is read of an answer that is an error, in bytes.
	errorLimit = 64 << 10
)

// Errors of an answer that is not believed, whatever it says.
var (
	errTooLarge = fmt.Errorf("the answer has more than %d MiB", answerLimit>>20)
	errNoIndex  = errors.New("the answer has no X-Consul-Index")
)

// tune sets what every connection to Consul has in common.
func tune(t *http.Transport) {
	// Between two requests a source's connection is idle, if only for an
	// instant. An agent allows a client 200 of them.
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 200, 200
	// To compress and to decompress takes several times as long as to decode,
	// and an agent is as a rule on the same machine.
	t.DisableCompression = true
	// Over TLS the sources share an HTTP/2 connection, and no request's
	// deadline closes it. Pings find out when it has died.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 3 * time.Second}
}

// dialer finds out within seconds that the other side is gone, also while a
// request waits for its answer and nothing is sent.
var dialer = net.Dialer{
	Timeout:         connectLimit,
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 2},
}

// dial connects to the first of the host's addresses that takes the connection.
// The name is looked up apart, since a resolver whose first server is down
// needs more time than connecting may take.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return dialer.DialContext(ctx, network, addr)
	}
	ips, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, ip := range ips {
		var conn net.Conn
		conn, err = dialer.DialContext(ctx, network, net.JoinHostPort(ip, port))
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// dialUnix returns a dial function that goes to a socket whatever the address.
func dialUnix(path string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", path)
	}
}

// bodyKey is the key in a request's context of an [io.ReadCloser] that takes the
// body of a good answer. The library decodes whole bodies, each time into new
// memory, and would spend most of the time between a change and its
// announcement on it; it gets to see null instead.
type bodyKey struct{}

// guard lets only such answers through as the client library can be trusted
// with: it reads bodies of any size and ignores headers that it can't parse.
type guard struct {
	next  http.RoundTripper
	limit int64
}

// RoundTrip implements [http.RoundTripper].
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := g.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body = &limited{ReadCloser: resp.Body, left: errorLimit}
		return resp, nil
	}
	resp.Body = &limited{ReadCloser: resp.Body, left: g.limit}
	if strings.HasSuffix(r.URL.Path, "/v1/status/leader") {
		return resp, nil // says nothing of instances
	}
	// Without an index it is not Consul that answered.
	if _, err := strconv.ParseUint(resp.Header.Get("X-Consul-Index"), 10, 64); err != nil {
		resp.Body.Close()
		return nil, errNoIndex
	}
	// The library stops reading headers at this one if it is missing, before
	// those that say whether the answer is complete.
	if _, err := strconv.ParseUint(resp.Header.Get("X-Consul-LastContact"), 10, 64); err != nil {
		resp.Header.Set("X-Consul-LastContact", "0")
	}
	if body, ok := r.Context().Value(bodyKey{}).(*io.ReadCloser); ok {
		*body, resp.Body = resp.Body, io.NopCloser(strings.NewReader("null"))
	}
	return resp, nil
}

// limited is a body that fails once more than left bytes have been read.
type limited struct {
	io.ReadCloser
	left int64
}

// Read implements [io.Reader].
func (l *limited) Read(p []byte) (int, error) {
	if l.left < 0 {
		return 0, errTooLarge
	}
	// One byte more than is left tells "at the limit" from "over it".
	n, err := l.ReadCloser.Read(p[:min(int64(len(p)), l.left+1)])
	l.left -= int64(n)
	if l.left < 0 {
		return n, errTooLarge
	}
	return n, err
}
