package failover

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

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
	type step struct {
		from   int
		update discovery.Update
		want   string // what is told, joined by "; "
	}
	tests := map[string][]step{
		"joined, in order":                   {{0, set("b/1", "b/2"), "set b/1 b/2"}, {1, set("a/1"), "set a/1 b/1 b/2"}, {2, set("c/1"), "set a/1 b/1 b/2 c/1"}},
		"nothing before the primary":         {{1, set("a/1"), ""}, {2, unchanged, ""}, {0, set("b/1"), "set a/1 b/1"}},
		"its failures are told":              {{0, failed, "failed: no leader"}, {1, set("a/1"), ""}, {0, set("b/1"), "set a/1 b/1"}},
		"those of others are not":            {{0, set("b/1"), "set b/1"}, {1, set("a/1"), "set a/1 b/1"}, {1, failed, ""}, {1, unchanged, ""}, {0, unchanged, "unchanged"}},
		"others go on while it fails":        {{0, set("b/1"), "set b/1"}, {0, failed, "failed: no leader"}, {1, set("a/1"), "set a/1 b/1; failed: no leader"}, {0, unchanged, "unchanged"}, {1, set(), "set b/1"}},
		"an empty primary is news":           {{1, set("a/1"), ""}, {0, set(), "set a/1"}},
		"rejected instances are of all":      {{0, rejecting, "set b/1 -b/2"}, {1, set("a/1"), "set a/1 b/1 -b/2"}},
		"a datacenter that is named twice":   {{0, set("b/1"), "set b/1"}, {1, set("b/1"), "set b/1"}},
		"an instance that is gone elsewhere": {{0, set("b/1"), "set b/1"}, {1, set("a/1", "a/2"), "set a/1 a/2 b/1"}, {1, set("a/2"), "set a/2 b/1"}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var told []string
			j := joint{sets: make([]discovery.Update, 3), publish: func(u discovery.Update) { told = append(told, words(u)) }}
			for i, s := range steps {
				told = nil
				j.take(s.from, s.update)
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
		New(primary, other).Run(ctx, func(u discovery.Update) { told <- words(u) })
	}()
	primary <- set("a")
	if got := <-told; got != "set a" {
		t.Errorf("told %q", got)
	}
	other <- set("b")
	if got := <-told; got != "set a b" {
		t.Errorf("told %q", got)
	}
	cancel()
	<-ended
}
