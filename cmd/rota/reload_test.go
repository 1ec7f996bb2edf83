package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/pool"
	"github.com/rota-lb/rota/proxy"
	"github.com/rota-lb/rota/socket"
)

// rewrite replaces the configuration, without telling the program.
func (r *running) rewrite(text string) {
	r.t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// reload is the command of that name, with another configuration in place.
func (r *running) reload(text string) (code int, out string) {
	r.t.Helper()
	r.rewrite(text)
	defer http.DefaultClient.CloseIdleConnections()
	var stdout, stderr bytes.Buffer
	code = command([]string{"reload", "--admin", strings.TrimPrefix(r.admin, "http://")}, &stdout, &stderr)
	if (code == exitDone) != (stderr.Len() == 0) || (code == exitDone) == (stdout.Len() == 0) {
		r.t.Errorf("reload exits with %d and says %q, and %q on standard error", code, &stdout, &stderr)
	}
	return code, stdout.String() + stderr.String()
}

// reloads asserts that another configuration is taken, and what is different.
func (r *running) reloads(text string, want ...string) {
	r.t.Helper()
	code, out := r.reload(text)
	if code != exitDone || out != strings.Join(want, "\n")+"\n" {
		r.t.Fatalf("reload exits with %d %q, want %q", code, out, want)
	}
}

// live returns the endpoints of a service, by address.
func (r *running) live(service string) map[string]*balancer.Endpoint {
	live := map[string]*balancer.Endpoint{}
	for e := range r.stage.Load().service(service).pool.View().Endpoints.All() {
		live[e.Address] = e.Live
	}
	return live
}

// list is a service of static backends, with something in its block.
func list(name, more string, addresses ...string) string {
	for i, a := range addresses {
		addresses[i] = fmt.Sprintf("%q", "http://"+a)
	}
	return fmt.Sprintf("service %q {\n  discover \"static\" {\n    urls = [%s]\n  }\n%s\n}\n", name, strings.Join(addresses, ", "), more)
}

// free returns an address that nobody has.
func free(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func address(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// What a reload does not change goes on as if nothing had happened: endpoints,
// what was found of their health, counters, connections of clients and to
// backends.
func TestAReloadKeepsWhatStays(t *testing.T) {
	var connections sync.Map // to the backend
	web := address(t, func(w http.ResponseWriter, r *http.Request) { connections.Store(r.RemoteAddr, true) })
	const slow = "  health_check {\n    interval = \"1h\"\n  }\n"
	const dead = "127.0.0.1:1"
	r := start(t, addresses+list("web", slow, web, dead))
	r.log.await(t, "endpoint ejected: service=web id=127.0.0.1:1")
	conn := r.dial()
	in := bufio.NewReader(conn)
	ask := func() {
		t.Helper()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if response, err := http.ReadResponse(in, nil); err != nil || response.StatusCode != 200 {
			t.Fatalf("answered with %v, %v", response, err)
		} else if _, err := in.Discard(int(response.ContentLength)); err != nil {
			t.Fatal(err)
		}
	}
	ask()
	before := r.live("web")
	retry := "  balance = \"least_request\"\n  timeouts {\n    stall = \"2s\"\n  }\n"
	listen := "listen \"web\" {\n  address = \"127.0.0.1:0\"\n  read_timeout = \"3s\"\n}\n"
	r.reloads(addresses+list("web", slow, web, dead), "nothing is different")
	r.reloads(addresses+list("web", slow+retry, web, dead)+"shutdown_timeout = \"1s\"\n",
		"shutdown_timeout changed", `service "web" changed: balance, timeouts.stall`)
	r.reloads(addresses+listen+list("web", slow+retry, web, dead, "127.0.0.1:2"),
		"shutdown_timeout changed", `listen "web" added`, `service "web" changed: discover.urls`)
	r.log.await(t, "service=web id=127.0.0.1:2")
	ask()
	after := r.live("web")
	if after[web] != before[web] || after[dead] != before[dead] || len(after) != 3 {
		t.Errorf("the endpoints are %v, were %v", after, before)
	}
	if n, _ := after[web].Totals(); n != 2 {
		t.Errorf("the endpoint counts %d attempts, want 2", n)
	}
	n := 0
	connections.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("there were %d connections to the backend, want 1", n)
	}
	for e := range r.stage.Load().service("web").pool.View().Endpoints.All() {
		if e.Address == dead && e.State != pool.Ejected {
			t.Errorf("%s is %s", dead, e.State)
		}
	}
	for began := time.Now(); ; { // a request is counted after its response
		_, metrics := r.get(r.admin + "/metrics")
		if strings.Contains(metrics, `rota_requests_total{code="2xx",service="web"} 2`) {
			break
		} else if time.Since(began) > 10*time.Second {
			t.Fatalf("the metrics say\n%s", metrics)
		}
	}
}

// A configuration is taken whole or not at all; it is told why not, and where.
func TestAReloadIsRefused(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := fixed(t, "web", says("web"))
	r := start(t, addresses+good)
	before := r.stage.Load()
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(r.url, "http://"))
	tests := []struct{ name, text, want string }{
		{"a broken file", addresses + "service \"web\" {\n  balanse = \"random\"\n}\n", "config.hcl:4:3: unknown argument \"balanse\""},
		{"an address of another process", addresses + good + "listen \"new\" { address = \"127.0.0.1:0\" }\nlisten \"x\" { address = \"" + taken.Addr().String() + "\" }\n",
			`listen "x": ` + taken.Addr().String() + " is taken by another process"},
		{"an address of our own", addresses + good + "listen \"x\" { address = \":" + port + "\" }\n", "overlaps with an address that rota itself listens on"},
		{"an address of admin's", "listen \"http\" { address = \"127.0.0.1:0\" }\nadmin { address = \"" + taken.Addr().String() + "\" }\n" + good, "admin: "},
		{"an access log that can't be", addresses + good + "access_log { path = \"missing/access.log\" }\n", "access_log: open "},
		{"a token that is not there", addresses + good + "consul { token_file = \"missing\" }\nservice \"api\" {}\nroute { service = \"web\" }\nroute {\n  service = \"api\"\n  host = \"x\"\n}\n", `service "api": token file`},
	}
	for _, tt := range tests {
		if code, out := r.reload(tt.text); code != exitFailed || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exits with %d %q, want %q", tt.name, code, out, tt.want)
		}
		if r.stage.Load() != before {
			t.Errorf("%s: something is different", tt.name)
		}
		if status, body := r.get(r.url); status != 200 || body != "web" {
			t.Errorf("%s: %d %q", tt.name, status, body)
		}
	}
	// The same by a signal: the log tells.
	r.rewrite("server \"web\" {}\n")
	r.hangups <- syscall.SIGHUP
	r.log.await(t, "config.hcl:1:1: unknown block ")
	r.rewrite(addresses + good)
	r.hangups <- syscall.SIGHUP
	r.log.await(t, "reloaded: changes=[]")
}

// Who is at the door of a listener that is not entered does not hold up the rest,
// not even where no clock runs yet.
func TestADiscardedListenerIsNotWaitedFor(t *testing.T) {
	r := start(t, addresses+fixed(t, "web", says("web")))
	server, err := proxy.Listen(t.Context(), proxy.Options{Address: "127.0.0.1:0", Clock: socket.NewClock(), IdleTimeout: time.Hour, Logger: r.logger})
	if err != nil {
		t.Fatal(err)
	}
	silent, err := net.Dial("tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	discarded := make(chan struct{})
	go func() {
		defer close(discarded)
		r.discard(&stage{listeners: []*listener{{server: server}}}, r.stage.Load())
	}()
	late := time.NewTimer(10 * time.Second)
	defer late.Stop()
	select {
	case <-discarded:
	case <-late.C:
		t.Error("it waits")
		silent.Close()
		<-discarded
	}
}

// Services, routes and listeners come and go. What is under way on a listener
// that goes, to a service that goes, finishes.
func TestAReloadOfServicesAndListeners(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	web := list("web", "", address(t, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "web")
	}))
	api := list("api", "", address(t, says("api")))
	const admin = "admin { address = \"127.0.0.1:0\" }\n"
	r := start(t, addresses+web)
	answer := make(chan string, 1)
	go func() {
		_, body := r.get(r.url)
		answer <- body
	}()
	<-arrived
	r.reloads(admin+"listen \"other\" { address = \"127.0.0.1:0\" }\n"+api,
		`listen "http" removed`, `listen "other" added`, `service "web" removed`, `service "api" added`, `route "/" changed: service`)
	for began := time.Now(); ; {
		conn, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
		if err != nil {
			break
		}
		conn.Close()
		if time.Since(began) > 10*time.Second {
			t.Fatal("the listener that was removed takes connections")
		}
	}
	other := "http://" + r.stage.Load().listeners[0].server.Addr().String()
	if status, body := r.get(other); status != 200 || body != "api" {
		t.Errorf("the new listener: %d %q", status, body)
	}
	if _, text := r.get(r.admin + "/health"); !strings.Contains(text, `"service":"api"`) || strings.Contains(text, `"service":"web"`) {
		t.Errorf("/health says %s", text)
	}
	if _, text := r.get(r.admin + "/metrics"); !strings.Contains(text, `service="api"`) || strings.Contains(text, `service="web"`) {
		t.Errorf("/metrics says %s", text)
	}
	close(release)
	if body := <-answer; body != "web" {
		t.Errorf("what was under way ended with %q", body)
	}
	// Under another name the socket stays.
	addr := strings.TrimPrefix(other, "http://")
	r.reloads(admin+"listen \"renamed\" { address = \"127.0.0.1:0\" }\n"+api, `listen "other" removed`, `listen "renamed" added`)
	fixed := func(name string) string { return "listen \"" + name + "\" { address = \"" + addr + "\" }\n" }
	r.reloads(admin+fixed("a")+api, `listen "renamed" removed`, `listen "a" added`)
	server := r.stage.Load().listeners[0].server
	r.reloads(admin+fixed("b")+api, `listen "a" removed`, `listen "b" added`)
	if r.stage.Load().listeners[0].server != server {
		t.Error("another name made another listener")
	}
}

// Admin can move, though it is by admin that the order comes.
func TestAReloadMovesAdmin(t *testing.T) {
	elsewhere := free(t)
	web := fixed(t, "web", says("web"))
	const listen = "listen \"http\" { address = \"127.0.0.1:0\" }\n"
	r := start(t, addresses+web)
	r.reloads(listen+"admin { address = \""+elsewhere+"\" }\n"+web, "admin changed: address")
	r.admin = "http://" + elsewhere
	if status, body := r.get(r.admin + "/health/live"); status != 200 || body != "alive\n" {
		t.Errorf("where admin is now: %d %q", status, body)
	}
	r.reloads(listen+"admin { address = \"\" }\n"+web, "admin changed: address")
	r.end(nil)
}

// Who has moved the access log away and sends SIGHUP gets a new one, even where
// the configuration can't be taken.
func TestSIGHUPReopensTheAccessLog(t *testing.T) {
	file := filepath.Join(t.TempDir(), "access.log")
	text := addresses + fmt.Sprintf("access_log {\n  path = %q\n}\n", file) + fixed(t, "web", says("web"))
	r := start(t, text)
	// A request's line is written after its response.
	get := func(path, line string) {
		t.Helper()
		r.get(r.url + path)
		for began := time.Now(); ; {
			if got, err := os.ReadFile(file); err == nil && strings.Contains(string(got), line) {
				return
			} else if time.Since(began) > 10*time.Second {
				t.Fatalf("%s never says %q: %q, %v", file, line, got, err)
			}
		}
	}
	for i, next := range []string{text, "server {}\n"} {
		path := fmt.Sprint("/", i)
		get(path, path)
		if err := os.Rename(file, fmt.Sprint(file, i)); err != nil {
			t.Fatal(err)
		}
		r.rewrite(next)
		r.hangups <- syscall.SIGHUP
		r.log.await(t, []string{"rota: reloaded: ", "rota: not reloaded: "}[i])
	}
	get("/2", `"target":"/2"`)
	r.reloads(strings.Replace(text, "access_log {", "access_log {\n  format = \"combined\"", 1), "access_log changed: format")
	get("/3", `"GET /3 HTTP/1.1"`)
	r.reloads(addresses+fixed(t, "web", says("web")), "access_log removed", `service "web" changed: discover.urls`)
	r.get(r.url + "/4")
	r.end(nil)
	for name, want := range map[string][]string{file + "0": {`"target":"/0"`}, file + "1": {`"target":"/1"`}, file: {`"target":"/2"`, `"GET /3 HTTP/1.1"`}} {
		got, err := os.ReadFile(name)
		if err != nil || strings.Count(string(got), "\n") != len(want) {
			t.Errorf("%s says %q, %v, want %q", name, got, err, want)
		}
		for _, part := range want {
			if !strings.Contains(string(got), part) {
				t.Errorf("%s says %q, want %q", name, got, part)
			}
		}
	}
}

// The log changes its level and its form.
func TestAReloadOfTheLog(t *testing.T) {
	web := fixed(t, "web", says("web"))
	r := start(t, addresses+web)
	r.reloads(addresses+web+"log {\n  level = \"debug\"\n  format = \"json\"\n}\n", "log changed: level, format")
	r.log.await(t, `"@message":"reloaded"`)
	r.logger.Debug("hello")
	r.log.await(t, `"@message":"hello"`)
	r.reloads(addresses+web+"log { level = \"error\" }\n", "log changed: level, format")
	r.logger.Warn("silence")
	r.end(nil)
	if strings.Contains(r.log.String(), "silence") {
		t.Errorf("the log says %s", r.log)
	}
}

// A service gets another source, and whoever both of them name is the same. What
// can't be known from the new one yet stays as it was.
func TestAReloadOfDiscovery(t *testing.T) {
	a, b := address(t, says("a")), address(t, says("b"))
	r := start(t, addresses+list("web", "", a, b))
	before := r.live("web")
	r.reloads(addresses+withoutConsulFor("web"), "consul changed: address", `service "web" changed: discover.kind, discover.name, discover.urls`)
	r.log.await(t, "discovery from Consul fails")
	if got := r.live("web"); len(got) != 2 || got[a] != before[a] || got[b] != before[b] {
		t.Errorf("without an answer from Consul there are %v, were %v", got, before)
	}
	r.reloads(addresses+list("web", "", b), "consul changed: address", `service "web" changed: discover.kind, discover.name, discover.urls`)
	r.log.await(t, "endpoint draining: service=web id="+a)
	if got := r.live("web"); got[b] != before[b] {
		t.Errorf("there are %v, were %v", got, before)
	}
	if status, body := r.get(r.url); status != 200 || body != "b" {
		t.Errorf("%d %q", status, body)
	}
}

func withoutConsulFor(name string) string {
	return strings.ReplaceAll(withoutConsul, `"away"`, fmt.Sprintf("%q", name))
}

// Another spec of health checks holds at once.
func TestAReloadOfHealthChecks(t *testing.T) {
	web := address(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ill" {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	check := func(path string) string {
		return list("web", "  health_check {\n    interval = \"1h\"\n    unhealthy_after = 1\n    path = \""+path+"\"\n  }\n", web)
	}
	r := start(t, addresses+check("/well"))
	r.log.await(t, "endpoint serving")
	r.reloads(addresses+check("/ill"), `service "web" changed: health_check.path`)
	r.log.await(t, "endpoint ejected")
}
