package main

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"
)

// named is the service that they know under another name, with something in its
// block.
func (c *consuls) named(name, more string) string {
	return addresses + fmt.Sprintf("consul { address = %q }\nservice %q {\n  discover \"consul\" {\n    name = \"web\"\n%s  }\n}\n", c.Listener.Addr(), name, more)
}

// statesOf returns the states of a service's endpoints, by address.
func statesOf(s *service) map[string]string {
	states := map[string]string{}
	for e := range s.pool.View().Endpoints.All() {
		states[e.Address] = string(e.State)
	}
	return states
}

// A service that looks for the same under another name, or with other tags, goes on
// with what was known: while Consul is away, and when it knows nobody yet.
func TestTheSameInstancesUnderAnotherName(t *testing.T) {
	const tags = "    tags = [\"v1\"]\n"
	for _, tt := range []struct{ what, name, more string }{
		{"another name", "site", ""},
		{"other tags", "web", tags},
		{"both", "site", tags},
	} {
		t.Run(tt.what, func(t *testing.T) {
			a, b := address(t, says("a")), address(t, says("b"))
			c := startConsuls(t)
			c.list("", a, b)
			c.change(func() {
				for _, e := range c.lists[""] {
					e.Service.Tags = []string{"v1"}
				}
			})
			r := start(t, c.named("web", ""))
			r.log.await(t, "ready\n")
			c.change(func() { c.down[""] = true })
			r.log.await(t, "discovery from Consul fails")
			if code, out := r.reload(c.named(tt.name, tt.more)); code != exitDone {
				t.Fatal(out)
			}
			is := func(state string) {
				t.Helper()
				states := statesOf(r.stage.Load().service(tt.name))
				if status, _ := r.get(r.url); status != 200 || !maps.Equal(states, map[string]string{a: state, b: state}) {
					t.Errorf("answers %d by %v", status, states)
				}
			}
			is("serving")
			c.change(func() { c.down[""], c.lists[""] = false, []*api.ServiceEntry{} })
			r.log.await(t, "endpoint held: service="+tt.name)
			is("held")
		})
	}
}

// What another Consul knew is not served.
func TestTheSameNameInAnotherConsul(t *testing.T) {
	c, other := startConsuls(t), startConsuls(t)
	c.list("", address(t, says("a")))
	other.change(func() { other.down[""] = true })
	r := start(t, c.named("web", ""))
	r.log.await(t, "ready\n")
	if code, out := r.reload(other.named("site", "")); code != exitDone {
		t.Fatal(out)
	}
	other.await("", 2)
	if status, _ := r.get(r.url); status != 503 {
		t.Errorf("answers %d by %v", status, statesOf(r.stage.Load().service("site")))
	}
}

// A request that is under way to a service when that goes is tried again on whoever
// has come since. When there is none any more, the service ends.
func TestARequestOutlivesItsService(t *testing.T) {
	arrived, cut := make(chan struct{}), make(chan struct{})
	a := address(t, func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-cut
		panic(http.ErrAbortHandler)
	})
	release := sync.OnceFunc(func() { close(cut) })
	t.Cleanup(release)
	b := address(t, says("b"))
	c := startConsuls(t)
	c.list("", a)
	r := start(t, c.named("web", ""))
	r.log.await(t, "ready\n")
	web := r.stage.Load().service("web")
	answer := make(chan string, 1)
	go func() {
		status, body := r.get(r.url)
		answer <- fmt.Sprint(status, " ", body)
	}()
	<-arrived
	if code, out := r.reload(c.named("site", "")); code != exitDone {
		t.Fatal(out)
	}
	c.list("", b)
	for began := time.Now(); statesOf(web)[b] != "serving"; {
		if time.Since(began) > 10*time.Second {
			t.Fatalf("the service that has gone knows %v", statesOf(web))
		}
	}
	select {
	case <-web.feed.ended:
		t.Error("it has ended with a request under way")
	default:
	}
	release()
	if got := <-answer; got != "200 b" {
		t.Errorf("answered %s", got)
	}
	<-web.feed.ended
}
