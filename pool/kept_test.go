package pool

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// kept has the writer take a snapshot in at a moment.
func (b *bench) kept(now time.Time, instances ...discovery.Instance) {
	b.update(discovery.Update{Kind: discovery.Kept, Instances: instances, Age: time.Hour}, now)
	b.publish()
	b.prove(now)
}

func (b *bench) isReady() bool {
	select {
	case <-b.service.Ready():
		return true
	default:
		return false
	}
}

// What a snapshot names may be gone long since: who has passed a check serves,
// and where nobody has, all are tried. The service is ready when that is known.
func TestASnapshotIsProbedFirst(t *testing.T) {
	b := newBench(t)
	began := time.Unix(1000, 0)
	b.kept(began, instance("a"), instance("b"))
	b.want("a=warming b=warming | a b")
	v := b.service.View()
	if age, known := v.Age(began); v.Fresh() || !v.News.Kept || !known || age != time.Hour || v.News.Updates != 0 {
		t.Errorf("the view says %+v", v.News)
	}
	if !strings.Contains(b.logs.String(), "serving the list that was known before: service=web age=1h0m0s instances=2") {
		t.Errorf("told as\n%s", b.logs.String())
	}
	b.check("a", "127.0.0.1:1", errors.New("refused"))
	b.prove(began)
	b.want("a=ejected b=warming | a b")
	if b.isReady() {
		t.Error("ready before all was probed")
	}
	b.check("b", "127.0.0.1:1", nil)
	b.prove(began)
	b.want("a=ejected b=serving | b")
	if !b.isReady() {
		t.Error("not ready though all was probed")
	}
}

// Checks that hang hold the service up for no longer than this.
func TestASnapshotWhoseProbesHang(t *testing.T) {
	b := newBench(t)
	began := time.Unix(1000, 0)
	b.kept(began, instance("a"), instance("b"))
	b.check("b", "127.0.0.1:1", nil)
	if b.prove(began.Add(proof - 1)); b.isReady() || !b.proving() {
		t.Error("ready before the time was over")
	}
	if b.prove(began.Add(proof)); !b.isReady() || b.proving() {
		t.Error("not ready though the time is over")
	}
	b.want("a=warming b=serving | b")
}

// The truth takes the place of a snapshot at once; what was learned stays, and
// who is new proves itself.
func TestTheTruthReplacesASnapshot(t *testing.T) {
	b := newBench(t)
	b.kept(time.Unix(1000, 0), instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", nil)
	b.update(discovery.Update{Kind: discovery.Failed, Err: errors.New("no route to host")}, time.Unix(1000, 0))
	if v := b.service.View(); v.News.Err == nil || !v.News.Kept {
		t.Errorf("the view says %+v", v.News)
	}
	b.set(instance("a"), instance("c"))
	b.want("a=serving c=warming | a")
	b.logs.Reset()
	b.kept(time.Unix(2000, 0), instance("b")) // another source begins
	b.want("a=serving c=warming | a")
	if v := b.service.View(); !b.isReady() || !v.Fresh() || v.News.Kept || v.News.Updates != 1 {
		t.Errorf("ready %v, and the view says %+v", b.isReady(), v.News)
	}
	if strings.Contains(b.logs.String(), "snapshot") {
		t.Errorf("of one that is not used it is told\n%s", b.logs.String())
	}
}

// The same with real checks and a real clock.
func TestRunFromASnapshot(t *testing.T) {
	s := New(Options{
		Name: "web", Balance: balancer.RoundRobin,
		Check:  health.Spec{Interval: time.Hour, Timeout: time.Hour, HealthyAfter: 2, UnhealthyAfter: 1},
		Logger: hclog.NewNullLogger(),
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	go func() { defer close(stopped); s.Run(ctx) }()
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	in := instance("a") // nothing is there
	alive := instance("b")
	alive.Address = backend.Addr().String()
	s.Apply(discovery.Update{Kind: discovery.Kept, Instances: []discovery.Instance{in, alive}})
	<-s.Ready() // by the clock at the latest
	cancel()
	<-stopped
}
