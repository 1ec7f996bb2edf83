package consul

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// event is what a query brought: an answer, or an error.
type event struct {
	after    time.Duration // since the one before
	index    uint64
	names    string // of the instances: a letter each; "?" for null; "z" is on another node
	has      bool   // the node that was asked has some
	noLeader bool
	streamed bool // answered from the agent's event stream
	filtered bool
	err      error
}

func (e event) answer() (answer, error) {
	if e.err != nil {
		return answer{}, e.err
	}
	meta := &api.QueryMeta{LastIndex: e.index, KnownLeader: !e.noLeader, ResultsFilteredByACLs: e.filtered}
	if e.streamed {
		meta.QueryBackend = api.QueryBackendStreaming
	}
	entries := []*api.ServiceEntry{}
	for _, name := range e.names {
		if name == '?' {
			entries = append(entries, nil)
			continue
		}
		entry := testkit.Entry("web", string(name), "10.0.0.1", 80)
		if name == 'z' {
			entry.Node.Node = "z"
		}
		entries = append(entries, entry)
	}
	body, err := json.Marshal(entries)
	if err != nil {
		return answer{}, err
	}
	items, err := newReader(Watch{}).read(bytes.NewReader(body), false)
	return answer{items: items, has: e.has, meta: meta}, err
}

// epoch is when the clocks of tests start.
var epoch = time.Unix(1000, 0)

// TestLearn tells for each row what each event makes of what is known: the
// Set's names in brackets, those that are held as capitals, "same" for
// Unchanged, "fail" for Failed, "ask" if it is no news; and after a colon the
// index to ask with next, or "leader" if a consistent read is due.
func TestLearn(t *testing.T) {
	refused := errors.New("connection refused")
	for _, tt := range []lesson{
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
			[]event{{index: 5, names: "ab"}, {index: 3}, {index: 3, names: "a"}, {index: 4, names: "ab"}},
			[]string{"[ab]:5", "ask:0", "[a]:3", "[ab]:4"}},
		{"the index is 0 for good: each answer is compared",
			[]event{{index: 0, names: "a"}, {index: 0, names: "a"}, {index: 0, names: "b"}},
			[]string{"[a]:1", "same:1", "[b]:1"}},
		{"a leader is back: ask again",
			[]event{{index: 5, names: "a"}, {err: refused}, {err: errLeaderIsBack}, {index: 5, names: "b"}},
			[]string{"[a]:5", "fail:0", "ask:0", "[b]:5"}},
		{"answers are back, and another token: ask again",
			[]event{{index: 5, names: "a"}, {err: errAnswersAgain}, {index: 6, names: "b"}, {err: errNewToken}, {index: 6, names: "b"}},
			[]string{"[a]:5", "ask:0", "[b]:6", "ask:0", "same:6"}},
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
		{"a list with null in it",
			[]event{{index: 5, names: "a"}, {index: 6, names: "a?"}, {index: 6, names: "ab"}},
			[]string{"[a]:5", "fail:0", "[ab]:6"}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t) })
	}
}

// TestLearnHolds: the same, where most instances are missing at once.
func TestLearnHolds(t *testing.T) {
	refused := errors.New("connection refused")
	for _, tt := range []lesson{
		{"one of two goes: not more than one",
			[]event{{index: 5, names: "ab"}, {index: 6, names: "b"}, {index: 7}},
			[]string{"[ab]:5", "[b]:6", "[]:7"}},
		{"two of four go: not more than half",
			[]event{{index: 5, names: "abcd"}, {index: 6, names: "cd"}},
			[]string{"[abcd]:5", "[cd]:6"}},
		{"most go: held, then confirmed",
			[]event{{index: 5, names: "abc"}, {index: 6, names: "c"}, {index: 6, names: "c", after: holdFor}, {index: 6, names: "c"}, {index: 7, names: "cd"}},
			[]string{"[abc]:5", "[ABc]:6", "same:leader", "[c]:6", "[cd]:7"}},
		{"all go: held, then confirmed",
			[]event{{index: 5, names: "ab"}, {index: 6}, {index: 6, after: holdFor}, {index: 6}},
			[]string{"[ab]:5", "[AB]:6", "same:leader", "[]:6"}},
		{"held, and the leader knows better",
			[]event{{index: 5, names: "ab"}, {index: 6}, {index: 6, after: holdFor}, {index: 5, names: "ab"}},
			[]string{"[ab]:5", "[AB]:6", "same:leader", "[ab]:5"}},
		{"held, and back one by one",
			[]event{{index: 5, names: "abcd"}, {index: 6}, {index: 7, names: "b"}, {index: 8, names: "abc"}, {index: 9, names: "abcd"}, {index: 10, names: "bcd"}},
			[]string{"[abcd]:5", "[ABCD]:6", "[AbCD]:7", "[abcD]:8", "[abcd]:9", "[bcd]:10"}},
		{"what comes and changes meanwhile is believed",
			[]event{{index: 5, names: "bcd"}, {index: 6, names: "a"}, {index: 7, names: "ae"}},
			[]string{"[bcd]:5", "[aBCD]:6", "[aBCDe]:7"}},
		{"whoever goes meanwhile is held, too",
			[]event{{index: 5, names: "abc"}, {index: 6, names: "c"}, {index: 7, after: holdFor / 2}, {index: 7, after: holdFor / 2}, {index: 7}},
			[]string{"[abc]:5", "[ABc]:6", "[ABC]:7", "same:leader", "[]:7"}},
		{"held while there is no leader to confirm it",
			[]event{{index: 5, names: "ab"}, {index: 6}, {index: 6, after: holdFor}, {err: refused}, {index: 6, noLeader: true}, {index: 6, filtered: true}, {index: 6}},
			[]string{"[ab]:5", "[AB]:6", "same:leader", "fail:leader", "fail:leader", "fail:leader", "[]:6"}},
		{"a failure does not end the hold, nor begin it anew",
			[]event{{index: 5, names: "ab"}, {index: 6}, {err: refused, after: holdFor / 2}, {index: 1}, {index: 1, after: holdFor / 2}, {index: 1}},
			[]string{"[ab]:5", "[AB]:6", "fail:0", "same:1", "same:leader", "[]:1"}},
		{"a stream takes most away: asked directly, then held",
			[]event{{index: 5, names: "ab"}, {index: 6, streamed: true}, {index: 6}, {index: 6, streamed: true}, {index: 6}},
			[]string{"[ab]:5", "ask:0", "[AB]:6", "ask:0", "same:6"}},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(t) })
	}
}

// TestLearnAfterAnother: the same, where something is known before the first
// answer: the instances with these names, held ones as capitals.
func TestLearnAfterAnother(t *testing.T) {
	for before, lessons := range map[string][]lesson{
		"": {
			{"nothing was known", []event{{index: 5, names: "a"}, {index: 6}}, []string{"[a]:5", "[]:6"}},
		},
		"abc": {
			{"the same: still the first that is told", []event{{index: 5, names: "abc"}, {index: 6, names: "abc"}}, []string{"[abc]:5", "same:6"}},
			{"all are gone: held, then confirmed",
				[]event{{index: 5}, {index: 5, after: holdFor}, {index: 5}},
				[]string{"[ABC]:5", "same:leader", "[]:5"}},
			{"no leader: old instances are no better", []event{{index: 5, names: "a", noLeader: true}, {index: 5, names: "abc"}}, []string{"fail:0", "[abc]:5"}},
			{"one is gone, another is there", []event{{index: 5, names: "abd"}}, []string{"[abd]:5"}},
		},
		"ABc": {
			{"who was held is held", []event{{index: 5, names: "bc"}, {index: 5, after: holdFor}, {index: 5, names: "bc"}}, []string{"[Abc]:5", "same:leader", "[bc]:5"}},
			{"who was held is there", []event{{index: 5, names: "abc"}, {index: 6, names: "bc"}}, []string{"[abc]:5", "[bc]:6"}},
		},
	} {
		for _, l := range lessons {
			t.Run(before+" "+l.name, func(t *testing.T) {
				k := knowledge{watch: Watch{Service: "web"}, hold: holdFor}
				a, err := event{names: strings.ToLower(before)}.answer()
				if err != nil {
					t.Fatal(err)
				}
				known := newListing(a.items).update().Instances
				for n := range known {
					known[n].Held = before[n] < 'a'
				}
				k.recall(known, epoch)
				l.teach(t, k)
			})
		}
	}
}

// lesson is what events are to teach.
type lesson struct {
	name   string
	events []event
	want   []string
}

func (l lesson) run(t *testing.T) { l.teach(t, knowledge{watch: Watch{Service: "web"}, hold: holdFor}) }

func (l lesson) teach(t *testing.T, k knowledge) {
	now := epoch
	var got []string
	for _, e := range l.events {
		q := k.next(now)
		now = now.Add(e.after)
		a, err := e.answer()
		a.asked = q
		update, isNews := k.learn(a, err, now)
		next := "leader"
		if q := k.next(now); !q.consistent {
			next = fmt.Sprint(q.index)
		}
		got = append(got, brief(update, isNews)+":"+next)
	}
	if !slices.Equal(got, l.want) {
		t.Errorf("learned %q, want %q", got, l.want)
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
		if i.Held {
			i.Name = strings.ToUpper(i.Name)
		}
		names += i.Name
	}
	return "[" + names + "]"
}

// TestHoldIsWatched: while instances are held, a query that waits does so for no
// longer than they are.
func TestHoldIsWatched(t *testing.T) {
	k := knowledge{hold: holdFor, known: true, since: epoch, index: 7}
	for _, tt := range []struct {
		after time.Duration
		want  query
	}{
		{0, query{index: 7, wait: holdFor}},
		{holdFor - 1, query{index: 7, wait: 1}},
		{holdFor, query{consistent: true}},
		{time.Hour, query{consistent: true}},
	} {
		if got := k.next(epoch.Add(tt.after)); got != tt.want {
			t.Errorf("after %v it asks %+v, want %+v", tt.after, got, tt.want)
		}
	}
}
