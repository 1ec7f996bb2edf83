package proxy

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rota-lb/rota/balancer"
)

// Where there is nobody else to ask, or nothing to pay with, when a request should be
// hedged, it is as soon as there is.
func TestALateHedge(t *testing.T) {
	tests := map[string]struct {
		before, after func(s *Service)
		exhausted     uint64
	}{
		"somebody comes": {
			func(s *Service) { s.Duty = &duties{pools: []*balancer.Pool{s.Duty.Pool(), alone(s.Duty.Pool())}} },
			func(s *Service) { s.Duty.(*duties).forget() }, 0,
		},
		"there is a budget again": {
			func(s *Service) { s.stats.budget.left.Store(0) },
			func(s *Service) { s.stats.budget.left.Store(10 * price) }, 1,
		},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := onDuty("a", "b")
			s.Hedge = Hedge{Attempts: 1, UnknownDelay: 500 * time.Millisecond}
			c := newStaged(map[string]scene{"a": {after: time.Hour}, "b": {result: Result{Status: 200, Sent: true}}})
			j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
			tt.before(s)
			time.AfterFunc(750*time.Millisecond, func() { tt.after(s) })
			j.attempt(time.Now())
			if got := strings.Join(c.events, ", "); got != "0 a asked, 800 b asked, 800 a stopped, 800 relayed 1" {
				t.Errorf("%s: %s", name, got)
			}
			if n := s.stats.exhausted.Load(); n != tt.exhausted {
				t.Errorf("%s: %d attempts were not made, want %d", name, n, tt.exhausted)
			}
		})
	}
}

// Who is silent in the second lane is given up only where another one can be paid for,
// and what was not needed for that is given back.
func TestWhatAHopCosts(t *testing.T) {
	slow := scene{600 * ms, well}
	tests := map[string]struct {
		scenes  map[string]scene
		budget  int64
		want    string
		balance int64
	}{
		"no hop":          {map[string]scene{"a": {time.Hour, well}, "b": {10 * ms, well}}, 5, "0 a asked, 500 b asked, 510 a stopped, 510 relayed 1", 4},
		"a hop":           {map[string]scene{"a": {time.Hour, well}, "b": slow, "c": {10 * ms, well}}, 5, "0 a asked, 500 b asked, 1000 c asked, 1010 a stopped, 1010 relayed 1", 3},
		"the second cuts": {map[string]scene{"a": {time.Second, well}, "b": {10 * ms, cut}}, 5, "0 a asked, 500 b asked, 1000 relayed 0", 4},
		"no budget":       {map[string]scene{"a": {time.Hour, well}, "b": slow}, 1, "0 a asked, 500 b asked, 1100 a stopped, 1100 relayed 1", 0},
	}
	for name, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			s := onDuty("a", "b", "c")
			s.Hedge = Hedge{Attempts: 1, UnknownDelay: 500 * time.Millisecond}
			s.stats.budget.left.Store(tt.budget * price)
			c := newStaged(tt.scenes)
			j := &journey{service: s, carrier: c, idempotent: true, hedgeable: true}
			j.attempt(time.Now())
			if got := strings.Join(c.events, ", "); got != tt.want {
				t.Errorf("%s: %s", name, got)
			}
			if left := s.stats.budget.left.Load(); left != tt.balance*price {
				t.Errorf("%s: %d left, want %d", name, left/price, tt.balance)
			}
		})
	}
}

// alone returns a pool of one of the endpoints.
func alone(p *balancer.Pool) *balancer.Pool {
	for m := range p.Members() {
		return balancer.NewPool(balancer.RoundRobin, balancer.NewMembers(m), new(balancer.Turn))
	}
	return nil
}

// duties are pools, of which the last one counts.
type duties struct {
	mu    sync.Mutex
	pools []*balancer.Pool
}

func (d *duties) forget() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pools = d.pools[:len(d.pools)-1]
}

func (d *duties) Pool() *balancer.Pool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pools[len(d.pools)-1]
}
