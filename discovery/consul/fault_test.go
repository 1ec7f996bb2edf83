package consul

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// faultClient returns a client of f that waits for as long as a busy machine may
// take, and does not look whether f answers at all, so that it fails by what f says
// alone.
func faultClient(t *testing.T, f *testkit.FaultConsul) *Client {
	t.Helper()
	c := newClient(t, Options{Address: f.Addr()})
	c.answerWithin = patience
	c.pulse.look = func(context.Context) error { return nil }
	return c
}

// TestKeepsTheSetThroughFaults: whatever Consul does instead of answering, the
// source says that it failed and why, asks for everything anew, and then
// confirms what was known.
func TestKeepsTheSetThroughFaults(t *testing.T) {
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	for _, tt := range []struct {
		name   string
		answer testkit.Answer
		want   string // part of what is said
	}{
		{"500", testkit.Status(500, "No cluster leader"), "status 500 from Consul: No cluster leader"},
		{"403", testkit.Status(403, "Permission denied"), `grant it service "web" { policy = "read" }`},
		{"429", testkit.Status(429, "slow down"), "rate limited by Consul (429: slow down)"},
		{"404", testkit.Status(404, "what?"), "status 404 from Consul: what?"},
		{"204", testkit.Status(204, ""), "status 204 from Consul"},
		{"hang", testkit.Hang(), "no answer from Consul within 3s"},
		{"truncated", testkit.Truncated(6, a, b), "the answer was cut off: unexpected EOF"},
		{"empty body", testkit.Body(6, ""), "the answer was cut off: EOF"},
		{"garbage", testkit.Body(6, "<html>"), "not one of Consul's: invalid character"},
		{"object", testkit.Body(6, `{"error":"x"}`), "not one of Consul's: it is not a list"},
		{"null", testkit.Body(6, "null"), "not a list but null"},
		{"null in it", testkit.Body(6, "[null]"), "without node or service"},
		{"filtered", testkit.Filtered(6), `grant it service "web" { policy = "read" }`},
		{"filtered in part", testkit.Filtered(6, a), "may not see all instances"},
		{"no leader", testkit.NoLeader(6), "no leader in Consul"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := testkit.StartFaultConsul(t)
			f.Script("web", testkit.Instances(5, a, b), tt.answer, testkit.Instances(5, b, a))
			c := faultClient(t, f)
			if tt.name == "hang" {
				c.blockFor, c.answerWithin = 16*time.Millisecond, 2983*time.Millisecond // 3 s in all
			}
			u := watch(t, c, Watch{Service: "web"})
			if update := u.want(discovery.Set); len(update.Instances) != 2 {
				t.Fatalf("the first update is %+v", update)
			}
			if err := u.want(discovery.Failed).Err; !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want %q in it", err, tt.want)
			}
			u.want(discovery.Unchanged)
			for n, index := range []uint64{0, 5, 0, 5} {
				q := f.Await("web", n+1)
				if q.Index != index || !q.Stale || q.Passing || len(q.Tags) > 0 {
					t.Errorf("request %d is %+v, want index %d, stale, and all instances", n+1, q, index)
				}
				if blocks := q.Wait == c.blockFor; blocks != (index > 0) {
					t.Errorf("request %d with index %d may wait for %s", n+1, index, q.Wait)
				}
			}
		})
	}
}

// TestConnectionBreaksAtOnce: on a new connection, since net/http itself tries
// again if one that was in use before breaks.
func TestConnectionBreaksAtOnce(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	f.Script("web", testkit.Reset(), testkit.Instances(5))
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	if err := u.want(discovery.Failed).Err; err.Error() != "the answer was cut off: EOF" {
		t.Errorf("error %q", err)
	}
	u.want(discovery.Set)
}

// TestNobodyThere: a refused connection is a failure like any other.
func TestNobodyThere(t *testing.T) {
	u := watch(t, newClient(t, Options{Address: "127.0.0.1:1"}), Watch{Service: "web"})
	for range 3 {
		want := "no connection to Consul: dial tcp 127.0.0.1:1: connect: connection refused"
		if err := u.want(discovery.Failed).Err; err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
	}
}

// TestServesWhatItLearnsWithoutLeader: started during an outage, it takes what
// any server has.
func TestServesWhatItLearnsWithoutLeader(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	a := testkit.Entry("web", "a", "10.0.0.1", 80)
	f.Script("web", testkit.NoLeader(5, a), testkit.NoLeader(6), testkit.Instances(6, a))
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	u.want(discovery.Set)
	u.want(discovery.Failed)
	u.want(discovery.Unchanged)
}

// TestStreamIsChecked: an agent's stream is silent about what is wrong, so what
// it doesn't add is asked for directly.
func TestStreamIsChecked(t *testing.T) {
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	for _, tt := range []struct {
		name             string
		streamed, direct testkit.Answer
		want             discovery.Kind
		then             uint64 // the index asked with afterwards
	}{
		{"filtered", testkit.Streamed(6), testkit.Filtered(6), discovery.Failed, 0},
		{"token unknown", testkit.Streamed(1), testkit.Status(403, "ACL not found"), discovery.Failed, 0},
		{"servers gone", testkit.Streamed(5, a), testkit.Status(500, "no servers"), discovery.Failed, 0},
		{"all is well", testkit.Streamed(5, a), testkit.Instances(5, a), discovery.Unchanged, 5},
		{"gone in truth", testkit.Streamed(6), testkit.Instances(6), discovery.Set, 6},
		{"replaced", testkit.Streamed(6, b), testkit.Instances(6, b), discovery.Set, 6},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := testkit.StartFaultConsul(t)
			f.Script("web", testkit.Instances(5, a), tt.streamed, tt.direct)
			u := watch(t, faultClient(t, f), Watch{Service: "web"})
			u.want(discovery.Set)
			u.want(tt.want)
			for n, want := range []uint64{0, 5, 0, tt.then} {
				if q := f.Await("web", n+1); q.Index != want {
					t.Errorf("request %d has index %d, want %d", n+1, q.Index, want)
				}
			}
		})
	}
}

// TestStreamAdds: what an agent's stream adds or changes is news at once.
func TestStreamAdds(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	f.Script("web", testkit.Instances(5, a), testkit.Streamed(6, a, b), testkit.Streamed(7, a, testkit.Entry("web", "b", "10.0.0.3", 80)))
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	for _, want := range []string{"[a]", "[ab]", "[ab]"} {
		if got := brief(u.want(discovery.Set), true); got != want {
			t.Errorf("update %s, want %s", got, want)
		}
	}
	for n, want := range []uint64{0, 5, 6, 7} {
		if q := f.Await("web", n+1); q.Index != want {
			t.Errorf("request %d has index %d, want %d", n+1, q.Index, want)
		}
	}
}

func TestIndexGoesBackwards(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	f.Script("web", testkit.Instances(50, a, b), testkit.Instances(3), testkit.Instances(4, b), testkit.Instances(5, a, b))
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	for _, want := range []string{"[ab]", "[b]", "[ab]"} {
		if got := brief(u.next(), true); got != want {
			t.Errorf("update %s, want %s", got, want)
		}
	}
	for n, want := range []uint64{0, 50, 0, 4, 5} {
		if q := f.Await("web", n+1); q.Index != want {
			t.Errorf("request %d has index %d, want %d", n+1, q.Index, want)
		}
	}
}

func TestHotIndex(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	f.Script("web", testkit.HotIndex(10, a).Forever())
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	u.want(discovery.Set)
	if took := f.Await("web", burst+5).At.Sub(f.Await("web", 1).At); took < 3*time.Second/perSecond {
		t.Errorf("%d requests took %s: a hot loop", burst+5, took)
	}
	// A change among all that is not missed.
	f.Script("web", testkit.Instances(1000, a, b))
	if got := brief(u.after(discovery.Unchanged), true); got != "[ab]" {
		t.Errorf("the change is told as %s", got)
	}
}

func TestIndexZero(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	a := testkit.Entry("web", "a", "10.0.0.1", 80)
	f.Script("web", testkit.Instances(0), testkit.Instances(0, a))
	u := watch(t, faultClient(t, f), Watch{Service: "web"})
	u.want(discovery.Set)
	u.await("a", count(1))
	for n, want := range []uint64{0, 1, 1} {
		if q := f.Await("web", n+1); q.Index != want {
			t.Errorf("request %d has index %d, want %d", n+1, q.Index, want)
		}
	}
}

// TestHugeMetaIsHarmless: ten megabytes in one instance's meta are read.
func TestHugeMetaIsHarmless(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	f.Script("web", testkit.Giant(5, 10<<20, testkit.Entry("web", "a", "10.0.0.1", 80)))
	c := faultClient(t, f)
	update := watch(t, c, Watch{Service: "web"}).want(discovery.Set)
	if n := len(update.Instances[0].Meta["giant"]); n != 10<<20 {
		t.Errorf("%d bytes of meta", n)
	}
}

// TestAnswersAreBounded: an answer over the limit is given up, whether it ends
// or not, and costs memory in proportion to the limit: the decoder's buffer
// grows twofold, copying, so about four times as much.
func TestAnswersAreBounded(t *testing.T) {
	const limit = 4 << 20
	for name, answer := range map[string]testkit.Answer{
		"endless": testkit.Endless(6),
		"giant":   testkit.Giant(6, 2*limit, testkit.Entry("web", "a", "10.0.0.1", 80)),
	} {
		t.Run(name, func(t *testing.T) {
			f := testkit.StartFaultConsul(t)
			f.Script("web", answer)
			c := faultClient(t, f)
			c.guard.limit = limit
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if err := watch(t, c, Watch{Service: "web"}).want(discovery.Failed).Err; !strings.Contains(err.Error(), "the answer has more than") {
				t.Errorf("error %q", err)
			}
			runtime.ReadMemStats(&after)
			// The giant is made in this process, too.
			if grown := after.TotalAlloc - before.TotalAlloc; name == "endless" && grown > 6*limit {
				t.Errorf("%d MiB allocated for an answer of which %d MiB are read", grown>>20, limit>>20)
			}
		})
	}
}

// TestErrorBodiesAreBounded: nor does an error's text take memory.
func TestErrorBodiesAreBounded(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	chunk := []byte(strings.Repeat("x", 1<<16))
	f.Script("web", testkit.Answer{Serve: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		for {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}})
	c := faultClient(t, f)
	var before, after runtime.MemStats
	u := watch(t, c, Watch{Service: "web"})
	f.Await("web", 1)
	runtime.ReadMemStats(&before)
	err := u.want(discovery.Failed).Err
	runtime.ReadMemStats(&after)
	if len(err.Error()) > 2*quoteLimit {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 16<<20 {
		t.Errorf("%d MiB allocated for an error", grown>>20)
	}
}

// TestRejectsAloneWhatIsWrong: one bad instance takes nothing from the others.
func TestRejectsAloneWhatIsWrong(t *testing.T) {
	f := testkit.StartFaultConsul(t)
	weightless := testkit.Entry("web", "weightless", "10.0.0.3", 80)
	weightless.Service.Weights.Passing = -1
	f.Script("web", testkit.Instances(5,
		testkit.Entry("web", "good", "10.0.0.1", 80), weightless,
		testkit.Entry("web", "urls", "http://10.0.0.2", 80),
		testkit.Entry("web", "portless", "10.0.0.4", 0)))
	update := watch(t, faultClient(t, f), Watch{Service: "web"}).want(discovery.Set)
	if got := brief(update, true); got != "[good]" || len(update.Rejected) != 3 {
		t.Errorf("%s, rejected %+v; want the good one and three rejected", got, update.Rejected)
	}
}
