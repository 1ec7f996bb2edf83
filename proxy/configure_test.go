package proxy

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Whatever a listener is told to do otherwise holds for the next request on a
// connection that stands already, and not for the one under way.
func TestConfigureHoldsFromTheNextRequestOn(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	echo := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(arrived)
			<-release
		}
		fmt.Fprint(w, r.Header.Get("X-Forwarded-For"))
	}
	r := newRig(t, Options{}, limits, backend(t, echo))
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	ask := func(path string) {
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.1\r\n\r\n", path)
	}
	answer := func() (int, string) {
		response, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		var body strings.Builder
		if _, err := bufio.NewReader(response.Body).WriteTo(&body); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, body.String()
	}
	ask("/slow")
	<-arrived
	o := *r.options()
	o.HealthPath, o.Health = "/slow", func() (int, []byte) { return 200, []byte("health") }
	o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	o.WriteTimeout = time.Minute
	r.Configure(o)
	close(release)
	if status, body := answer(); status != 200 || body != "127.0.0.1" {
		t.Errorf("under way: %d %q", status, body)
	}
	ask("/slow")
	if status, body := answer(); status != 200 || body != "health" {
		t.Errorf("the health path: %d %q", status, body)
	}
	ask("/")
	if status, body := answer(); status != 200 || body != "10.0.0.1, 127.0.0.1" {
		t.Errorf("trust: %d %q", status, body)
	}

	o.Routes = NewTable(nil, o.Routes)
	via := r.settings.Load().rules.via
	r.Configure(o)
	ask("/")
	if status, _ := answer(); status != 404 {
		t.Errorf("without routes: %d", status)
	}
	if r.settings.Load().rules.via != via {
		t.Error("rota would not know its own requests again")
	}
}
