package consul

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestExplain(t *testing.T) {
	refused := &net.OpError{
		Op: "read", Net: "tcp", Err: syscall.ECONNRESET,
		Source: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 43210},
		Addr:   &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8500},
	}
	get := func(err error) error {
		return &url.Error{Op: "Get", URL: "http://127.0.0.1:8500/v1/health/service/web?index=7&stale=", Err: err}
	}
	read := func(body string) error {
		_, err := newReader(Watch{}).read(strings.NewReader(body), false)
		return err
	}
	const rules = `grant it service "web" { policy = "read" } and node_prefix "" { policy = "read" }`
	for _, tt := range []struct {
		err  error
		want string
	}{
		{api.StatusError{Code: 403, Body: "Permission denied:\n no"}, "access denied by Consul (403: Permission denied: no); if the token is right, " + rules},
		{api.StatusError{Code: 429, Body: "Your IP is issuing too many concurrent connections"}, "rate limited by Consul (429: Your IP is issuing too many concurrent connections)"},
		{api.StatusError{Code: 500, Body: "No cluster leader"}, "status 500 from Consul: No cluster leader"},
		{api.StatusError{Code: 502, Body: strings.Repeat("<p>", 1<<20)}, "status 502 from Consul: " + strings.Repeat("<p>", 66) + "<p…"},
		{get(refused), "no connection to Consul: read tcp 127.0.0.1:8500: connection reset by peer"},
		{get(fmt.Errorf("proxy: %w", refused)), "no connection to Consul: read tcp 127.0.0.1:8500: connection reset by peer"},
		{get(errNoIndex), "the answer is not one of Consul's: the answer has no X-Consul-Index; check its address"},
		{get(io.EOF), "the answer was cut off: EOF"},
		{io.ErrUnexpectedEOF, "the answer was cut off: unexpected EOF"},
		{read("<html>"), "the answer is not one of Consul's: invalid character '<' at start of value"},
		{read("[{\"Node\":7}]"), "the answer is not one of Consul's: it has a wrong value at /Node"},
		{read("null"), "the answer is not one of Consul's: it is not a list but null"},
		{read("[null]"), "the answer is not one of Consul's: an instance without node or service in it"},
		{read("[] []"), "the answer is not one of Consul's: something follows the list"},
		{read("["), "the answer was cut off: unexpected EOF"},
		{fmt.Errorf("reading: %w", errTooLarge), "the answer has more than 64 MiB"},
		{errors.New("anything else"), "anything else"},
	} {
		if got := explain(tt.err, "web").Error(); got != tt.want {
			t.Errorf("%v is explained as\n%q, want\n%q", tt.err, got, tt.want)
		}
	}
	if !errors.Is(explain(get(refused), "web"), syscall.ECONNRESET) {
		t.Error("the cause is lost in the explanation")
	}
	if refused.Source == nil {
		t.Error("explaining has changed the error")
	}
}
