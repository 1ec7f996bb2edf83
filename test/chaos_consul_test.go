package test

import (
	"math/rand/v2"
	"time"
)

// duringBlindness is what goes on while rota can't see Consul: backends die and
// return, and rota may take its configuration anew. If Consul itself is reachable,
// the service changes too, which rota must learn when it sees again.
func (s *storm) duringBlindness(rng *rand.Rand, changes bool) (after func()) {
	s.pass(time.Duration(200+rng.IntN(800)) * time.Millisecond)
	over := s.ledger.risky()
	killed := s.some(rng, 3)
	for _, u := range killed {
		s.kill(u)
	}
	s.agree("killed, without Consul")
	over()
	if rng.IntN(2) == 0 {
		s.rewrite(rng, false)
		s.reload(false)
	}
	var leavers []*unit
	if changes {
		s.register(s.start())
		for _, u := range s.some(rng, 2) {
			s.deregister(u)
			leavers = append(leavers, u)
		}
	}
	s.pass(time.Duration(200+rng.IntN(800)) * time.Millisecond)
	for i, u := range killed {
		if i%2 == 0 {
			s.restart(u, true)
		}
	}
	s.agree("returned, without Consul")
	return func() {
		s.retire(leavers...)
		for i, u := range killed {
			if i%2 == 1 {
				s.restart(u, false)
				s.register(u)
			}
		}
		s.agree("moved")
	}
}

// playPartition cuts rota off from the agent, while all else goes on.
func (s *storm) playPartition(rng *rand.Rand) {
	s.link.Cut()
	s.loseSight()
	after := s.duringBlindness(rng, true)
	s.link.Mend(rng.IntN(2) == 0)
	s.regainSight()
	s.agree("partition mended")
	after()
}

// playPause freezes the agent, as a machine that swaps does.
func (s *storm) playPause(rng *rand.Rand) {
	s.agent.Pause()
	s.loseSight()
	after := s.duringBlindness(rng, false)
	s.agent.Resume()
	s.awaitCatalog()
	s.regainSight()
	s.agree("Consul resumed")
	after()
}

// playConsulKilled kills the agent with kill -9, and starts it again. One that
// is on its own comes back knowing nothing, and is told everything anew, as
// instances do that look after their registration.
func (s *storm) playConsulKilled(rng *rand.Rand) {
	s.agent.Kill()
	s.loseSight()
	after := s.duringBlindness(rng, false)
	s.agent.Start()
	if !s.cluster && !s.keep {
		tokenFirst := rng.IntN(2) == 0
		if tokenFirst {
			s.revoke = s.grant(readAll)
		}
		for _, u := range s.units {
			if u.registered {
				s.register(u)
			}
		}
		if !tokenFirst {
			s.revoke = s.grant(readAll)
		}
	}
	s.awaitCatalog()
	s.regainSight()
	s.agree("Consul restarted")
	after()
}

// playLeaderLost kills the leader of the cluster. The service changes as soon as
// there is another, and again when it is back.
func (s *storm) playLeaderLost(rng *rand.Rand) {
	s.servers.AwaitVoters()
	former := s.servers.Leader(nil)
	former.Kill()
	s.loseSight()
	s.truth = s.servers.Leader(former).Client()
	s.awaitCatalog()
	s.regainSight()
	s.agree("leader elected")
	s.playRoll(rng)
	former.Start()
	s.playRegister(rng)
}

// playTokenRevoked takes rota's token away, or all that it may do.
func (s *storm) playTokenRevoked(rng *rand.Rand) {
	revoke := s.revoke
	if rng.IntN(2) == 0 {
		revoke()
		revoke = nil
	} else {
		s.grant("")
	}
	s.loseSight()
	// A query that waits takes no notice until something changes; whether rota
	// gets to see that change is open.
	s.doubtful = true
	s.register(s.start())
	after := s.duringBlindness(rng, true)
	s.revoke = s.grant(readAll)
	if revoke != nil {
		revoke()
	}
	s.regainSight()
	s.agree("token granted")
	after()
}

// awaitCatalog waits until Consul itself is in order again.
func (s *storm) awaitCatalog() {
	s.t.Helper()
	blind := s.blind
	s.blind = nil
	want := s.believed()
	s.blind = blind
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var wrong []string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if wrong = s.catalogWrong(want); len(wrong) == 0 {
			return
		}
	}
	s.t.Fatalf("Consul does not recover: %q", wrong)
}
