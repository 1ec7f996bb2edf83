package test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// SIGTERM under load: whoever has a connection gets an answer on it, a POST too,
// and is then told to go; rota exits when all have gone.
func TestSIGTERMUnderLoad(t *testing.T) {
	a, b := startBackend(t, "a"), startBackend(t, "b")
	rota := startReadyRota(t, fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [\"http://127.0.0.1:%d\", \"http://127.0.0.1:%d\"] }\n}\n", a.port, b.port))
	var clients sync.WaitGroup
	var mu sync.Mutex
	var answered int
	var failures []error
	busy := make(chan struct{}, 1)
	for n := range 20 {
		clients.Go(func() {
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			client := http.Client{Timeout: patience, Transport: transport}
			for i := n; ; i++ {
				var body io.Reader
				method := "GET"
				if i%2 == 0 {
					method, body = "POST", strings.NewReader("a body")
				}
				request, err := http.NewRequestWithContext(t.Context(), method, rota.url, body)
				if err != nil {
					panic(err)
				}
				response, err := client.Do(request)
				if errors.Is(err, syscall.ECONNREFUSED) {
					return // nobody listens any more
				}
				if err == nil {
					_, err = io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
				mu.Lock()
				if answered++; err != nil || response.StatusCode != http.StatusOK {
					failures = append(failures, fmt.Errorf("%s: %v, %w", method, response, err))
				}
				if answered == 500 {
					busy <- struct{}{}
				}
				mu.Unlock()
			}
		})
	}
	<-busy
	if err := rota.stop(); err != nil {
		t.Errorf("rota exited with %v", err)
	}
	clients.Wait()
	t.Logf("%d requests, %d failed", answered, len(failures))
	for _, err := range failures[:min(len(failures), 10)] {
		t.Error(err)
	}
}
