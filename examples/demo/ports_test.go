package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var defaults = ports{http: 8080, admin: 9080, consul: 8500, backend: 8081}

// freePorts finds ports for a whole demo that nobody has just now.
func freePorts(t *testing.T) ports {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		base := l.Addr().(*net.TCPAddr).Port
		l.Close()
		p := ports{http: base, admin: base + 1, consul: base + 2, backend: base + 3}
		if p.check() == nil {
			return p
		}
	}
	t.Fatal("no six free ports in a row")
	return ports{}
}

func TestParsePorts(t *testing.T) {
	tests := []struct {
		args string
		want ports
		ok   bool
	}{
		{"", defaults, true},
		{"--port 1 --admin-port 2 --consul-port 3 --backend-port 4", ports{1, 2, 3, 4}, true},
		{"--port x", ports{}, false},
		{"--ports 1", ports{}, false},
		{"8090", ports{}, false},
		{"--port 0", ports{}, false},
		{"--admin-port -1", ports{}, false},
		{"--consul-port 65535", ports{8080, 9080, 65535, 8081}, true},
		{"--consul-port 65536", ports{}, false},
		{"--backend-port 65533", ports{8080, 9080, 8500, 65533}, true},
		{"--backend-port 65534", ports{}, false},
	}
	for _, tt := range tests {
		var told strings.Builder
		got, err := parsePorts(strings.Fields(tt.args), &told)
		if (err == nil) != tt.ok || tt.ok && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.args, got, err)
		}
		if !tt.ok && told.Len() == 0 {
			t.Errorf("%q: refused without a word", tt.args)
		}
	}
}

// Each port that somebody else has is named, with whom it was for and how to
// take another.
func TestTakenPorts(t *testing.T) {
	free := freePorts(t)
	tests := []struct {
		port        int
		owner, flag string
	}{
		{free.http, "rota", "--port"},
		{free.admin, "rota's admin pages", "--admin-port"},
		{free.consul, "Consul", "--consul-port"},
		{free.backend, "web-1", "--backend-port"},
		{free.backend + 2, "web-3", "--backend-port"},
	}
	for _, tt := range tests {
		l, err := net.Listen("tcp", loopback(tt.port))
		if err != nil {
			t.Fatal(err)
		}
		err = free.check()
		want := fmt.Sprintf("port %d, for %s, can't be had: bind: address already in use\n", tt.port, tt.owner)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Fatalf("got %v\nwant %s", err, want)
		}
		checkAdvice(t, err, free, tt.flag)
		l.Close()
	}
	if err := free.check(); err != nil {
		t.Errorf("the check keeps ports to itself: %v", err)
	}
}

// checkAdvice checks that an error of check ends in one command that would
// work, and that moves nothing but what this flag does.
func checkAdvice(t *testing.T, err error, from ports, flag string) {
	t.Helper()
	_, quoted, _ := strings.Cut(err.Error(), "make demo ARGS=")
	args, unquoteErr := strconv.Unquote(quoted)
	if unquoteErr != nil {
		t.Fatalf("no command at the end of: %v", err)
	}
	to, parseErr := parsePorts(strings.Fields(args), io.Discard)
	if err := errors.Join(parseErr, to.check()); err != nil {
		t.Errorf("advised of %q: %v", args, err)
	}
	for i, f := range to.flags() {
		if moved := *f.port != *from.flags()[i].port; moved != (f.flag == flag) {
			t.Errorf("advised of %q: want another %s and the rest as it was", args, flag)
		}
	}
}

// Where there is nothing above, nothing is advised.
func TestNoAdvice(t *testing.T) {
	p := freePorts(t)
	p.admin, p.http = 65530, 65530
	err := p.check()
	if err == nil || strings.Contains(err.Error(), "make demo") {
		t.Errorf("got %v, want the trouble alone", err)
	}
}

func TestAllTakenPortsAtOnce(t *testing.T) {
	p := freePorts(t)
	for _, port := range []int{p.http, p.backend + 1} {
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	err := p.check()
	if err == nil || strings.Count(err.Error(), "already in use") != 2 {
		t.Errorf("got %v, want two ports", err)
	}
	if strings.Count(err.Error(), "make demo") != 1 {
		t.Errorf("got %v, want one command", err)
	}
}

func TestPortWantedTwice(t *testing.T) {
	p := freePorts(t)
	p.consul = p.backend + 1
	want := fmt.Sprintf("port %d is wanted twice: give web-2 another with --backend-port\n", p.consul)
	if err := p.check(); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Whatever Consul the user works with by day, the demo must not touch it.
func TestEnvironment(t *testing.T) {
	base := []string{"PATH=/bin", "CONSUL_HTTP_ADDR=consul.example:8500", "CONSUL_HTTP_TOKEN=secret",
		"ROTA_ADMIN_ADDRESS=:1", "BACKEND_ID=mine", "CONSULTANT=yes"}
	got := defaults.environment(base)
	want := []string{"PATH=/bin", "CONSULTANT=yes", "CONSUL_HTTP_ADDR=127.0.0.1:8500", "ROTA_ADMIN_ADDRESS=127.0.0.1:9080"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if base[1] != "CONSUL_HTTP_ADDR=consul.example:8500" {
		t.Error("it changed what it was given")
	}
}

// Beside its API, Consul must take no fixed port: another may run here.
func TestConsulArgs(t *testing.T) {
	args, err := defaults.consulArgs()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-http-port=8500", "-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1", "-serf-wan-port=-1"} {
		if !slices.Contains(args, want) {
			t.Errorf("no %s in %q", want, args)
		}
	}
	last := args[len(args)-2:]
	server, ok1 := strings.CutPrefix(last[0], "-server-port=")
	serf, ok2 := strings.CutPrefix(last[1], "-serf-lan-port=")
	if !ok1 || !ok2 || server == serf {
		t.Errorf("got %q, want two ports of the system's choice", last)
	}
}

func TestGuide(t *testing.T) {
	d := &demo{ports: defaults, consul: fake("consul", 10)}
	for i := range backendCount {
		d.backends = append(d.backends, fake(backendName(i), 20+i))
	}
	lines := func() string {
		var b strings.Builder
		d.guide(&b)
		return b.String()
	}
	t.Setenv("CONSUL_HTTP_ADDR", "") // so that it is restored
	unsetenv(t, "CONSUL_HTTP_ADDR")
	contains(t, lines(),
		"\n  curl localhost:8080\n", "\n  curl localhost:8080/health\n", "\n  curl localhost:9080/metrics\n",
		"http://localhost:8500/ui\n", "\n  bin/backend -listen 127.0.0.1:8084 -id web-4 &\n",
		"\n  kill 20\n", "\n  kill -9 21\n", "\n  bin/backend -listen 127.0.0.1:8082 -id web-2 &\n",
		"\n  kill -STOP 10; sleep 60; kill -CONT 10\n", "BACKEND_PID is one of 20 (web-1) 21 (web-2) 22 (web-3); CONSUL_PID is 10.\n",
		"you stop yourself", "\n  kill %1 %2\n")

	t.Setenv("CONSUL_HTTP_ADDR", "consul.example:8500")
	contains(t, lines(), "\n  CONSUL_HTTP_ADDR=127.0.0.1:8500 bin/backend -listen 127.0.0.1:8084 -id web-4 &\n")

	unsetenv(t, "CONSUL_HTTP_ADDR")
	d.ports = ports{http: 1, admin: 2, consul: 3, backend: 4}
	contains(t, lines(), "\n  curl localhost:1\n", "\n  curl localhost:2/metrics\n", "localhost:3/ui\n",
		"\n  CONSUL_HTTP_ADDR=127.0.0.1:3 bin/backend -listen 127.0.0.1:7 -id web-4 &\n")
}

func TestConfig(t *testing.T) {
	t.Chdir("../..")
	d := &demo{ports: defaults}
	if path, err := d.config(); path != "config.hcl" || d.written != "" || err != nil {
		t.Errorf("got %s, %v; want what is shipped", path, err)
	}
}

func TestTerminalPrefixes(t *testing.T) {
	var b strings.Builder
	out := newTerminal(&b)
	out.say("starting %s", "it")
	io.WriteString(out.prefixed("web-1"), "hello\n")
	if want := "demo   | starting it\nweb-1  | hello\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}
