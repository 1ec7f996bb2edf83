package test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// load is a constant rate of requests, whatever comes back.
type load struct {
	url    string
	method func(n int) string // of the n-th request
	client http.Client
	all    sync.WaitGroup
	cancel chan struct{}

	mu       sync.Mutex
	changed  *sync.Cond
	total    int
	failures []string
	by       map[string]int // answers by backend
}

// workers bounds the requests under way; at the rates used here a few do.
const workers = 64

// startLoad sends requests at a rate per second until [load.stop]. Each
// request is of the method that method names; nil is GET.
func startLoad(t *testing.T, url string, rate int, method func(n int) string) *load {
	l := &load{url: url, method: method, cancel: make(chan struct{}), by: map[string]int{}}
	l.changed = sync.NewCond(&l.mu)
	l.client = http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	if method == nil {
		l.method = func(int) string { return "GET" }
	}
	due := make(chan int, rate*int(patience/time.Second))
	for range workers {
		l.all.Go(func() {
			for n := range due {
				l.send(n)
			}
		})
	}
	l.all.Go(func() {
		defer close(due)
		tick := time.NewTicker(time.Second / time.Duration(rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-tick.C:
				due <- n
			case <-l.cancel:
				return
			}
		}
	})
	t.Cleanup(func() { l.client.CloseIdleConnections() })
	return l
}

func (l *load) send(n int) {
	name, err := l.request(l.method(n))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total++
	if err != nil {
		l.failures = append(l.failures, fmt.Sprintf("%s %v", time.Now().Format("15:04:05.000"), err))
	} else {
		l.by[name]++
	}
	l.changed.Broadcast()
}

func (l *load) request(method string) (name string, err error) {
	var body io.Reader
	if method == "POST" {
		body = strings.NewReader("a body")
	}
	request, err := http.NewRequest(method, l.url, body)
	if err != nil {
		return "", err
	}
	response, err := l.client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %s", method, response.Status, text)
	}
	return string(text), err
}

// pass waits until so many more requests have been answered.
func (l *load) pass(n int) {
	alarm := time.AfterFunc(patience+2*time.Minute, l.changed.Broadcast)
	defer alarm.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for began, until := time.Now(), l.total+n; l.total < until; l.changed.Wait() {
		if time.Since(began) > patience+2*time.Minute {
			panic("the load has stopped getting answers")
		}
	}
}

// end ends the load and returns what failed.
func (l *load) end() []string {
	close(l.cancel)
	l.all.Wait()
	return l.failures
}

// stop ends the load and asserts that nothing failed.
func (l *load) stop(t *testing.T) {
	t.Helper()
	l.end()
	t.Logf("%d requests, %d failed, %v", l.total, len(l.failures), l.by)
	for _, f := range l.failures[:min(len(l.failures), 10)] {
		t.Error(f)
	}
	if len(l.failures) > 0 {
		t.Errorf("%d of %d requests failed", len(l.failures), l.total)
	}
}
