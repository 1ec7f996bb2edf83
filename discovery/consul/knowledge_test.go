package consul

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestNextIndex(t *testing.T) {
	for _, tt := range []struct {
		name      string
		sent, got uint64
		next      uint64
		reading   reading
	}{
		{"the first answer", 0, 7, 7, fresh},
		{"a change", 7, 8, 8, fresh},
		{"a jump", 7, 1 << 60, 1 << 60, fresh},
		{"nothing new", 7, 7, 7, same},
		{"backwards", 7, 6, 0, doubtful},
		{"backwards to 0", 7, 0, 0, doubtful},
		{"the first answer has index 0", 0, 0, 1, fresh},
		{"index 0 stays", 1, 0, 1, fresh},
		{"nothing new since index 1", 1, 1, 1, same},
	} {
		t.Run(tt.name, func(t *testing.T) {
			next, reading := nextIndex(tt.sent, tt.got)
			if next != tt.next || reading != tt.reading {
				t.Errorf("nextIndex(%d, %d) = %d, %d; want %d, %d", tt.sent, tt.got, next, reading, tt.next, tt.reading)
			}
		})
	}
}

// event is what a request brought: an answer, or an error.
type event struct {
	index    uint64
	names    string // of the instances: a letter each; "-" for null
	noLeader bool
	streamed bool // answered from the agent's event stream
	filtered bool
	err      error
}

func (e event) answer() ([]*api.ServiceEntry, *api.QueryMeta, error) {
	if e.err != nil {
		return nil, nil, e.err
	}
	meta := &api.QueryMeta{LastIndex: e.index, KnownLeader: !e.noLeader, ResultsFilteredByACLs: e.filtered}
	if e.streamed {
		meta.QueryBackend = api.QueryBackendStreaming
	}
	if e.names == "-" {
		return nil, meta, nil
	}
	entries := []*api.ServiceEntry{}
	for _, name := range e.names {
		if name == '?' {
			entries = append(entries, nil)
			continue
		}
		entries = append(entries, testkit.Entry("web", string(name), "10.0.0.1", 80))
	}
	return entries, meta, nil
}

// TestLearn tells for each row what each event makes of what is known: the
// Set's names in brackets, "same" for Unchanged, "fail" for Failed, "ask" if it
// is no news; and after a colon the index to ask with next.
func TestLearn(t *testing.T) {
	refused := errors.New("connection refused")
	for _, tt := range []struct {
		name   string
		events []event
		want   []string
	}{
		{"instances come and go",
			[]event{{index: 1}, {index: 5, names: "a"}, {index: 6, names: "ab"}, {index: 9, names: "b"}},
			[]string{"[]:1", "[a]:5", "[ab]:6", "[b]:9"}},
		{"nothing is new",
			[]event{{index: 5, names: "a"}, {index: 5, names: "a"}, {index: 6, names: "a"}},
			[]string{"[a]:5", "same:5", "same:6"}},
		{"another order is nothing new",
			[]event{{index: 5, names: "ab"}, {index: 6, names: "ba"}},
			[]string{"[ab]:5", "same:6"}},
		{"a failure keeps what is known",
			[]event{{index: 5, names: "a"}, {err: refused}, {err: refused}, {index: 5, names: "a"}, {index: 6, names: "b"}},
			[]string{"[a]:5", "fail:0", "fail:0", "same:5", "[b]:6"}},
		{"a change during a failure is not missed, though the index is the same",
			[]event{{index: 5, names: "a"}, {err: refused}, {index: 5, names: "b"}},
			[]string{"[a]:5", "fail:0", "[b]:5"}},
		{"a failure at first",
			[]event{{err: refused}, {index: 5}},
			[]string{"fail:0", "[]:5"}},
		{"the index goes backwards: ask again, and believe that",
			[]event{{index: 5, names: "ab"}, {index: 3, names: ""}, {index: 3, names: "a"}, {index: 4, names: "ab"}},
			[]string{"[ab]:5", "ask:0", "[a]:3", "[ab]:4"}},
		{"the index is 0 for good: each answer is compared",
			[]event{{index: 0, names: "a"}, {index: 0, names: "a"}, {index: 0, names: "b"}},
			[]string{"[a]:1", "same:1", "[b]:1"}},
		{"filtered",
			[]event{{index: 5, names: "ab"}, {index: 6, filtered: true}, {index: 7, names: "a", filtered: true}, {index: 7, names: "ab"}},
			[]string{"[ab]:5", "fail:0", "fail:0", "same:7"}},
		{"filtered at first is no empty set",
			[]event{{index: 6, filtered: true}, {index: 6, names: "a"}},
			[]string{"fail:0", "[a]:6"}},
		{"no leader",
			[]event{{index: 5, names: "ab"}, {index: 6, names: "a", noLeader: true}, {index: 6, names: "a"}},
			[]string{"[ab]:5", "fail:0", "[a]:6"}},
		{"no leader at first: old instances are better than none",
			[]event{{index: 5, noLeader: true}, {index: 5, names: "a", noLeader: true}, {index: 5, names: "a", noLeader: true}, {index: 5, names: "a"}},
			[]string{"fail:0", "[a]:5", "fail:0", "same:5"}},
		{"an agent that streams never names a leader",
			[]event{{index: 5, names: "a"}, {index: 6, names: "ab", noLeader: true, streamed: true}},
			[]string{"[a]:5", "[ab]:6"}},
		{"what a stream leaves out is asked for directly",
			[]event{{index: 5, names: "ab"}, {index: 6, names: "a", streamed: true}, {index: 6, names: "a"}},
			[]string{"[ab]:5", "ask:0", "[a]:6"}},
		{"a stream does not say that it is filtered, even under the same index",
			[]event{{index: 5, names: "ab"}, {index: 5, streamed: true}, {index: 5, filtered: true}},
			[]string{"[ab]:5", "ask:0", "fail:0"}},
		{"a stream does not say that it is broken",
			[]event{{index: 5, names: "a"}, {index: 5, names: "a", noLeader: true, streamed: true}, {err: refused}, {index: 5, names: "a"}},
			[]string{"[a]:5", "ask:0", "fail:0", "same:5"}},
		{"null is no empty list",
			[]event{{index: 5, names: "a"}, {index: 6, names: "-"}, {index: 6}},
			[]string{"[a]:5", "fail:0", "[]:6"}},
		{"a list with null in it",
			[]event{{index: 5, names: "a"}, {index: 6, names: "a?"}, {index: 6, names: "ab"}},
			[]string{"[a]:5", "fail:0", "[ab]:6"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := knowledge{watch: Watch{Service: "web"}}
			var got []string
			for _, e := range tt.events {
				update, isNews := k.learn(e.answer())
				got = append(got, fmt.Sprintf("%s:%d", brief(update, isNews), k.index))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("learned %q, want %q", got, tt.want)
			}
		})
	}
}

// brief tells an update in a word.
func brief(u discovery.Update, isNews bool) string {
	switch {
	case !isNews:
		return "ask"
	case u.Kind == discovery.Unchanged:
		return "same"
	case u.Kind == discovery.Failed:
		return "fail"
	}
	names := ""
	for _, i := range u.Instances {
		names += i.Name
	}
	return "[" + names + "]"
}

// TestLearnLeavesTheUpdateToItsReceiver: what the receiver does to its slices
// is not what the next answer is compared with.
func TestLearnLeavesTheUpdateToItsReceiver(t *testing.T) {
	k := knowledge{}
	update, _ := k.learn(event{index: 1, names: "ab"}.answer())
	slices.Reverse(update.Instances)
	update.Instances[0].Address = "changed"
	if update, _ := k.learn(event{index: 2, names: "ab"}.answer()); update.Kind != discovery.Unchanged {
		t.Errorf("update %+v, want what is known to be confirmed", update)
	}
}
