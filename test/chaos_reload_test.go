package test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// The parts of a storm's configuration that change with a reload.
var (
	balanceLine  = regexp.MustCompile(`balance = "\w+"`)
	intervalLine = regexp.MustCompile(`interval = "\w+"`)
	agentLine    = regexp.MustCompile(`address    = ".*"`)
	stateLine    = regexp.MustCompile(`state_dir = ".*"`)
	asideBlocks  = regexp.MustCompile(`(?s)# aside\n.*`)
)

const aside = `# aside
service "aside" {
  discover "static" { urls = ["http://127.0.0.1:9"] }
}
route {
  path_prefix = "/aside"
  service     = "aside"
}
route { service = "web" }
`

// rewrite changes rota's configuration to another that is as good, or, if it is
// to be broken, to one that is wrong.
func (s *storm) rewrite(rng *rand.Rand, broken bool) {
	next := s.config
	next = balanceLine.ReplaceAllString(next, fmt.Sprintf("balance = %q", []string{"round_robin", "least_request", "random"}[rng.IntN(3)]))
	next = intervalLine.ReplaceAllString(next, fmt.Sprintf("interval = \"%dms\"", 1000+rng.IntN(1000)))
	if rng.IntN(3) == 0 { // Consul is asked anew, by the same or another way
		next = agentLine.ReplaceAllString(next, fmt.Sprintf("address    = %q", []string{"", "http://"}[rng.IntN(2)]+s.link.Addr()))
		next = stateLine.ReplaceAllString(next, fmt.Sprintf("state_dir = %q", []string{"", filepath.Join(s.dir, "state")}[rng.IntN(2)]))
	}
	next = asideBlocks.ReplaceAllString(next, "")
	if rng.IntN(2) == 0 {
		next += aside
	}
	s.config = next
	if broken {
		next += "broken\n"
	}
	s.rota.configure(next)
}

// reload has rota take its configuration again, and waits until it has. What
// was known of each instance must still be known then.
func (s *storm) reload(broken bool) {
	s.t.Helper()
	began, says := time.Now(), "reloaded"
	if broken {
		says = "not reloaded"
	}
	s.rota.signal(syscall.SIGHUP)
	s.rota.awaitAfter(began, says)
	h, err := s.look()
	want := s.believed()
	for name, p := range want {
		if p == serving { // traffic may have taken it out at that very moment
			want[name] = either
		}
	}
	if err != nil {
		s.violation("after a reload: %v", err)
	} else if wrong := poolDifferences(want, h); len(wrong) > 0 {
		s.violation("a reload lost what was known:\n\t%s", strings.Join(wrong, "\n\t"))
	}
}

// playReload reloads while some instances are dead and in maintenance.
func (s *storm) playReload(rng *rand.Rand) {
	over := s.ledger.risky()
	dead := s.some(rng, 2)
	for _, u := range dead {
		s.kill(u)
	}
	s.agree("killed")
	over()
	tired := s.some(rng, 1)[0]
	s.maintain(tired, true)
	s.agree("maintenance")
	for range 3 {
		broken := rng.IntN(4) == 0
		s.rewrite(rng, broken)
		s.reload(broken)
		s.pass(300 * time.Millisecond)
	}
	s.rewrite(rng, false) // an upgrade would not start from a broken file
	s.reload(false)
	s.maintain(tired, false)
	s.agree("maintenance")
	for _, u := range dead {
		s.restart(u, true)
	}
	s.agree("returned")
}

// measureReload reloads every second for a minute.
func (s *storm) measureReload() {
	rng := rand.New(rand.NewPCG(s.seed, 0))
	var took []time.Duration
	s.scene("a reload each second", func() {
		for range 60 {
			s.rewrite(rng, false)
			began := time.Now()
			s.reload(false)
			took = append(took, time.Since(began))
			s.pass(max(0, time.Second-time.Since(began)))
		}
	})
	s.measured("from SIGHUP to being reloaded", took, 1, 0)
}

// playUpgrade has new processes take over while an instance is dead: in the end
// they know all that the first one did.
func (s *storm) playUpgrade(rng *rand.Rand) {
	over := s.ledger.risky()
	dead := s.some(rng, 1)[0]
	s.kill(dead)
	s.agree("killed")
	over()
	for range 1 + rng.IntN(2) {
		s.upgrade()
		s.pass(time.Duration(rng.IntN(1000)) * time.Millisecond)
	}
	s.restart(dead, true)
	s.agree("returned")
}

// upgrade has another process take over, and waits until that knows all.
func (s *storm) upgrade() {
	s.t.Helper()
	s.rota.upgrade()
	s.changed = time.Now()
	s.agree("upgraded")
}

// measureUpgrade has five processes take over, one from another.
func (s *storm) measureUpgrade() {
	var took []time.Duration
	s.scene("binary upgrades", func() {
		for range 5 {
			began := time.Now()
			s.upgrade()
			took = append(took, time.Since(began))
			s.pass(2 * time.Second)
		}
	})
	s.measured("from SIGUSR2 to a new process that knows all", took, 1, 0)
}
