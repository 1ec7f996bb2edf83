package pool

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/health"
)

// Other options change how a service goes on, and nothing of what it knows.
func TestConfigure(t *testing.T) {
	b := newBench(t)
	b.set(instance("a"), instance("b"))
	b.check("a", "127.0.0.1:1", errors.New("connection refused"))
	b.want("a=ejected b=serving | b")
	before := b.service.Pool()

	o := b.options
	b.configure(o)
	b.publish()
	if b.service.Pool() != before {
		t.Error("the same options made another pool")
	}

	o.Balance, o.Source = balancer.LeastRequest, "static"
	b.configure(o)
	b.publish()
	b.want("a=ejected b=serving | b")
	if after := b.service.Pool(); after == before || !slices.Equal(slices.Collect(after.Members()), slices.Collect(before.Members())) {
		t.Errorf("another way to pick leaves %v of %v", slices.Collect(after.Members()), slices.Collect(before.Members()))
	}
	if v := b.service.View(); v.Source != "static" || v.News.Heard.IsZero() {
		t.Errorf("the view has source %q and news %+v", v.Source, v.News)
	}
}

// Configure reaches a service that runs, and neither waits for one that has
// ended.
func TestConfigureWhileRunning(t *testing.T) {
	b := newBench(t)
	s, ended := b.service, make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	go func() { defer close(ended); s.Run(ctx) }()
	o := s.options
	o.Balance, o.Check = balancer.Random, health.Spec{Interval: time.Minute, Timeout: time.Second}
	s.Apply(discovery.Update{Kind: discovery.Set, Instances: []discovery.Instance{instance("a")}})
	<-s.Ready()
	before := s.Pool()
	s.Configure(o)
	s.Configure(o) // the writer has published by the time it takes this
	if s.Pool() == before {
		t.Error("the pool is the same")
	}
	stop()
	<-ended
	s.Configure(o)
}
