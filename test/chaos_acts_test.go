package test

import (
	"math/rand/v2"
	"syscall"
	"time"
)

// act is one thing that goes wrong, or that people do.
type act struct {
	name   string
	weight int // how often it is played, beside the others
	play   func(*storm, *rand.Rand)
}

var stormActs = []act{
	{"register", 4, (*storm).playRegister},
	{"deregister", 4, (*storm).playDeregister},
	{"rolling replacement", 6, (*storm).playRoll},
	{"kill -9", 6, (*storm).playKill},
	{"hang (SIGSTOP)", 4, (*storm).playHang},
	{"hang, check passes", 4, (*storm).playMute},
	{"reset", 4, (*storm).playReset},
	{"slow", 4, (*storm).playSlow},
	{"flap", 3, (*storm).playFlap},
	{"maintenance", 3, (*storm).playMaintenance},
	{"partition", 4, (*storm).playPartition},
	{"Consul paused", 3, (*storm).playPause},
	{"Consul killed", 3, (*storm).playConsulKilled},
	{"token revoked", 3, (*storm).playTokenRevoked},
	{"reload", 3, (*storm).playReload},
	{"upgrade", 3, (*storm).playUpgrade},
	{leaderLost, 3, (*storm).playLeaderLost},
}

// leaderLost is an act that needs a cluster.
const leaderLost = "leader lost"

// The fleet is kept between these sizes.
const (
	fewest = 8
	most   = 28
)

func (s *storm) playRegister(rng *rand.Rand) {
	for range 1 + rng.IntN(3) {
		if len(s.units) >= most {
			s.playDeregister(rng)
		}
		s.register(s.start())
		if rng.IntN(2) == 0 {
			s.agree("registered")
		}
	}
	s.agree("registered")
	s.pass(200 * time.Millisecond)
}

func (s *storm) playDeregister(rng *rand.Rand) {
	if len(s.in()) <= fewest {
		s.register(s.start())
		s.register(s.start())
		s.agree("registered")
	}
	leavers := s.some(rng, 3)
	for _, u := range leavers {
		s.deregister(u)
		if rng.IntN(2) == 0 {
			s.agree("deregistered")
		}
	}
	s.agree("deregistered")
	s.retire(leavers...)
	s.pass(drain + 200*time.Millisecond)
}

func (s *storm) playRoll(rng *rand.Rand) {
	leavers := s.some(rng, 6)
	for _, old := range leavers {
		s.register(s.start())
		s.agree("registered")
		s.deregister(old)
		if rng.IntN(2) == 0 {
			s.agree("deregistered")
		}
	}
	s.agree("deregistered")
	s.retire(leavers...)
	s.pass(drain + 200*time.Millisecond)
}

// playKill kills some at once; each comes back where it was, comes back
// elsewhere, or is given up.
func (s *storm) playKill(rng *rand.Rand) {
	over := s.ledger.risky()
	killed := s.some(rng, 4)
	for _, u := range killed {
		s.kill(u)
	}
	s.agree("killed")
	over()
	s.pass(300 * time.Millisecond)
	for _, u := range killed {
		switch rng.IntN(3) {
		case 0:
			s.restart(u, true)
			s.agree("returned")
		case 1:
			s.restart(u, false)
			s.register(u)
			s.agree("moved")
		case 2:
			s.deregister(u)
			s.retire(u)
			s.register(s.start())
			s.agree("replaced")
		}
	}
	s.pass(200 * time.Millisecond)
}

// playFlap registers and deregisters an instance that is well all the time.
func (s *storm) playFlap(rng *rand.Rand) {
	units := s.some(rng, 2)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	rounds := 20
	if s.hasty {
		rounds = 8
	}
	for range rounds {
		for _, u := range units {
			<-tick.C
			s.deregister(u)
			<-tick.C
			s.register(u)
		}
	}
	s.agree("flapped")
	s.pass(500 * time.Millisecond) // rota may be one turn behind, and look the same
}

func (s *storm) playMaintenance(rng *rand.Rand) {
	units := s.some(rng, 3)
	for _, on := range []bool{true, false} {
		for _, u := range units {
			s.maintain(u, on)
		}
		s.agree("maintenance")
		s.pass(300 * time.Millisecond)
	}
}

// ail makes some ill for a while, in a way that rota may notice or not, and waits
// until they serve again.
func (s *storm) ail(rng *rand.Rand, ill, well func(*unit)) {
	units := s.some(rng, 2)
	for _, u := range units {
		ill(u)
		u.health = either
	}
	s.pass(time.Duration(1500+rng.IntN(1500)) * time.Millisecond)
	for _, u := range units {
		well(u)
		u.health = serving
	}
	s.changed = time.Now()
	s.agree("well again")
}

// playHang freezes processes: even their health check hangs.
func (s *storm) playHang(rng *rand.Rand) {
	defer s.ledger.risky()()
	s.ail(rng, func(u *unit) { u.actor.signal(syscall.SIGSTOP) }, func(u *unit) { u.actor.signal(syscall.SIGCONT) })
}

func (s *storm) playMute(rng *rand.Rand) {
	defer s.ledger.risky()()
	s.ail(rng, func(u *unit) { u.actor.be(moodMute) }, func(u *unit) { u.actor.be(moodWell) })
}

func (s *storm) playReset(rng *rand.Rand) {
	defer s.ledger.risky()()
	s.ail(rng, func(u *unit) { u.actor.be(moodReset) }, func(u *unit) { u.actor.be(moodWell) })
}

func (s *storm) playSlow(rng *rand.Rand) {
	s.ail(rng, func(u *unit) { u.actor.be(moodSlow) }, func(u *unit) { u.actor.be(moodWell) })
}
