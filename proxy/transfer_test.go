package proxy

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/rota-lb/rota/upstream"
)

// large is the size of a body that would be noticed if it were held in memory.
const large = 50 << 20

func noise() io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{7}), large) }

// A large body passes unharmed, a piece at a time.
func TestLargeBodies(t *testing.T) {
	sum := sha256.New()
	_, _ = io.Copy(sum, noise())
	want := fmt.Sprintf("%x", sum.Sum(nil))
	r := newRig(t, Options{}, limits, backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == "GET" {
			if r.URL.Path == "/sized" { // may stay in the kernel
				w.Header().Set("Content-Length", fmt.Sprint(large))
			}
			_, _ = io.Copy(w, noise())
			return
		}
		sum := sha256.New()
		_, _ = io.Copy(sum, r.Body)
		fmt.Fprintf(w, "%x", sum.Sum(nil))
	}))
	bounded := func(t *testing.T, transfer func() string) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		got := transfer()
		runtime.ReadMemStats(&after)
		if got != want {
			t.Errorf("the checksum is %s, want %s", got, want)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 3*large/2 { // -race makes pools forget; to keep it whole takes more, by doubling
			t.Errorf("%d MB of memory were taken for a body of %d MB", n>>20, large>>20)
		}
	}
	for _, length := range []int64{large, -1} {
		t.Run(fmt.Sprint("up, length ", length), func(t *testing.T) {
			bounded(t, func() string {
				request, _ := http.NewRequestWithContext(t.Context(), "POST", r.url, noise())
				request.ContentLength = length
				response, err := r.client.Do(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				got, _ := io.ReadAll(response.Body)
				return string(got)
			})
		})
	}
	for _, path := range []string{"/chunked", "/sized"} {
		t.Run("down, "+path, func(t *testing.T) {
			bounded(t, func() string {
				response, err := r.client.Get(r.url + path)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				sum := sha256.New()
				if _, err := io.Copy(sum, response.Body); err != nil {
					t.Error(err)
				}
				return fmt.Sprintf("%x", sum.Sum(nil))
			})
		})
	}
}

// A large body that breaks off or stalls, or whose client does, ends both ways,
// and the right one is to blame.
func TestALargeBodyThatIsNotWhole(t *testing.T) {
	part := func(conn net.Conn) {
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", large)
		_, _ = io.CopyN(conn, noise(), 1<<20)
	}
	short := limits
	short.Stall = 50 * time.Millisecond
	stalls := func(conn net.Conn) {
		part(conn)
		_, _ = conn.Read(make([]byte, 1)) // until rota gives up
	}
	tests := []struct {
		name   string
		answer func(net.Conn)
		reads  bool
		fault  upstream.Fault
	}{
		{"closed", part, true, upstream.Reset},
		{"reset", func(conn net.Conn) { part(conn); resets(conn) }, true, upstream.Reset},
		{"stalled", stalls, true, upstream.Stalled},
		{"not read", func(conn net.Conn) {
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", large)
			_, _ = io.Copy(conn, noise())
		}, false, upstream.ClientStalled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{WriteTimeout: 50 * time.Millisecond}, short, raw(t, tt.answer))
			c := r.dial(t)
			c.say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if tt.reads {
				n, err := io.Copy(io.Discard, c.in)
				if n > 2<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %d bytes, %v", n, err)
				}
			} else {
				for r.service.stats.faults[tt.fault].Load() == 0 {
					runtime.Gosched()
				}
			}
			r.finish(t)
			if n := r.service.stats.faults[tt.fault].Load(); n != 1 {
				t.Errorf("counted %d as %s, want 1", n, tt.fault)
			}
		})
	}
}
