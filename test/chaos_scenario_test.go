package test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	scenarioNames = flag.String("scenario", "", "`names` of the scenarios to measure, with commas; all or none of them")
	scenarioRate  = flag.Int("scenario.rate", 2000, "`requests` a second of a scenario")
	scenarioTimes = flag.Int("scenario.times", 5, "how `often` a crash or a hang is measured")
	comings       = flag.Int("comings", 200, "how `often` an instance comes and goes")
	absence       = flag.Duration("absence", 10*time.Minute, "how `long` Consul is gone")
)

// scenario is a fault by itself, measured. What it must not take longer than is
// part of it: only make chaos holds it to that, since it takes a machine that
// does nothing else.
type scenario struct {
	name  string
	shape shape
	play  func(*storm)
}

var scenarios = []scenario{
	{"comings", shape{units: 4}, (*storm).measureComings},
	{"crash", shape{units: 3, posts: 4}, (*storm).measureCrash},
	{"hang", shape{units: 4, posts: 4}, (*storm).measureHang},
	{"absence", shape{units: 8, posts: 4, keep: true}, (*storm).measureAbsence},
	{"reload", shape{units: 4, posts: 4}, (*storm).measureReload},
	{"upgrade", shape{units: 4, posts: 4}, (*storm).measureUpgrade},
	{"cold start", shape{units: 4, keep: true}, (*storm).measureColdStart},
}

func TestScenarios(t *testing.T) {
	if *scenarioNames == "" {
		t.Skip("make chaos measures them")
	}
	names := strings.Split(*scenarioNames, ",")
	for _, c := range scenarios {
		if !slices.Contains(names, "all") && !slices.Contains(names, c.name) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			c.shape.rate, c.shape.response = *scenarioRate, "15s"
			s := startStorm(t, 1, c.shape)
			s.pass(time.Second)
			c.play(s)
			s.account()
		})
	}
}

// scene plays a part of a scenario, whose requests are counted apart.
func (s *storm) scene(name string, play func()) {
	s.played = append(s.played, name)
	s.ledger.begin(len(s.played))
	play()
}

// account ends a scenario, and prints what became of the requests of each scene.
func (s *storm) account() {
	acts := s.finish()
	var order []string
	scenes := map[string]*tally{}
	for n, name := range s.played {
		if scenes[name] == nil {
			order = append(order, name)
			scenes[name] = &tally{}
		}
		if t := acts[n+1]; t != nil {
			scenes[name].add(t)
		}
	}
	for _, name := range order {
		t := scenes[name]
		slices.Sort(t.took)
		s.say("%s: %d GETs, %d failed; %d POSTs, %d failed, %d of them excused, %d doubled; p50 %s, p99 %s, p99.9 %s, max %s %q",
			name, t.gets, t.failed, t.posts, t.failedPosts+t.excused, t.excused, t.doubled, ms(quantile(t.took, .5)), ms(quantile(t.took, .99)),
			ms(quantile(t.took, .999)), ms(quantile(t.took, 1)), t.kinds())
		if t.wrong() > 0 {
			s.t.Errorf("%s: %d requests went wrong", name, t.wrong())
		}
	}
	s.say("GETs sent anew on a closed connection: %d; longest delay of the traffic itself: %s", s.ledger.again, ms(s.ledger.lag))
	for _, f := range s.ledger.failures {
		s.t.Error(f)
	}
}

func (s *storm) say(format string, args ...any) {
	fmt.Printf("%s: %s\n", s.t.Name(), fmt.Sprintf(format, args...))
}

// measured prints quantiles, and fails the test where one is over its limit.
func (s *storm) measured(what string, took []time.Duration, q float64, limit time.Duration) {
	slices.Sort(took)
	s.say("%s, %d times: p50 %s, p99 %s, max %s", what, len(took), ms(quantile(took, .5)), ms(quantile(took, .99)), ms(quantile(took, 1)))
	if d := quantile(took, q); limit > 0 && d > limit {
		s.t.Errorf("%s: the quantile %v is %v, wanted at most %v", what, q, d, limit)
	}
}

// measureComings measures how soon an instance that registers is served, and
// how soon one that is deregistered is left alone. Consul takes some of that
// time before it confirms the change; from then on counts what is wanted. The last
// request is sent no later than rota tells of the change, since that is after the
// pool without the instance is in use; when the instance reads it depends on the
// machine as well.
func (s *storm) measureComings() {
	var first, firstOfAll, sent, last, lastOfAll []time.Duration
	for range *comings {
		u := s.start()
		s.pass(200 * time.Millisecond) // its start takes some of the machine
		s.scene("an instance comes", func() {
			asked := time.Now()
			s.register(u)
			for u.actor.first.Load() == 0 {
				s.ledger.pass(1)
			}
			served := time.Unix(0, u.actor.first.Load())
			first = append(first, max(0, served.Sub(s.changed)))
			firstOfAll = append(firstOfAll, served.Sub(asked))
			s.pass(100 * time.Millisecond)
		})
		s.agree("")
		s.scene("and goes", func() {
			asked := time.Now()
			s.deregister(u)
			s.pass(150 * time.Millisecond)
			told, err := time.Parse(time.RFC3339, fmt.Sprint(s.rota.awaitAfter(asked, "endpoint draining", "id", u.name).fields["@timestamp"]))
			if err != nil {
				s.t.Fatal(err)
			}
			sent = append(sent, max(0, told.Sub(s.changed)))
			left := time.Unix(0, u.actor.last.Load())
			last = append(last, max(0, left.Sub(s.changed)))
			lastOfAll = append(lastOfAll, max(0, left.Sub(asked)))
		})
		s.agree("")
		s.retire(u)
	}
	s.measured("from the registration, confirmed, to the first request", first, .99, 30*time.Millisecond)
	s.measured("the same from asking for it", firstOfAll, 1, 0)
	s.measured("from the deregistration, confirmed, to the last request that may be sent", sent, .99, 10*time.Millisecond)
	s.measured("to the last request that is read", last, 1, 0)
	s.measured("the same from asking for it", lastOfAll, 1, 0)
}

// measureCrash kills one of three.
func (s *storm) measureCrash() {
	var noticed, worst []time.Duration
	for i := range *scenarioTimes {
		u := s.in()[i%3]
		over := s.ledger.risky()
		s.scene("the second after a kill -9", func() {
			s.kill(u)
			killed := s.changed
			s.agree("killed")
			s.pass(time.Second - time.Since(killed))
		})
		noticed = append(noticed, s.converged["killed"][i])
		worst = append(worst, s.ledger.slowest(len(s.played), .99, func(*request) bool { return true }))
		over()
		s.restart(u, true)
		s.scene("calm", func() {
			s.agree("returned")
			s.pass(time.Second)
		})
	}
	s.measured("from the kill -9 to the ejection", noticed, 1, 0)
	s.measured("p99 of the second after it", worst, 1, 50*time.Millisecond)
}

// measureHang makes one of four take requests and never answer, while its health
// check passes.
func (s *storm) measureHang() {
	var noticed, worst []time.Duration
	for i := range *scenarioTimes {
		u := s.in()[i%4]
		over := s.ledger.risky()
		s.scene("an instance hangs", func() {
			u.actor.be(moodMute)
			u.health = out
			hung := time.Now()
			s.changed = hung
			s.agree("ejected")
			s.pass(max(0, 3*time.Second-time.Since(hung)))
		})
		noticed = append(noticed, s.converged["ejected"]...)
		s.converged["ejected"] = nil
		over()
		u.actor.be(moodWell)
		u.health = serving
		s.changed = time.Now()
		s.scene("calm", func() {
			s.agree("returned")
			s.pass(time.Second)
		})
		worst = append(worst, s.ledger.slowest(len(s.played)-1, 1, func(r *request) bool { return !r.post }))
	}
	s.measured("from the hang to the ejection", noticed, 1, time.Second)
	s.measured("the slowest GET", worst, 1, time.Second)
	s.measured("from the end of the hang to the return", s.converged["returned"], 1, 0)
}

// measureAbsence kills Consul and lets backends die and return until it is back.
func (s *storm) measureAbsence() {
	rng := rand.New(rand.NewPCG(s.seed, 0))
	s.scene("without Consul", func() {
		s.agent.Kill()
		s.loseSight()
		for gone := time.Now(); time.Since(gone) < *absence; {
			s.duringBlindness(rng, false)
			for _, u := range s.units {
				if u.health == out {
					s.restart(u, true)
				}
			}
			s.agree("returned, without Consul")
		}
	})
	s.scene("Consul returns", func() {
		s.agent.Start()
		s.regainSight()
		s.register(s.start())
		s.agree("in step")
		s.pass(time.Second)
	})
	s.measured("from the kill -9 to the ejection, without Consul", s.converged["killed, without Consul"], 1, 0)
	s.measured("from Consul's return to being in step", s.converged["in step"], 1, time.Second)
}

// measureColdStart starts rota while Consul is away.
func (s *storm) measureColdStart() {
	var took []time.Duration
	s.traffic.stop()
	s.agent.Kill()
	for range *scenarioTimes {
		if err := s.rota.stop(); err != nil {
			s.t.Errorf("rota exited with %v", err)
		}
		began := time.Now()
		s.startRota()
		tr := startTraffic(s.t, s.rota.url[len("http://"):], s.traffic.rate, 0, s.ledger)
		s.scene("after a cold start", func() { s.ledger.pass(1) })
		took = append(took, time.Since(began))
		s.pass(time.Second)
		tr.stop()
	}
	s.measured("from the start of rota to its first answer, without Consul", took, 1, time.Second)
}
