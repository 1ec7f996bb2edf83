package consul

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// patient is a pulse whose Consul answers, or not, as the test says.
type patient struct {
	*pulse
	sick, hangs atomic.Bool
	key         atomic.Value
}

func newPatient() *patient {
	p := new(patient)
	p.key.Store("one")
	p.pulse = &pulse{
		look: func(ctx context.Context) error {
			if p.hangs.Load() {
				ctx, cancel := context.WithTimeout(ctx, beatLimit)
				defer cancel()
				<-ctx.Done()
				return ctx.Err()
			}
			if p.sick.Load() {
				return errors.New("refused")
			}
			return nil
		},
		fresh: func() {},
		token: func() string { return p.key.Load().(string) },
	}
	return p
}

func TestPulse(t *testing.T) {
	tests := []struct {
		name  string
		after func(p *patient)
		want  error
	}{
		{"all is well", func(*patient) {}, nil},
		{"it does not answer", func(p *patient) { p.sick.Store(true); time.Sleep(time.Minute) }, nil},
		{"it answers again", func(p *patient) { p.sick.Store(true); time.Sleep(time.Minute); p.sick.Store(false) }, errAnswersAgain},
		{"a look is lost", func(p *patient) { p.hangs.Store(true); time.Sleep(beatEvery + time.Millisecond); p.hangs.Store(false) }, errAnswersAgain},
		{"another token", func(p *patient) { p.key.Store("two") }, errNewToken},
		{"no token for a moment", func(p *patient) { p.key.Store(""); time.Sleep(time.Minute); p.key.Store("one") }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPatient()
				ctx, leave := p.follow(t.Context())
				other, leaveOther := p.follow(t.Context())
				time.Sleep(time.Minute)
				tt.after(p)
				began := time.Now()
				time.Sleep(beatEvery + beatLimit)
				synctest.Wait()
				for _, c := range []context.Context{ctx, other} {
					if got := context.Cause(c); !errors.Is(got, tt.want) || (got == nil) != (tt.want == nil) {
						t.Errorf("ended with %v after %v, want %v", got, time.Since(began), tt.want)
					}
				}
				// What is asked from now on goes on.
				next, leaveNext := p.follow(t.Context())
				time.Sleep(time.Minute)
				if next.Err() != nil {
					t.Errorf("the next query ended with %v", context.Cause(next))
				}
				leave()
				leaveOther()
				leaveNext()
				if context.Cause(next) != context.Canceled {
					t.Errorf("the query that is over has the cause %v", context.Cause(next))
				}
			})
		})
	}
}

// A Consul that answers now and then is not asked everything each time, where
// that is much.
func TestPulseOfManyQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient()
		const many = 1000
		var leaves []func()
		for range many {
			_, leave := p.follow(t.Context())
			leaves = append(leaves, leave)
		}
		ended := 0
		beat := func() context.Context {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.beat
		}
		last := beat()
		for range 40 { // half of them are answered
			p.sick.Store(!p.sick.Load())
			time.Sleep(beatEvery)
			synctest.Wait()
			if b := beat(); b != last {
				ended, last = ended+1, b
			}
		}
		if most := 1 + int(40*beatEvery/(many*reviveEvery)); ended < 2 || ended > most {
			t.Errorf("all was asked anew %d times, want 2 to %d", ended, most)
		}
		for _, leave := range leaves {
			leave()
		}
	})
}

// A Consul that stalls now and then is asked everything anew less and less often,
// while its return after an outage is felt at once. When all has been well for
// a while, so is a stall.
func TestPulseOfAConsulThatStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient()
		_, leave := p.follow(t.Context())
		defer leave()
		ended := func(within time.Duration) bool {
			p.mu.Lock()
			beat := p.beat
			p.mu.Unlock()
			time.Sleep(within)
			synctest.Wait()
			return beat.Err() != nil
		}
		lose := func(long time.Duration) {
			p.sick.Store(true)
			time.Sleep(long)
			p.sick.Store(false)
		}
		stalls := func(long time.Duration) (n int) {
			for began := time.Now(); time.Since(began) < long; {
				lose(2 * beatEvery)
				if ended(2 * beatEvery) {
					n++
				}
			}
			return n
		}
		if n := stalls(time.Minute); n != 6 {
			t.Errorf("in a minute of stalls all was asked anew %d times, want 6: after 0, 1, 3, 7, 15 and 31", n)
		}
		if n := stalls(10 * time.Minute); n < 18 || n > 21 {
			t.Errorf("in 10 min of stalls all was asked anew %d times, want 20", n)
		}
		for range 2 {
			if lose(2*stall + beatEvery); !ended(beatEvery) {
				t.Error("the end of an outage is not felt")
			}
		}
		time.Sleep(calm + time.Second)
		if lose(2 * beatEvery); !ended(beatEvery) {
			t.Error("a stall after a calm time is not felt")
		}
	})
}

// The pulse is felt only while there are queries.
func TestPulseEndsWithTheLastQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient()
		looks := 0
		look := p.look
		p.pulse.look = func(ctx context.Context) error { looks++; return look(ctx) }
		for range 3 {
			_, leave := p.follow(t.Context())
			time.Sleep(4 * beatEvery)
			synctest.Wait()
			leave()
		}
		if time.Sleep(time.Hour); looks < 9 || looks > 12 {
			t.Errorf("%d looks", looks)
		}
	})
}

// A connection may die unseen: behind a firewall, or with a proxy on the way
// that goes on taking what nobody will answer.
func TestConnectionsThatDiedUnseen(t *testing.T) {
	t.Parallel()
	agent := testkit.StartConsul(t)
	link := testkit.StartLink(t, agent.Addr())
	u := watch(t, newClient(t, Options{Address: link.Addr()}), Watch{Service: "web"})
	u.want(discovery.Set)
	link.Cut()
	agent.Register(&api.AgentServiceRegistration{ID: "a", Name: "web", Address: "10.0.0.1", Port: 80})
	noticed := time.NewTimer(2 * (beatEvery + beatLimit))
	defer noticed.Stop()
	<-noticed.C
	link.Mend(true)
	u.first("the instance, long before a query is over", func(update discovery.Update) bool {
		return update.Kind == discovery.Set && len(update.Instances) == 1
	})
}

// What waits for an answer with a token that shows nothing is asked again with
// another.
func TestAnotherTokenIsFelt(t *testing.T) {
	t.Parallel()
	agent := testkit.StartConsul(t, testkit.WithACLs())
	agent.Register(&api.AgentServiceRegistration{ID: "a", Name: "web", Address: "10.0.0.1", Port: 80})
	file := filepath.Join(t.TempDir(), "token")
	give := func(rules string) {
		if err := os.WriteFile(file+".next", []byte(agent.Token(rules)), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
	}
	const all = `service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }`
	give(all)
	u := watch(t, newClient(t, Options{Address: agent.Addr(), TokenFile: file}), Watch{Service: "web"})
	u.first("the instance", func(update discovery.Update) bool {
		return update.Kind == discovery.Set && len(update.Instances) == 1
	})
	give("")
	u.first("what a weak token gives", func(update discovery.Update) bool {
		return update.Kind == discovery.Failed
	})
	give(all)
	u.first("the instance again", func(update discovery.Update) bool { return update.Kind != discovery.Failed })
}
