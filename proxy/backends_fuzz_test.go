package proxy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/http1"
)

// sentinel is the request behind the one in question, on the same connection. A
// backend that frames the first as we did answers it second, and nothing else.
const sentinel = "/the-next-one"

// FuzzBackendsAgree sends what we would forward to real servers: where the
// request ends for us, it ends for them. Who refuses it may close instead.
func FuzzBackendsAgree(f *testing.F) {
	for _, seed := range []string{
		"GET /a?b HTTP/1.1\nHost: a\nConnection: X, close\nX: 1",
		"POST /a HTTP/1.1\nHost: a\nContent-Length: 5\nContent_Length: 6",
		"POST /a HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\nTrailer: X\nTE: trailers\nConnection: TE",
		"PUT http://b/ HTTP/1.0\nContent-Length: 0\nConnection: keep-alive",
		"GET / HTTP/1.1\nHost: a\nConnection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: A",
		"OPTIONS * HTTP/1.1\nHost: [::1]:80\nMax-Forwards: 3\nContent-Length: 3",
		"GET /%2e%2e//x;y HTTP/1.1\nHost: a\nRange: bytes=0-1\nExpect: 100-continue",
		"HEAD /%00 HTTP/1.1\nHost: a_b\nContent-Length: 4",
	} {
		for _, body := range []string{"", "GET /smuggled HTTP/1.1\r\nHost: s\r\n\r\n", "0\r\n\r\n"} {
			f.Add([]byte(wireText(strings.Split(seed, "\n")...)), []byte(body))
		}
	}
	backends := map[string]string{"net/http": startNetHTTP(f)}
	if path, ok := startNginx(f); ok {
		backends["nginx"] = path
	}
	f.Fuzz(func(t *testing.T, in, body []byte) {
		wire, method, ok := forwarded(in, body)
		if !ok {
			return
		}
		wire = append(wire, "GET "+sentinel+" HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n"...)
		for name, path := range backends {
			if err := answersNext(path, wire, method); err != nil {
				t.Errorf("%s takes %q otherwise than we do: %v", name, wire, err)
			}
		}
	})
}

// forwarded is what a backend gets of a request with body, whose length is cut
// or filled up to what its head says. ok is false where nothing goes out.
func forwarded(in, body []byte) (wire []byte, method string, ok bool) {
	var q http1.Request
	if n, _ := q.Parse(in, &codecLimits); n == 0 || q.Length > 64<<10 {
		return nil, "", false
	}
	if q.Form == http1.AuthorityForm || q.Method == "TRACE" || q.Upgrade != "" {
		return nil, "", false // a tunnel has no next request
	}
	p := peer{client7, false, "for=" + client7}
	wire = ourRules.appendRequest(nil, &q, &p, q.Path, backendAt)
	switch q.Framing {
	case http1.Sized:
		for int64(len(body)) < q.Length {
			body = append(body, 'x')
		}
		wire = append(wire, body[:q.Length]...)
	case http1.Chunked:
		if len(body) > 0 {
			wire = append(http1.AppendChunkSize(wire, int64(len(body))), body...)
			wire = append(wire, "\r\n"...)
		}
		wire = http1.AppendLastChunk(wire, nil)
	}
	return wire, q.Method, true
}

// answersNext sends a request and the next one, and returns how the answers show
// that the server saw other requests.
func answersNext(path string, wire []byte, method string) error {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := conn.Write(wire); err != nil {
		return nil // it closed before it had read all: it refused
	}
	r := bufio.NewReader(conn)
	for _, m := range []string{method, "GET"} {
		response, err := http.ReadResponse(r, &http.Request{Method: m})
		for err == nil && response.StatusCode == http.StatusContinue {
			response, err = http.ReadResponse(r, &http.Request{Method: m})
		}
		var late net.Error
		switch {
		case errors.As(err, &late) && late.Timeout():
			return fmt.Errorf("no answer to %s: it waits for more", m)
		case err != nil:
			return nil // it closed, or answered in HTTP/0.9: it refused
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			return nil
		}
		if m == "GET" && response.Close && string(text) == sentinel {
			return nil
		}
		if response.Close {
			return nil // it refused the first, and reads no more
		}
	}
	return errors.New("another request came before the next one")
}

func startNetHTTP(f *testing.F) string {
	path := filepath.Join(f.TempDir(), "s")
	l, err := net.Listen("unix", path) // fuzzing would use up the ports
	if err != nil {
		f.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, r.RequestURI)
	})}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	f.Cleanup(func() { s.Close(); <-served })
	return path
}

// startNginx starts an nginx that answers with the target of the request, where
// there is one.
func startNginx(f *testing.F) (socket string, ok bool) {
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil {
			f.Log("there is no nginx here: net/http alone is asked")
			return "", false
		}
	}
	dir := f.TempDir()
	socket = filepath.Join(dir, "s")
	config := fmt.Sprintf(`daemon off; master_process off; pid %[1]s/pid; error_log %[1]s/error crit;
events {}
http { access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
  server { listen unix:%[2]s; underscores_in_headers on; location / { return 200 $request_uri; } } }`, dir, socket)
	file := filepath.Join(dir, "conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		f.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-e", filepath.Join(dir, "error"), "-c", file)
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		if conn, err := net.Dial("unix", socket); err == nil {
			conn.Close()
			return socket, true
		}
		if time.Now().After(deadline) {
			f.Fatal("nginx does not listen")
		}
		runtime.Gosched()
	}
}
