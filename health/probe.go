package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

const (
	// maxBody is how much of an answer's body is read, maxHead how large its
	// head may be, both in bytes. A health page is small, and what is not must
	// not cost us memory.
	maxBody = 4 << 10
	maxHead = 64 << 10

	userAgent = "rota-health-check"
)

// prober returns the check that s asks for.
func (s Spec) prober() prober {
	if s.Path == "" {
		return s.probeTCP
	}
	return s.probeHTTP
}

// probeTCP passes when address accepts a connection.
func (s Spec) probeTCP(ctx context.Context, address string) error {
	conn, err := s.dial(ctx, address)
	if err != nil {
		return err
	}
	conn.Close()
	return nil
}

// probeHTTP passes when a GET of the path is answered with an expected status,
// and with as much of the body as is looked at. A redirect is a status like any
// other: following it could ask another server.
func (s Spec) probeHTTP(ctx context.Context, address string) error {
	// A path from outside must not run into the port.
	url := "http://" + address + "/" + strings.TrimPrefix(s.Path, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return brief(err, s.Timeout)
	}
	req.Host = s.Host
	req.Header.Set("User-Agent", userAgent)

	conn, err := s.dial(ctx, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	return brief(s.exchange(req, conn), s.Timeout)
}

// exchange judges the answer to req on conn.
func (s Spec) exchange(req *http.Request, conn net.Conn) error {
	// A transport lets its dials outlive the request, for the sake of the next
	// one. A check wants neither that nor a pool, so the transport gets a
	// connection that is there already, and lives as long as it.
	transport := &http.Transport{
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHead,
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if expected := s.expected(); !expected.contain(res.StatusCode) {
		return fmt.Errorf("status %d, want %v", res.StatusCode, expected)
	}
	if _, err := io.CopyN(io.Discard, res.Body, maxBody); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// dial connects to address.
func (s Spec) dial(ctx context.Context, address string) (net.Conn, error) {
	dialer := net.Dialer{KeepAlive: -1} // the connection does not live that long
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, brief(err, s.Timeout)
	}
	return conn, nil
}
