package test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

var (
	stormSeed     = flag.Uint64("seed", 0, "`number` from which a storm is made; 0: a new one")
	stormRequests = flag.Int("requests", 0, "how many `requests` a long storm has at least; 0: there is none")
	stormOf       = flag.String("acts", ".", "`pattern` of the acts that a long storm is made of")
	stormRate     = flag.Int("rate", 1500, "`requests` a second of a long storm")
)

// TestStorm plays each act once, in the order of a fixed seed.
func TestStorm(t *testing.T) {
	const seed = 1
	s := startStorm(t, seed, shape{units: 12, rate: 200, posts: 4, response: "5s", hasty: true})
	order := rand.New(rand.NewPCG(seed, 0))
	for _, i := range order.Perm(len(stormActs)) {
		if stormActs[i].name != leaderLost {
			s.play(stormActs[i])
		}
	}
	s.report(s.finish())
}

// TestLongStorm plays acts at random until there were enough requests.
func TestLongStorm(t *testing.T) {
	if *stormRequests == 0 {
		t.Skip("make chaos runs it")
	}
	seed := *stormSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano() % 1e6)
	}
	fmt.Printf("the storm of -seed %d\n", seed)
	s := startStorm(t, seed, shape{units: 20, rate: *stormRate, posts: 4, response: "2s", cluster: true})
	var deck []act
	chosen := regexp.MustCompile(*stormOf)
	for _, a := range stormActs {
		if chosen.MatchString(a.name) {
			deck = append(deck, slices.Repeat([]act{a}, a.weight)...)
		}
	}
	order := rand.New(rand.NewPCG(seed, 0))
	for s.requests() < *stormRequests && s.wrong < 10 {
		s.play(deck[order.IntN(len(deck))])
	}
	s.report(s.finish())
}

func (s *storm) requests() int {
	s.ledger.mu.Lock()
	defer s.ledger.mu.Unlock()
	return len(s.ledger.requests) - 1
}

// report prints what was, and fails the test where something must not be.
func (s *storm) report(acts map[int]*tally) {
	var b strings.Builder
	fmt.Fprintf(&b, "storm of seed %d: %d requests in %v, %d acts\n\n",
		s.seed, s.requests(), s.ledger.now().Round(time.Second), len(s.played))
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "act\ttimes\tGETs\tfailed\tPOSTs\tfailed\texcused\tdoubled\tlost\tGET p50\tp99\tp99.9\tmax\t")
	byName, times := map[string]*tally{}, map[string]int{}
	all := &tally{}
	for n, t := range acts {
		name := "before"
		if n > 0 {
			name = s.played[n-1]
		}
		if byName[name] == nil {
			byName[name] = &tally{}
		}
		byName[name].add(t)
		all.add(t)
		times[name]++
	}
	for _, a := range append([]act{{name: "before"}}, stormActs...) {
		if t := byName[a.name]; t != nil {
			t.row(w, a.name, times[a.name])
		}
	}
	all.row(w, "all", len(s.played))
	fmt.Fprintln(w, "\n\tevents\tlate\tp50\tp99\tmax\t")
	names := make([]string, 0, len(s.converged))
	for name := range s.converged {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		took := s.converged[name]
		slices.Sort(took)
		overdue := 0
		for _, d := range took {
			if d > late {
				overdue++
			}
		}
		fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\t\n", name, len(took), overdue,
			ms(quantile(took, .5)), ms(quantile(took, .99)), ms(quantile(took, 1)))
	}
	w.Flush()
	fmt.Fprintf(&b, "\nwhat went wrong: %q\n", all.kinds())
	fmt.Fprintf(&b, "GETs sent anew on a closed connection: %d; longest delay of the traffic itself: %s\n", s.ledger.again, ms(s.ledger.lag))
	fmt.Println(b.String())
	for _, f := range s.ledger.failures {
		s.t.Error(f)
	}
	if n := all.wrong(); n > 0 {
		s.t.Errorf("seed %d: %d requests went wrong", s.seed, n)
	}
}

func (t *tally) row(w *tabwriter.Writer, name string, times int) {
	slices.Sort(t.took)
	fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t\n", name, times, t.gets, t.failed, t.posts, t.failedPosts,
		t.excused, t.doubled, t.lost, ms(quantile(t.took, .5)), ms(quantile(t.took, .99)), ms(quantile(t.took, .999)), ms(quantile(t.took, 1)))
}

// ms is a time in milliseconds.
func ms(d time.Duration) string { return fmt.Sprintf("%.1fms", float64(d)/1e6) }
