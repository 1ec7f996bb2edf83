package consul

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestNewClientSaysWhatIsWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const forms = "write host:port, http://host:port, https://host:port or unix:///path"
	for _, tt := range []struct {
		name string
		env  map[string]string
		o    Options
		want []string
	}{
		{name: "scheme", o: Options{Address: "tcp://consul:8500"}, want: []string{`"tcp://consul:8500": its scheme is "tcp"`, forms}},
		{name: "port", o: Options{Address: "consul:99999"}, want: []string{`"consul:99999": its port is not between 1 and 65535`, forms}},
		{name: "port that is no number", o: Options{Address: "consul:http"}, want: []string{"it is not a URL", forms}},
		{name: "no host", o: Options{Address: "http://"}, want: []string{"it has no host", forms}},
		{name: "no path", o: Options{Address: "unix://"}, want: []string{"it has no path", forms}},
		{name: "space", o: Options{Address: "con sul:8500"}, want: []string{"it is not a URL", forms}},
		{name: "address in the environment", env: map[string]string{"CONSUL_HTTP_ADDR": "ftp://x"}, want: []string{`its scheme is "ftp"`}},
		{name: "no token file", o: Options{TokenFile: "/nowhere/token"}, want: []string{"token file for Consul", "/nowhere/token", "no such file"}},
		{name: "empty token file", o: Options{TokenFile: empty}, want: []string{empty + " is empty", "secret ID"}},
		{name: "token file in the environment", env: map[string]string{"CONSUL_HTTP_TOKEN_FILE": empty}, want: []string{empty + " is empty"}},
		{name: "no CA", env: map[string]string{"CONSUL_CACERT": "/nowhere/ca.pem"}, want: []string{"/nowhere/ca.pem", "check CONSUL_CACERT"}},
		{name: "half a key pair", env: map[string]string{"CONSUL_CLIENT_CERT": "/nowhere/cert.pem"}, want: []string{"both client cert and client key"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			_, err := NewClient(tt.o)
			if err == nil {
				t.Fatal("no error")
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q, want %q in it", err, part)
				}
			}
		})
	}
}

func TestCheckAddress(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1:8500", "consul:8500", "[::1]:8500", ":8500", "localhost", "http://consul:8500",
		"https://consul.example.com", "http://proxy:80/consul", "unix:///run/consul.sock",
	} {
		if err := checkAddress(address); err != nil {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestOptionsBeforeEnvironment(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for n, tt := range []struct {
		name  string
		env   map[string]string
		o     Options
		token string
		dc    string
	}{
		{"nothing set", map[string]string{"CONSUL_HTTP_ADDR": f.Addr()}, Options{}, "", ""},
		{"environment", map[string]string{"CONSUL_HTTP_ADDR": "http://" + f.Addr(), "CONSUL_HTTP_TOKEN": "from the environment"}, Options{}, "from the environment", ""},
		{"file in the environment", map[string]string{"CONSUL_HTTP_ADDR": f.Addr(), "CONSUL_HTTP_TOKEN_FILE": file, "CONSUL_HTTP_TOKEN": "x"}, Options{}, "from the file", ""},
		{"options", map[string]string{"CONSUL_HTTP_ADDR": "127.0.0.1:1", "CONSUL_HTTP_TOKEN": "x", "CONSUL_HTTP_TOKEN_FILE": "/nowhere"}, Options{Address: f.Addr(), TokenFile: file, Datacenter: "dc7"}, "from the file", "dc7"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			watch(t, newClient(t, tt.o), Watch{Service: "web"})
			if q := f.Await("web", n+1); q.Token != tt.token || q.Datacenter != tt.dc {
				t.Errorf("query %+v, want token %q and datacenter %q", q, tt.token, tt.dc)
			}
		})
	}
}

// TestScope: whatever makes the instances others is in it, also where it comes
// from the environment.
func TestScope(t *testing.T) {
	before := map[string]string{}
	for _, tt := range []struct {
		name        string
		options     Options
		environment map[string]string
	}{
		{name: "nothing"},
		{"an address", Options{Address: "a:1"}, nil},
		{"a datacenter", Options{Datacenter: "dc2"}, nil},
		{"an address in the environment", Options{}, map[string]string{"CONSUL_HTTP_ADDR": "b:1"}},
		{"a namespace", Options{}, map[string]string{"CONSUL_NAMESPACE": "dc2"}},
		{"a partition", Options{}, map[string]string{"CONSUL_PARTITION": "dc2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.environment {
				t.Setenv(name, value)
			}
			scope := newClient(t, tt.options).Scope()
			if other, exists := before[scope]; exists {
				t.Errorf("the scope %s is that of %s", scope, other)
			}
			before[scope] = tt.name
		})
	}
	t.Setenv("CONSUL_HTTP_ADDR", "a:1")
	if scope := newClient(t, Options{}).Scope(); before[scope] != "an address" {
		t.Errorf("the scope %s depends on where the address comes from", scope)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	file := filepath.Join(t.TempDir(), "token")
	write := func(token string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	f.Script("web", testkit.Instances(1))
	u := watch(t, newClient(t, Options{Address: f.Addr(), TokenFile: file}), Watch{Service: "web"})
	u.want(discovery.Set)
	f.Await("web", 2)
	write("two")
	f.Script("web", testkit.Instances(2))
	u.want(discovery.Unchanged)
	if q := f.Await("web", 3); q.Token != "two" {
		t.Errorf("token %q after the file has changed, want two", q.Token)
	}
	// A file that is empty while it is written anew is a failure, and never a
	// request without a token.
	write("")
	f.Script("web", testkit.Instances(3))
	u.want(discovery.Unchanged)
	if err := u.want(discovery.Failed).Err; !strings.Contains(err.Error(), "is empty") {
		t.Errorf("error %q", err)
	}
	write("three")
	if q := f.Await("web", 4); q.Token != "three" || q.Index != 0 {
		t.Errorf("query %+v, want token three and everything anew", q)
	}
}

// TestMissingHeaders: the client library gives up on an answer's headers at the
// first that it can't parse, and hides it.
func TestMissingHeaders(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(http.Header)
		want   string
	}{
		{"no last contact", func(h http.Header) { h.Del("X-Consul-LastContact") }, "may not see all instances"},
		{"odd last contact", func(h http.Header) { h.Set("X-Consul-LastContact", "never") }, "may not see all instances"},
		{"no index", func(h http.Header) { h.Del("X-Consul-Index") }, "no X-Consul-Index; check its address"},
		{"odd index", func(h http.Header) { h.Set("X-Consul-Index", "-1") }, "no X-Consul-Index"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := testkit.StartFaultConsul(t)
			f.Script("web", testkit.Answer{Serve: func(w http.ResponseWriter, r *http.Request) {
				testkit.Filtered(5).Serve(changed{w, tt.change}, r)
			}})
			u := watch(t, newClient(t, Options{Address: f.Addr()}), Watch{Service: "web"})
			if err := u.want(discovery.Failed).Err; !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
		})
	}
}

// changed changes the header of an answer before it is sent.
type changed struct {
	http.ResponseWriter
	change func(http.Header)
}

func (c changed) Write(p []byte) (int, error) {
	c.change(c.Header())
	return c.ResponseWriter.Write(p)
}

func TestUnixSocket(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "consul.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: testkit.Instances(5, testkit.Entry("web", "a", "10.0.0.1", 80)).Serve}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Close()
		<-served
	})
	c := newClient(t, Options{Address: "unix://" + socket})
	watch(t, c, Watch{Service: "web"}).want(discovery.Set)
}

func TestDialByName(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	_, port, err := net.SplitHostPort(f.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{"localhost:" + port, ":" + port} {
		conn, err := dial(t.Context(), "tcp", addr)
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		conn.Close()
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, addr := range []string{"127.0.0.1:1", "localhost:1", "no port"} {
		if conn, err := dial(gone, "tcp", addr); err == nil {
			conn.Close()
			t.Errorf("%s: connected", addr)
		}
	}
}
