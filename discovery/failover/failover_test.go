package failover

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/rota-lb/rota/discovery"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// played is a source that tells what comes through it.
type played chan discovery.Update

func (p played) Run(ctx context.Context, publish func(discovery.Update)) {
	for {
		select {
		case u := <-p:
			publish(u)
		case <-ctx.Done():
			return
		}
	}
}

func set(ids ...string) discovery.Update {
	u := discovery.Update{Kind: discovery.Set}
	for _, id := range ids {
		u.Instances = append(u.Instances, discovery.Instance{ID: id})
	}
	return u
}

// words writes an update as text.
func words(u discovery.Update) string {
	switch u.Kind {
	case discovery.Set:
		var ids []string
		for _, in := range u.Instances {
			ids = append(ids, in.ID)
		}
		for _, r := range u.Rejected {
			ids = append(ids, "-"+r.ID)
		}
		return strings.Join(append([]string{"set"}, ids...), " ")
	case discovery.Failed:
		return fmt.Sprint("failed: ", u.Err)
	default:
		return "unchanged"
	}
}

func TestFailover(t *testing.T) {
	failed := discovery.Update{Kind: discovery.Failed, Err: errors.New("no leader")}
	unchanged := discovery.Update{Kind: discovery.Unchanged}
	rejecting := set("b/1")
	rejecting.Rejected = []discovery.Rejected{{ID: "b/2"}}
	// known is what was known of the second of the others before.
	type step struct {
		from   int // or late
		update discovery.Update
		want   string // what is told, joined by "; "
	}
	const late = -1 // time is over
	tests := map[string]struct {
		known []string
		steps []step
	}{
		"joined, in order":                   {nil, []step{{0, set("b/1", "b/2"), ""}, {1, set("a/1"), ""}, {2, set("c/1"), "set a/1 b/1 b/2 c/1"}, {1, set("a/2"), "set a/2 b/1 b/2 c/1"}}},
		"nothing before the primary":         {nil, []step{{1, set("a/1"), ""}, {2, set(), ""}, {0, set("b/1"), "set a/1 b/1"}}},
		"who fails is not waited for":        {nil, []step{{0, set("b/1"), ""}, {2, failed, ""}, {1, failed, "set b/1"}, {2, failed, ""}, {2, set("c/1"), "set b/1 c/1"}}},
		"but who failed before may be back":  {nil, []step{{0, failed, "failed: no leader"}, {1, failed, ""}, {2, failed, ""}, {0, set(), ""}, {2, failed, ""}, {1, set("a/1"), "set a/1"}}},
		"nor is who is late":                 {nil, []step{{0, set("b/1"), ""}, {2, set("c/1"), ""}, {late, set(), "set b/1 c/1"}, {1, set("a/1"), "set a/1 b/1 c/1"}}},
		"nothing confirms what was not told": {nil, []step{{0, set("b/1"), ""}, {0, unchanged, ""}, {late, set(), "set b/1"}, {0, unchanged, "unchanged"}}},
		"late when all has been told":        {nil, []step{{1, set(), ""}, {2, set(), ""}, {0, set("b/1"), "set b/1"}, {late, set(), ""}}},
		"it fails again while it waits":      {nil, []step{{0, set("b/1"), ""}, {0, failed, "failed: no leader"}, {late, set(), "set b/1; failed: no leader"}}},
		"what was known before stands":       {[]string{"c/1"}, []step{{1, set("a/1"), ""}, {0, set("b/1"), "set a/1 b/1 c/1"}, {2, failed, ""}, {0, set("b/2"), "set a/1 b/2 c/1"}, {2, set("c/2"), "set a/1 b/2 c/2"}, {2, set(), "set a/1 b/2"}}},
		"its failures are told":              {nil, []step{{0, failed, "failed: no leader"}, {1, set("a/1"), ""}, {2, set(), ""}, {0, set("b/1"), "set a/1 b/1"}}},
		"those of others are not":            {nil, []step{{0, set("b/1"), ""}, {late, set(), "set b/1"}, {1, set("a/1"), "set a/1 b/1"}, {1, failed, ""}, {1, unchanged, ""}, {0, unchanged, "unchanged"}}},
		"others go on while it fails":        {nil, []step{{0, set("b/1"), ""}, {late, set(), "set b/1"}, {0, failed, "failed: no leader"}, {1, set("a/1"), "set a/1 b/1; failed: no leader"}, {0, unchanged, "unchanged"}, {1, set(), "set b/1"}}},
		"an empty primary is news":           {nil, []step{{1, set("a/1"), ""}, {2, set(), ""}, {0, set(), "set a/1"}}},
		"rejected instances are of all":      {nil, []step{{2, set(), ""}, {0, rejecting, ""}, {1, set("a/1"), "set a/1 b/1 -b/2"}}},
		"a datacenter that is named twice":   {nil, []step{{2, set(), ""}, {0, set("b/1"), ""}, {1, set("b/1"), "set b/1"}}},
		"an instance that is gone elsewhere": {nil, []step{{2, set(), ""}, {0, set("b/1"), ""}, {1, set("a/1", "a/2"), "set a/1 a/2 b/1"}, {1, set("a/2"), "set a/2 b/1"}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var told []string
			before := func() []discovery.Instance { return set(tt.known...).Instances }
			j := newJoint(source{{}, {}, {Before: before}}, func(u discovery.Update) { told = append(told, words(u)) })
			for i, s := range tt.steps {
				told = nil
				if s.from == late {
					j.miss()
				} else {
					j.take(s.from, s.update)
				}
				if got := strings.Join(told, "; "); got != s.want {
					t.Errorf("step %d: told %q, want %q", i, got, s.want)
				}
			}
		})
	}
}

// All sources run, one update goes out at a time, and all end with the context.
func TestRun(t *testing.T) {
	primary, other := make(played), make(played)
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan string), make(chan struct{})
	go func() {
		defer close(ended)
		New(Part{Source: primary}, Part{Source: other}).Run(ctx, func(u discovery.Update) { told <- words(u) })
	}()
	primary <- set("a")
	other <- set("b")
	if got := <-told; got != "set a b" {
		t.Errorf("told %q", got)
	}
	cancel()
	<-ended
}

// The others are waited for, but not for ever.
func TestRunWaitsForTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		primary, other := make(played), make(played)
		ctx, cancel := context.WithCancel(t.Context())
		var took []time.Duration
		var began time.Time
		var ended sync.WaitGroup
		ended.Go(func() {
			New(Part{Source: primary}, Part{Source: other}).Run(ctx, func(discovery.Update) { took = append(took, time.Since(began)) })
		})
		time.Sleep(time.Hour)
		began = time.Now()
		primary <- set("a")
		time.Sleep(time.Hour)
		cancel()
		ended.Wait()
		if !slices.Equal(took, []time.Duration{patience}) {
			t.Errorf("told after %v, want once after %v", took, patience)
		}
	})
}
