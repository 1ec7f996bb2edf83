package proxy

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rota-lb/rota/http1"
)

func fields(lines ...string) http1.Header {
	var h http1.Header
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h = append(h, http1.Field{Name: name, Value: value})
	}
	return h
}

func TestRequestFields(t *testing.T) {
	own := []string{"X-Forwarded-For: 192.0.2.7", "X-Forwarded-Host: example.com", "X-Forwarded-Proto: http", "Via: 1.1 rota"}
	from := client{address: "192.0.2.7:4711", scheme: "http", host: "example.com", proto: "1.1"}
	tests := []struct {
		name string
		in   []string
		want []string // own is added unless the last is a Via
	}{
		{"end-to-end fields stay", []string{"Accept: */*", "Cookie: a=1"}, []string{"Accept: */*", "Cookie: a=1"}},
		{"hop-by-hop fields go", []string{"Connection: close", "Keep-Alive: 5", "Proxy-Connection: x", "TE: gzip",
			"Transfer-Encoding: chunked", "Proxy-Authorization: x", "Trailer: X"}, nil},
		{"so does what Connection names", []string{"Connection: X-Hop, close", "X-Hop: 1", "X-End: 2"}, []string{"X-End: 2"}},
		{"but not what is end-to-end", []string{"Connection: Authorization, Cookie, Host, Content-Length",
			"Authorization: a", "Cookie: b", "Content-Length: 3"}, []string{"Authorization: a", "Cookie: b", "Content-Length: 3"}},
		{"nor our own", []string{"Connection: X-Forwarded-For, Via"}, nil},
		{"forged forwarding is replaced", []string{"X-Forwarded-For: 10.0.0.1", "x-forwarded-proto: https",
			"X-Forwarded-Host: evil", "Forwarded: for=10.0.0.1"}, nil},
		{"trailers are still accepted", []string{"TE: trailers, gzip"}, []string{"Te: trailers", "Connection: TE"}},
		{"a WebSocket handshake passes", []string{"Connection: keep-alive, Upgrade", "Upgrade: websocket"},
			[]string{"Upgrade: websocket", "Connection: Upgrade"}},
		{"h2c does not", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAA"}, nil},
		{"an Upgrade that Connection does not name is none", []string{"Upgrade: websocket"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := requestFields(fields(tt.in...), from), fields(append(slices.Clone(tt.want), own...)...)
			if !slices.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", fmt.Sprint(got), fmt.Sprint(want))
			}
		})
	}
	t.Run("Via is appended to", func(t *testing.T) {
		got := requestFields(fields("Via: 1.0 fred", "X: y", "Via: 1.1 wilma, 1.1 pebbles"), from)
		if via := got.Get("Via"); via != "1.0 fred, 1.1 wilma, 1.1 pebbles, 1.1 rota" {
			t.Errorf("Via reads %q", via)
		}
	})
	t.Run("behind a body there is no upgrade", func(t *testing.T) {
		got := requestFields(fields("Connection: Upgrade", "Upgrade: websocket"), client{body: true})
		if got.Get("Upgrade") != "" || got.Get("Connection") != "" {
			t.Errorf("passed on as %v", got)
		}
	})
	t.Run("IPv6", func(t *testing.T) {
		got := requestFields(nil, client{address: "[2001:db8::1]:80"}).Get("X-Forwarded-For")
		if got != "2001:db8::1" {
			t.Errorf("X-Forwarded-For reads %q", got)
		}
	})
}

// Whatever Connection names, a request keeps what routes and frames it, and no
// hop-by-hop field passes.
func FuzzRequestFields(f *testing.F) {
	f.Add("close, X-Forwarded-For", "X-A", "1")
	f.Add("upgrade", "Upgrade", "websocket")
	f.Fuzz(func(t *testing.T, connection, name, value string) {
		in := http1.Header{{Name: "Connection", Value: connection}, {Name: name, Value: value}, {Name: "Cookie", Value: "c"}}
		out := requestFields(in, client{address: "192.0.2.7:1"})
		if out.Get("X-Forwarded-For") != "192.0.2.7" || out.Get("Cookie") == "" || out.Get("Via") == "" {
			t.Errorf("lost a field: %v", out)
		}
		for _, hop := range []string{"Keep-Alive", "Transfer-Encoding", "Trailer", "Proxy-Connection"} {
			if out.Get(hop) != "" {
				t.Errorf("%s was passed on", hop)
			}
		}
	})
}
