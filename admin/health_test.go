package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	discover "github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/pool"
)

// fixed is a service that stands still.
type fixed pool.View

func (f fixed) View() pool.View { return pool.View(f) }

var now = time.Date(2026, 3, 1, 13, 37, 0, 0, time.UTC)

// endpoint returns an endpoint of the given name, in a state for reasons.
func endpoint(name, address string, s pool.State, because ...pool.Reason) *pool.Endpoint {
	id := "dc1/node/" + name
	return &pool.Endpoint{
		ID: id, Name: name, Address: address, Weight: 1, State: s, Reasons: append([]pool.Reason{}, because...),
		Live: balancer.NewEndpoint(id, address, nil),
	}
}

// golden fails the test unless text is the content of the named file.
func golden(t *testing.T, name string, text []byte) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(text, want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, text, want)
	}
}

// /health is a contract: what the user's own checks read comes first and as
// they know it, our explanations follow.
func TestTheBodyOfHealth(t *testing.T) {
	busy := endpoint("web-1", "10.0.0.1:8081", pool.Serving)
	one := balancer.NewMembers(balancer.Member{Endpoint: busy.Live, Weight: 1})
	balancer.NewPool(balancer.RoundRobin, one, new(balancer.Turn)).Pick(nil) // one in flight
	down := endpoint("web-2", "10.0.0.2:8081", pool.Ejected, pool.CheckFailed)
	down.LastError = `Get "http://10.0.0.2:8081/health": connection refused`
	leaving := endpoint("web-3", "[2001:db8::3]:8081", pool.Draining, pool.Deregistered, pool.IsCritical)
	heavy := endpoint("web-4", "10.0.0.4:8081", pool.Serving, pool.HasWarning)
	heavy.Weight, heavy.Tier = 10, 1
	web := fixed{
		Service: "web", Source: "consul", Panic: true, Endpoints: balancer.NewList(busy, down, leaving, heavy),
		News: pool.News{
			Heard: now.Add(-12 * time.Millisecond), Err: errors.New("agent: 500 No cluster leader"),
			Rejected: []discover.Rejected{{ID: "dc1/node/web-5", Name: "web-5", Reason: "port is 0"}},
		},
	}
	api := fixed{
		Service: "api", Source: "static", News: pool.News{Heard: now.Add(-time.Hour)},
		Endpoints: balancer.NewList(endpoint("10.0.1.1:80", "10.0.1.1:80", pool.Serving)),
	}
	silent := fixed{Service: "silent", Source: "consul"}
	tests := []struct {
		golden   string
		status   int
		services []Viewer
	}{
		{"none.json", 200, nil},
		{"well.json", 200, []Viewer{api}},
		{"all.json", 503, []Viewer{web, api, silent}},
	}
	for _, tt := range tests {
		status, body := Health(tt.services, now)
		if status != tt.status {
			t.Errorf("%s: status %d, want %d", tt.golden, status, tt.status)
		}
		if bytes.Count(body, []byte("\n")) != 1 {
			t.Errorf("%s: the body is not one line", tt.golden)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, body, "", "  "); err != nil {
			t.Fatal(err)
		}
		golden(t, tt.golden, indented.Bytes())
	}
}

// What reads the paper's fields alone must not be put off by ours.
func TestTheFieldsOfThePaperComeFirst(t *testing.T) {
	_, body := Health([]Viewer{fixed{Service: "web", Endpoints: balancer.NewList(
		endpoint("a", "10.0.0.1:8081", pool.Serving), endpoint("b", "10.0.0.2:8081", pool.Ejected, pool.CheckFailed),
	)}}, now)
	const want = `{"total":2,"alive":1,"dead":1,"backends":[{"url":"http://10.0.0.1:8081","alive":true,`
	if !strings.HasPrefix(string(body), want) || !strings.Contains(string(body), `{"url":"http://10.0.0.2:8081","alive":false,`) {
		t.Errorf("the body is %s", body)
	}
}

// 200 while each service has somebody alive. Warming, draining and ejected
// endpoints are not, even where they get traffic as a last resort.
func TestWhenHealthIsWell(t *testing.T) {
	service := func(states ...pool.State) Viewer {
		v := fixed{Service: "web"}
		var endpoints []*pool.Endpoint
		for i, s := range states {
			endpoints = append(endpoints, endpoint(fmt.Sprint(i, s), "10.0.0.1:80", s))
		}
		v.Endpoints = balancer.NewList(endpoints...)
		return v
	}
	tests := []struct {
		name         string
		services     []Viewer
		status       int
		total, alive int
	}{
		{"no service", nil, 200, 0, 0},
		{"no instance", []Viewer{service()}, 503, 0, 0},
		{"one serves", []Viewer{service(pool.Serving)}, 200, 1, 1},
		{"one of many serves", []Viewer{service(pool.Ejected, pool.Draining, pool.Serving, pool.Warming)}, 200, 4, 1},
		{"draining", []Viewer{service(pool.Draining)}, 503, 1, 0},
		{"ejected", []Viewer{service(pool.Ejected)}, 503, 1, 0},
		{"warming", []Viewer{service(pool.Warming)}, 503, 1, 0},
		{"both services serve", []Viewer{service(pool.Serving), service(pool.Serving, pool.Serving)}, 200, 3, 3},
		{"one service does not", []Viewer{service(pool.Serving, pool.Serving), service(pool.Ejected)}, 503, 3, 2},
		{"one service is empty", []Viewer{service(), service(pool.Serving)}, 503, 1, 1},
	}
	for _, tt := range tests {
		status, body := Health(tt.services, now)
		var r report
		if err := json.Unmarshal(body, &r); err != nil {
			t.Fatal(err)
		}
		alive := slices.DeleteFunc(slices.Clone(r.Backends), func(b backend) bool { return !b.Alive })
		if status != tt.status || r.Total != tt.total || r.Alive != tt.alive || r.Dead != tt.total-tt.alive ||
			len(r.Backends) != tt.total || len(alive) != tt.alive {
			t.Errorf("%s: %d %s, want %d with %d of %d alive", tt.name, status, body, tt.status, tt.alive, tt.total)
		}
	}
}
