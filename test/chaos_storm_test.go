package test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

const (
	// agreeLimit is how long rota may differ from the truth before that counts as
	// for ever.
	agreeLimit = 30 * time.Second
	// late is how long it may without being called late.
	late = time.Second
)

// unit is an instance, as the storm has made it.
type unit struct {
	name       string
	actor      *actor
	registered bool
	maintained bool
	health     place // serving, out or either
}

// storm plays a sequence of acts under traffic. All that it decides comes from
// its seed; only the moments are those of the machine.
type storm struct {
	shape
	t         *testing.T
	seed      uint64
	agent     *testkit.Consul  // whom rota asks, and where instances are registered
	servers   *testkit.Cluster // nil: the agent is all there is
	link      *testkit.Link    // rota's way to the agent
	truth     *api.Client      // Consul without that way
	dir       string
	token     string // the file with rota's token
	revoke    func() // takes that token away
	rota      *rota
	config    string // of it
	client    http.Client
	ledger    *ledger
	traffic   *traffic
	units     []*unit
	made      int
	blind     map[*unit]unit // what was so when rota lost Consul; nil while it has not
	doubtful  bool           // rota may see some of Consul all the same
	changed   time.Time      // last, since all agreed; zero: not at all
	converged map[string][]time.Duration
	played    []string // the names of the acts so far
	wrong     int
	retiring  sync.WaitGroup
}

// The policy that rota needs.
const readAll = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`

// stormConfig has everything on that rota has against faults.
const stormConfig = `
consul {
  address    = %q
  token_file = %q
}
state_dir = %q
service "web" {
  balance = "round_robin"
  health_check {
    path     = "/health"
    interval = "1s"
    timeout  = "500ms"
  }
  outlier {
    base_ejection = "1s"
    max_ejection  = "2s"
  }
  timeouts {
    connect  = "1s"
    response = %q
    stall    = "5s"
  }
}
`

// shape is what a storm goes through.
type shape struct {
	units    int
	rate     int    // requests a second
	posts    int    // each so-manieth of them is a POST; 0: none is
	response string // how long rota waits for the head of a response
	cluster  bool   // Consul is one, else an agent on its own
	keep     bool   // which keeps its data
	hasty    bool   // nothing is to last long
}

// startStorm starts Consul, backends, rota and traffic.
func startStorm(t *testing.T, seed uint64, of shape) *storm {
	t.Helper()
	s := &storm{t: t, seed: seed, shape: of, ledger: newLedger(), converged: map[string][]time.Duration{}}
	switch {
	case of.cluster:
		s.servers = testkit.StartCluster(t, testkit.WithACLs())
		s.agent, s.truth = s.servers.Agent, s.servers.Leader(nil).Client()
	case of.keep:
		s.agent = testkit.StartConsul(t, testkit.WithACLs(), testkit.KeepData())
		s.truth = s.agent.Client()
	default:
		s.agent = testkit.StartConsul(t, testkit.WithACLs())
		s.truth = s.agent.Client()
	}
	s.link = testkit.StartLink(t, s.agent.Addr())
	s.dir = t.TempDir()
	s.token = filepath.Join(s.dir, "token")
	s.revoke = s.grant(readAll)
	for range of.units {
		s.register(s.start())
	}
	s.startRota()
	s.client = http.Client{Timeout: patience, Transport: &http.Transport{}}
	t.Cleanup(s.client.CloseIdleConnections)
	s.agree("")
	s.ledger = restarted(s.ledger)
	s.traffic = startTraffic(t, s.rota.url[len("http://"):], of.rate, of.posts, s.ledger)
	return s
}

func (s *storm) startRota() {
	s.t.Helper()
	s.config = fmt.Sprintf(stormConfig, s.link.Addr(), s.token, filepath.Join(s.dir, "state"), s.response)
	s.rota = startReadyRota(s.t, s.config)
}

// restarted lets the clock of a ledger that is still empty begin now.
func restarted(l *ledger) *ledger {
	l.began = time.Now()
	return l
}

// violation notes what must not be.
func (s *storm) violation(format string, args ...any) {
	s.t.Helper()
	s.wrong++
	s.t.Errorf("act %d, %s: "+format, append([]any{len(s.played), s.played[len(s.played)-1]}, args...)...)
}

// play plays one act. What it decides depends on the seed and its number alone.
func (s *storm) play(a act) {
	s.played = append(s.played, a.name)
	n := len(s.played)
	s.ledger.begin(n)
	began := s.ledger.now()
	a.play(s, rand.New(rand.NewPCG(s.seed, uint64(n))))
	s.agree("")
	s.t.Logf("%7.1fs %5.1fs act %3d: %-22s %d instances", began.Seconds(), (s.ledger.now() - began).Seconds(), n, a.name, len(s.in()))
}

// in lists the instances that are registered and well.
func (s *storm) in() (units []*unit) {
	for _, u := range s.units {
		if u.registered && !u.maintained && u.health == serving {
			units = append(units, u)
		}
	}
	return units
}

// some chooses between 1 and n instances that are in, but less than half.
func (s *storm) some(rng *rand.Rand, n int) []*unit {
	units := s.in()
	rng.Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
	return units[:max(1, min(1+rng.IntN(n), (len(units)-1)/2))]
}

// start starts a new instance, which is not registered.
func (s *storm) start() *unit {
	s.made++
	u := &unit{name: fmt.Sprintf("web-%d", s.made), health: serving}
	u.actor = startActor(s.t, u.name, 0, s.ledger.arrived)
	s.units = append(s.units, u)
	return u
}

// restart starts an instance that was killed, on its port or on another.
func (s *storm) restart(u *unit, samePort bool) {
	port := 0
	if samePort {
		port = u.actor.port
	}
	u.actor = startActor(s.t, u.name, port, s.ledger.arrived)
	u.health = serving
	s.changed = time.Now()
}

func (s *storm) register(u *unit) {
	s.agent.Register(&api.AgentServiceRegistration{ID: u.name, Name: "web", Address: "127.0.0.1", Port: u.actor.port})
	u.registered = true
	s.changed = time.Now()
}

func (s *storm) deregister(u *unit) {
	s.agent.Deregister(u.name)
	u.registered = false
	s.changed = time.Now()
}

func (s *storm) maintain(u *unit, on bool) {
	agent := s.agent.Client().Agent()
	err := agent.DisableServiceMaintenance(u.name)
	if on {
		err = agent.EnableServiceMaintenance(u.name, "")
	}
	if err != nil {
		s.t.Fatal(err)
	}
	u.maintained = on
	s.changed = time.Now()
}

// kill kills the process of an instance. POSTs that it has may be lost.
func (s *storm) kill(u *unit) {
	u.actor.kill()
	u.health = out
	s.changed = time.Now()
}

// retire stops the processes of instances that were deregistered, after a while,
// as good ones do: they are forgotten at once. rota must know, or they must be
// dead: what it sends to one that closes on a busy machine is nobody's fault.
func (s *storm) retire(units ...*unit) {
	for _, u := range units {
		s.units = slices.DeleteFunc(s.units, func(o *unit) bool { return o == u })
		s.retiring.Add(1)
		time.AfterFunc(drain, func() {
			defer s.retiring.Done()
			u.actor.retire()
		})
	}
}

// loseSight marks that rota will hear nothing of Consul.
func (s *storm) loseSight() {
	s.blind = map[*unit]unit{}
	for _, u := range s.units {
		s.blind[u] = *u
	}
}

// regainSight marks that it can again.
func (s *storm) regainSight() {
	s.blind, s.doubtful = nil, false
	s.changed = time.Now()
}

// grant gives rota a new token with these rules, and returns what takes it away.
func (s *storm) grant(rules string) (revoke func()) {
	secret := s.agent.Token(rules)
	next := s.token + ".next"
	if err := os.WriteFile(next, []byte(secret), 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, s.token); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		acl := s.agent.Client().ACL()
		token, _, err := acl.TokenReadSelf(&api.QueryOptions{Token: secret})
		if err == nil {
			_, err = acl.TokenDelete(token.AccessorID, nil)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// pass lets traffic pass for so long, or for a third of that in haste.
func (s *storm) pass(d time.Duration) {
	if s.hasty {
		d /= 3
	}
	s.ledger.pass(int(d.Seconds() * float64(s.traffic.rate)))
}

// finish ends the traffic and the backends, and judges all that was.
func (s *storm) finish() map[int]*tally {
	s.traffic.stop()
	s.retiring.Wait()
	for _, u := range s.units {
		u.actor.kill()
	}
	return s.ledger.tallies()
}
