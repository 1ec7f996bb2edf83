package pool

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/rota-lb/rota/discovery"
)

// thousands returns a writer of 5,000 endpoints, with weights of 1 to 5, and
// their instances. Its checker is closed, so that nothing else is at work.
func thousands(tb testing.TB) (*bench, []discovery.Instance) {
	b := newBench(tb)
	b.checker.Close()
	instances := make([]discovery.Instance, 5000)
	for i := range instances {
		instances[i] = instance(fmt.Sprintf("%04d", i))
		instances[i].Address = fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
		instances[i].Weight = 1 + i%5
		instances[i].Tags, instances[i].Meta = []string{"v1", "blue"}, map[string]string{"zone": "a"}
	}
	b.set(instances...)
	return b, instances
}

// changes are what may happen to one instance in the middle of many.
var changes = map[string]func([]discovery.Instance) []discovery.Instance{
	"weight": func(all []discovery.Instance) []discovery.Instance {
		all[2500].Weight = 9
		return all
	},
	"address": func(all []discovery.Instance) []discovery.Instance {
		all[2500].Address = "10.1.0.0:80"
		return all
	},
	"status": func(all []discovery.Instance) []discovery.Instance {
		all[2500].Status = discovery.Maintenance
		return all
	},
	"coming": func(all []discovery.Instance) []discovery.Instance {
		return slices.Insert(all, 2500, instance("2499+"))
	},
	"going": func(all []discovery.Instance) []discovery.Instance { return slices.Delete(all, 2500, 2501) },
}

// One instance among thousands changes and changes back: what that allocates is
// in proportion to the change. The views of all alone are 40,000 bytes.
func TestAChangeAmongThousandsIsSmall(t *testing.T) {
	const limit = 12 << 10
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b, before := thousands(t)
			after := change(slices.Clone(before))
			// Once for what is only made once, such as room to grow.
			b.set(after...)
			b.set(before...)
			const runs = 10
			var began, ended runtime.MemStats
			runtime.ReadMemStats(&began)
			for range runs {
				b.set(after...)
				b.set(before...)
			}
			runtime.ReadMemStats(&ended)
			if bytes := (ended.TotalAlloc - began.TotalAlloc) / (2 * runs); bytes > limit {
				t.Errorf("one change allocates %d bytes, want at most %d", bytes, limit)
			}
			if got := b.service.View().Endpoints.Len(); got != 5000 {
				t.Errorf("the view has %d endpoints", got)
			}
		})
	}
}

// What comes after decoding, when one instance of 5,000 has changed.
func BenchmarkChange(b *testing.B) {
	for name, change := range changes {
		b.Run(name, func(b *testing.B) {
			w, before := thousands(b)
			sets := [2][]discovery.Instance{change(slices.Clone(before)), before}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.update(discovery.Update{Kind: discovery.Set, Instances: sets[i%2]}, time.Unix(1000, 0))
				w.publish()
				w.removeIdle()
				w.publish()
				w.logs.Reset()
			}
		})
	}
}
