package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/socket"
)

const withoutConsul = "consul { address = \"127.0.0.1:1\" }\nservice \"away\" {\n  discover \"consul\" { name = \"away\" }\n}\n"

// Ready is a promise: by then the ports are open and the services serve.
func TestReadyComesLast(t *testing.T) {
	r := start(t, addresses+fixed(t, "web", says("web")))
	r.log.await(t, "ready\n")
	text := r.log.String()
	ready := strings.Index(text, "ready\n")
	for _, before := range []string{"endpoint serving: service=web", "admin listening: address=127.0.0.1:", "listening: listener=http address=127.0.0.1:"} {
		if i := strings.Index(text, before); i < 0 || i > ready {
			t.Errorf("ready before %q:\n%s", before, text)
		}
	}
	if code, out := r.healthcheck(); code != exitDone || out != "" {
		t.Errorf("healthcheck exits with %d %q", code, out)
	}
}

// Without Consul, what does not need it is served, and it is said what waits.
func TestConsulIsUnreachableAtTheStart(t *testing.T) {
	r := start(t, addresses+withoutConsul+fixed(t, "web", says("web"))+
		"route { service = \"web\" }\nroute {\n  path_prefix = \"/away\"\n  service = \"away\"\n}\n")
	tests := []struct {
		url    string
		status int
		body   []string // parts of it
	}{
		{r.url, 200, []string{"web"}},
		{r.url + "/away", 503, []string{"no backend is on duty"}},
		{r.url + "/health", 503, []string{`{"total":1,"alive":1,"dead":0,`, `"service":"away","source":"consul","age_ms":null,"fresh":false,"error":`}},
		{r.admin + "/health/live", 200, []string{"alive\n"}},
		{r.admin + "/health/ready", 503, []string{"not ready\nstarting\nservice \"away\": no answer from consul yet: ", "connection refused"}},
	}
	for _, tt := range tests {
		status, body := r.get(tt.url)
		for _, part := range tt.body {
			if status != tt.status || !strings.Contains(body, part) {
				t.Errorf("%s: %d %s, want %d with %q", tt.url, status, body, tt.status, part)
			}
		}
	}
	if code, out := r.healthcheck(); code != exitFailed || !strings.HasPrefix(out, "not ready\nstarting\nservice \"away\": ") {
		t.Errorf("healthcheck exits with %d %q", code, out)
	}
	r.end(nil)
	if text := r.log.String(); strings.Contains(text, "ready\n") {
		t.Errorf("ready was logged:\n%s", text)
	}
}

// healthcheck is what a container asks: 0 is ready, 1 is not, and why.
func (r *running) healthcheck() (code int, out string) {
	defer http.DefaultClient.CloseIdleConnections()
	var text bytes.Buffer
	code = command([]string{"healthcheck", "--admin", r.admin}, &text, &text)
	return code, text.String()
}

// Whoever can't have an address is told what to do about it.
func TestListenError(t *testing.T) {
	refused := func(errno syscall.Errno) error {
		return fmt.Errorf("web: %w", &net.OpError{Op: "listen", Err: errno})
	}
	tests := []struct {
		err  error
		want string
	}{
		{refused(syscall.EADDRINUSE), "admin: :80 is taken by another process; stop that or choose another address"},
		{refused(syscall.EACCES), "admin: no permission to listen on :80; choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"},
		{refused(syscall.EMFILE), fmt.Sprintf("admin: out of descriptors: this process may have only %d; raise the limit of open files (ulimit -n, or LimitNOFILE in systemd)", socket.Descriptors())},
		{errors.New("no such host"), "admin: no such host"},
	}
	for _, tt := range tests {
		if got := listenError("admin", ":80", new(stage), tt.err).Error(); got != tt.want {
			t.Errorf("%v is told as %q, want %q", tt.err, got, tt.want)
		}
	}
}

func TestLogFormats(t *testing.T) {
	tests := []struct {
		form config.Log
		want string // a part of it
	}{
		{config.Log{Level: "info", Format: "text"}, "[INFO]  rota: hello: id=a\n"},
		{config.Log{Level: "info", Format: "json"}, `"@level":"info","@message":"hello","@module":"rota",`},
		{config.Log{Level: "warn", Format: "text"}, ""},
		{config.Log{Level: "error", Format: "json"}, ""},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		newLogs(tt.form, &out).Info("hello", "id", "a")
		if got := out.String(); !strings.Contains(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%+v logs %q, want %q", tt.form, got, tt.want)
		}
	}
}

// net/http tells of odd backends in the standard log. It must not spoil ours.
func TestTheStandardLogIsOurs(t *testing.T) {
	defer log.SetFlags(log.Flags())
	defer log.SetOutput(log.Writer())
	var out bytes.Buffer
	adoptStandardLog(newLogs(config.Log{Level: "debug", Format: "json"}, &out))
	log.Print("hello")
	if got := out.String(); !strings.Contains(got, `"@level":"debug","@message":"hello"`) {
		t.Errorf("logged as %s", got)
	}
}
