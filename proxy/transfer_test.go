package proxy

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"testing"
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
		if n := after.TotalAlloc - before.TotalAlloc; n > large/5 {
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
	t.Run("down", func(t *testing.T) {
		bounded(t, func() string {
			response, err := r.client.Get(r.url)
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
