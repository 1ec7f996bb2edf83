package testkit

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// ask sends what a client of Consul sends and returns the raw answer.
func ask(ctx context.Context, f *FaultConsul, query string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+f.Addr()+"/v1/health/service/"+query, nil)
	if err != nil {
		return nil, "", err
	}
	r.Header.Set("X-Consul-Token", "secret")
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(r)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp, string(body), err
}

func TestFaultConsulAnswers(t *testing.T) {
	entry := Entry("web", "web-1", "10.0.0.1", 80)
	for _, tt := range []struct {
		name   string
		answer Answer
		status int // 0 if the connection breaks
		index  string
		body   string // part of it
	}{
		{"list", Instances(7, entry), 200, "7", `"ID":"web-1"`},
		{"empty list", Instances(7), 200, "7", "[]"},
		{"index 0", Instances(0), 200, "0", "[]"},
		{"no leader", NoLeader(7, entry), 200, "7", `"ID":"web-1"`},
		{"filtered", Filtered(7), 200, "7", "[]"},
		{"streamed", Streamed(7, entry), 200, "7", `"ID":"web-1"`},
		{"error", Status(500, "no cluster leader"), 500, "", "no cluster leader"},
		{"garbage", Body(7, "{"), 200, "7", "{"},
		{"giant", Giant(7, 1<<19, entry), 200, "7", strings.Repeat("x", 1<<19)},
		{"endless", Endless(7), 200, "7", strings.Repeat("x", 1<<19)},
		{"truncated", Truncated(7, entry), 0, "", ""},
		{"reset", Reset(), 0, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := StartFaultConsul(t)
			f.Script("web", tt.answer)
			resp, body, err := ask(t.Context(), f, "web")
			if tt.status == 0 {
				if err == nil {
					t.Fatalf("answer %q, want a broken connection", body)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := resp.Header.Get("X-Consul-Index"); resp.StatusCode != tt.status || got != tt.index {
				t.Errorf("status %d, index %q; want %d, %q", resp.StatusCode, got, tt.status, tt.index)
			}
			if !strings.Contains(body, tt.body) {
				t.Errorf("body of %d bytes without %.20q", len(body), tt.body)
			}
			leaderless := tt.status != 200 || tt.name == "no leader" || tt.name == "streamed"
			if leader := resp.Header.Get("X-Consul-KnownLeader"); (leader == "true") == leaderless {
				t.Errorf("known leader: %q", leader)
			}
			if backend := resp.Header.Get("X-Consul-Query-Backend"); (backend == "streaming") != (tt.name == "streamed") {
				t.Errorf("query backend: %q", backend)
			}
			if filtered := resp.Header.Get("X-Consul-Results-Filtered-By-ACLs"); (filtered == "true") != (tt.name == "filtered") {
				t.Errorf("filtered: %q", filtered)
			}
		})
	}
}

func TestFaultConsulRecordsQueries(t *testing.T) {
	f := StartFaultConsul(t)
	f.Script("web", Instances(1).Forever())
	for _, query := range []string{"web", "web?index=5&wait=30000ms&stale=&tag=a&tag=b&passing=1&dc=dc2"} {
		if _, _, err := ask(t.Context(), f, query); err != nil {
			t.Fatal(err)
		}
	}
	if first := f.Await("web", 1); first.Index != 0 || first.Wait != 0 || first.Stale || first.Passing {
		t.Errorf("first query %+v", first)
	}
	second := f.Await("web", 2)
	if second.Index != 5 || second.Wait != 30*time.Second || !second.Stale || !second.Passing ||
		len(second.Tags) != 2 || second.Datacenter != "dc2" || second.Token != "secret" {
		t.Errorf("second query %+v", second)
	}
	if n := len(f.Queries("web")); n != 2 {
		t.Errorf("%d queries, want 2", n)
	}
	if n := len(f.Queries("other")); n != 0 {
		t.Errorf("%d queries for another service, want none", n)
	}
}

func TestFaultConsulScript(t *testing.T) {
	f := StartFaultConsul(t)
	f.Script("web", Instances(1), HotIndex(10).Forever())
	index := func() string {
		t.Helper()
		resp, _, err := ask(t.Context(), f, "web")
		if err != nil {
			t.Fatal(err)
		}
		return resp.Header.Get("X-Consul-Index")
	}
	for _, want := range []string{"1", "10", "11", "12"} {
		if got := index(); got != want {
			t.Errorf("index %s, want %s", got, want)
		}
	}
	f.Script("web", Instances(20))
	if got := index(); got != "20" {
		t.Errorf("index %s after more of a script, want 20", got)
	}
	// Now there is nothing to answer, so a request waits for the next Script.
	answered := make(chan error)
	go func() {
		_, _, err := ask(t.Context(), f, "web")
		answered <- err
	}()
	f.Await("web", 6)
	f.Script("web", Instances(21))
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

func TestFaultConsulHangs(t *testing.T) {
	f := StartFaultConsul(t)
	f.Script("web", Hang())
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan error)
	go func() {
		_, _, err := ask(ctx, f, "web")
		answered <- err
	}()
	f.Await("web", 1)
	cancel()
	if err := <-answered; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the cancellation", err)
	}
}
