package main

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/discovery/consul"
	"github.com/rota-lb/rota/discovery/failover"
	"github.com/rota-lb/rota/discovery/snapshot"
	"github.com/rota-lb/rota/discovery/static"
)

// feed is a source at work for a service.
type feed struct {
	source    discovery.Source
	memory    *memory
	origin    string   // which Consul is asked, and of which datacenters
	tags      []string // that an instance must have
	elsewhere []string // the datacenters that stand in
	rest      func()   // has nothing written to disk any more
	stop      context.CancelFunc
	ended     chan struct{}
}

// memory is what the feeds of a service have told last, one after the other, for
// as long as they look for the same, or for some of it. So the first answer that a new
// one gets is doubted as any other is, also where all that it has is a snapshot.
type memory struct{ told atomic.Pointer[told] }

type told struct {
	Instances []discovery.Instance `json:"instances"`
	Elsewhere []string             `json:"elsewhere"` // of the feed
	Origin    string               `json:"origin"`    // of the feed
	Age       time.Duration        `json:"age"`       // only of what another feed was told, as it was taken over
}

// take takes in what a feed tells.
func (m *memory) take(u discovery.Update, by *feed) {
	if u.Kind == discovery.Set || u.Kind == discovery.Kept && m.told.Load() == nil {
		m.told.Store(&told{Instances: u.Instances, Elsewhere: by.elsewhere, Origin: by.origin})
	}
}

// tagged returns the instances that have all of the tags.
func (t *told) tagged(tags []string) (its []discovery.Instance) {
	for _, i := range t.Instances {
		if discovery.HasTags(i.Tags, tags) {
			its = append(its, i)
		}
	}
	return its
}

// of returns what recalls the instances of a datacenter that have the tags. Where that
// is "", as nobody knows what Consul's agent calls its own, they are those of no other.
func (m *memory) of(datacenter string, elsewhere, tags []string) discovery.Recall {
	return func() (its []discovery.Instance) {
		t := m.told.Load()
		if t == nil {
			return nil
		}
		for _, i := range t.tagged(tags) {
			other := slices.Contains(elsewhere, i.Datacenter) || slices.Contains(t.Elsewhere, i.Datacenter)
			if i.Datacenter == datacenter || datacenter == "" && !other {
				its = append(its, i)
			}
		}
		return its
	}
}

// planFeed gives a service its feed: the one that it has, if that is to stay, else one
// with a memory.
func (p *program) planFeed(s *config.Service, v *service, memory *memory, next, now *stage) error {
	if v.feed != nil {
		i := slices.IndexFunc(now.config.Services, func(o config.Service) bool { return o.Name == s.Name })
		o := &now.config.Services[i]
		if sameFeed(s, o, next.config, now.config) {
			return nil
		}
		if looksFor(s.Discover) == looksFor(o.Discover) {
			memory = v.feed.memory
		}
	}
	v.feed = &feed{memory: memory, tags: s.Discover.Tags, elsewhere: s.Locality.Failover, rest: func() {}, ended: make(chan struct{})}
	var err error
	v.feed.source, err = p.source(s, v.feed, next)
	return err
}

// looksFor says what instances a service is after. Those with other tags are among
// them, and other addresses of them are the same instances.
func looksFor(d config.Discover) string {
	d.Tags, d.TaggedAddress = nil, ""
	return fmt.Sprintf("%+q", d)
}

// sameFeed reports whether what tells a service's instances stays.
func sameFeed(s, o *config.Service, next, now *config.Config) bool {
	return reflect.DeepEqual(s.Discover, o.Discover) && slices.Equal(s.Locality.Failover, o.Locality.Failover) &&
		(s.Discover.Kind == config.DiscoverStatic ||
			reflect.DeepEqual(next.Consul, now.Consul) && next.StateDir == now.StateDir)
}

// source returns the source for a feed.
func (p *program) source(s *config.Service, f *feed, next *stage) (discovery.Source, error) {
	d, c := &s.Discover, next.config
	if d.Kind == config.DiscoverStatic {
		return static.New(d.URLs), nil
	}
	if next.consul == nil {
		client, err := consul.NewClient(consul.Options{
			Address: c.Consul.Address, TokenFile: c.Consul.TokenFile, Datacenter: c.Consul.Datacenter, Logger: p.logger,
		})
		if err != nil {
			return nil, err
		}
		next.consul = client
	}
	f.origin = fmt.Sprintf("consul %s %q", next.consul.Scope(), f.elsewhere)
	watch := consul.Watch{Service: d.Name, Tags: d.Tags, TaggedAddress: d.TaggedAddress}
	in := func(datacenter string) failover.Part {
		w := watch
		w.Datacenter = datacenter
		before := f.memory.of(cmp.Or(datacenter, c.Consul.Datacenter), f.elsewhere, f.tags)
		return failover.Part{Source: next.consul.Source(w, before), Before: before}
	}
	own := in("")
	source := own.Source
	if len(f.elsewhere) > 0 {
		var others []failover.Part
		for _, datacenter := range f.elsewhere {
			others = append(others, in(datacenter))
		}
		source = failover.New(own, others...)
	}
	if c.StateDir == "" {
		return source, nil
	}
	kept := snapshot.New(source, snapshot.Options{
		Dir: c.StateDir, Service: s.Name, Query: fmt.Sprintf("%s %+q", f.origin, watch), Logger: p.logger,
	})
	f.rest = kept.Rest
	return kept, nil
}

// consulSources returns how many sources ask Consul.
func (s *stage) consulSources() (n int) {
	for i := range s.config.Services {
		if c := &s.config.Services[i]; c.Discover.Kind != config.DiscoverStatic {
			n += 1 + len(c.Locality.Failover)
		}
	}
	return n
}

// soon is when what was known before stands in for a source that is silent.
const soon = 250 * time.Millisecond

// follow has a service listen to its source, and no longer to that of its
// former self, which may be nil. Where the source of one that is new fails, or says
// nothing, what was told last of its instances in the same place stands in.
func (p *program) follow(s, old *service) {
	ctx, stop := context.WithCancel(p.work)
	s.feed.stop = stop
	if old != nil {
		old.feed.stop()
	}
	before, began := s.feed.memory.told.Load(), time.Now()
	standIn := func() {
		if old == nil && before != nil && before.Origin == s.feed.origin { // the pool takes it only while it knows nothing
			s.pool.Apply(discovery.Update{Kind: discovery.Kept, Instances: before.tagged(s.feed.tags), Age: before.Age + time.Since(began)})
		}
	}
	p.background.Go(func() {
		defer close(s.feed.ended)
		if old != nil {
			<-old.feed.ended // what it says last must not come after what is true now
		}
		timer := time.AfterFunc(soon, standIn)
		defer timer.Stop()
		s.feed.source.Run(ctx, func(u discovery.Update) {
			if timer.Stop() && u.Kind == discovery.Failed {
				standIn()
			}
			s.feed.memory.take(u, s.feed)
			s.pool.Apply(u)
		})
	})
}
