package pool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

func TestTierOfAnInstance(t *testing.T) {
	zone := Locality{Prefer: "zone", Meta: "rack", Zone: "r1"}
	node := Locality{Prefer: "node", Node: "n1"}
	r1n1 := discovery.Instance{Node: "n1", Meta: map[string]string{"rack": "r1", "zone": "z"}}
	r2n2 := discovery.Instance{Node: "n2", Meta: map[string]string{"rack": "r2", "zone": "r1"}}
	nowhere := discovery.Instance{}
	dcs, both := Locality{Failover: []string{"dc2", "dc3"}}, zone
	both.Failover = dcs.Failover
	dc2 := discovery.Instance{Datacenter: "dc2", Meta: map[string]string{"rack": "r1"}} // zones of other datacenters are others
	dc3 := discovery.Instance{Datacenter: "dc3"}
	for _, tt := range []struct {
		locality Locality
		instance discovery.Instance
		want     int
	}{
		{Locality{}, r1n1, 0}, {Locality{}, nowhere, 0},
		{zone, r1n1, 0}, {zone, r2n2, 1}, {zone, nowhere, 1},
		{node, r1n1, 0}, {node, r2n2, 1}, {node, nowhere, 1},
		{dcs, nowhere, 0}, {dcs, dc2, 1}, {dcs, dc3, 2}, {both, r1n1, 0}, {both, r2n2, 1}, {both, dc2, 2}, {both, dc3, 3},
	} {
		if got := tt.locality.tier(&tt.instance); got != tt.want || got >= tt.locality.tiers() {
			t.Errorf("%+v: %+v is in tier %d of %d, want %d", tt.locality, tt.instance, got, tt.locality.tiers(), tt.want)
		}
	}
}

// The share of each tier by how many of those that could serve do.
func TestLoads(t *testing.T) {
	tests := []struct {
		serving, willing, want []int
		cope                   bool
	}{
		{[]int{3}, []int{3}, []int{100}, true},
		{[]int{1}, []int{3}, []int{100}, false}, // there is nobody else
		{[]int{0}, []int{3}, []int{0}, false},
		{[]int{10, 10}, []int{10, 10}, []int{100, 0}, true},
		{[]int{72, 10}, []int{100, 10}, []int{100, 0}, true}, // the rest can do it
		{[]int{5, 10}, []int{10, 10}, []int{70, 30}, true},
		{[]int{1, 10}, []int{10, 10}, []int{14, 86}, true},
		{[]int{0, 10}, []int{10, 10}, []int{0, 100}, true},
		{[]int{0, 10}, []int{0, 10}, []int{0, 100}, true}, // none is near
		{[]int{10, 0}, []int{10, 0}, []int{100, 0}, true},
		{[]int{1, 1}, []int{10, 10}, []int{50, 50}, false}, // both are in need
		{[]int{1, 2}, []int{10, 10}, []int{34, 66}, false},
		{[]int{0, 0}, []int{10, 10}, []int{0, 0}, false},
		{[]int{5, 2, 9, 9}, []int{10, 10, 9, 9}, []int{70, 28, 2, 0}, true},
		{[]int{0, 0, 0, 1}, []int{10, 10, 9, 1}, []int{0, 0, 0, 100}, true},
		{[]int{1, 1, 1}, []int{10, 10, 10}, []int{34, 33, 33}, false},
	}
	for _, tt := range tests {
		var serving []int
		for _, n := range tt.serving {
			serving = append(serving, 100*n)
		}
		got, cope := loads(serving, tt.willing)
		if !slices.Equal(got, tt.want) || cope != tt.cope {
			t.Errorf("%v of %v serving: loads %v, cope %v, want %v, %v", tt.serving, tt.willing, got, cope, tt.want, tt.cope)
		}
	}
}

// near returns a bench in zone z1.
func near(t *testing.T) *bench {
	b := newBench(t)
	o := b.options
	o.Locality = Locality{Prefer: "zone", Meta: "zone", Zone: "z1"}
	b.configure(o)
	return b
}

// in returns an instance in a zone.
func in(name, zone string) discovery.Instance {
	i := instance(name)
	i.Meta = map[string]string{"zone": zone}
	return i
}

// share asserts how many of 100 requests each endpoint gets.
func (b *bench) share(want map[string]int) {
	b.t.Helper()
	got := map[string]int{}
	for range 100 {
		e := b.service.Pool().Pick(nil)
		e.Done(balancer.Succeeded, e.Address(), 0, nil)
		got[e.ID()[len("dc1/node/"):]]++
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		b.t.Errorf("of 100 requests endpoints get %v, want %v", got, want)
	}
}

// The near ones get everything while they are well, and pass on their traffic
// in proportion when they are not; each change is told.
func TestLocality(t *testing.T) {
	const here = "127.0.0.1:1"
	b := near(t)
	all := []discovery.Instance{in("a", "z1"), in("b", "z1"), in("c", "z2"), in("d", "z2")}
	b.set(all...)
	b.want("a=serving b=serving c=serving d=serving | a b c d")
	b.share(map[string]int{"a": 50, "b": 50})
	b.check("b", here, errors.New("refused"))
	b.share(map[string]int{"a": 70, "c": 15, "d": 15})
	if v := b.service.View(); !slices.Equal(v.Loads, []int{70, 30}) || b.endpoints()[1].Tier != 0 || b.endpoints()[2].Tier != 1 {
		t.Errorf("the view shows loads %v", v.Loads)
	}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(b.service)
	const metric = "# HELP rota_tier_share Share of the requests that a tier gets, 0 to 1; the first tier is the nearest.\n# TYPE rota_tier_share gauge\n" +
		"rota_tier_share{service=\"web\",tier=\"0\"} 0.7\nrota_tier_share{service=\"web\",tier=\"1\"} 0.3\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(metric), "rota_tier_share"); err != nil {
		t.Error(err)
	}
	b.check("a", here, errors.New("refused"))
	b.share(map[string]int{"c": 50, "d": 50})
	if b.service.View().Panic {
		t.Error("a panic though the others can do it")
	}
	b.check("c", here, errors.New("refused"))
	b.check("d", here, errors.New("refused"))
	b.share(map[string]int{"a": 25, "b": 25, "c": 25, "d": 25}) // nobody serves: all are tried
	b.check("a", here, nil)
	b.share(map[string]int{"a": 100})
	for _, line := range []string{"percent=[100, 0]", "percent=[70, 30]", "percent=[0, 100]", "percent=[50, 50]"} {
		if n := strings.Count(b.logs.String(), line); n == 0 {
			t.Errorf("%s is not told in\n%s", line, b.logs.String())
		}
	}
}

// What is new takes nothing from its tier before its first check is over; when
// that fails, its tier is worth less, though those that serve are the same.
func TestLocalityAndWhatIsNew(t *testing.T) {
	b := near(t)
	b.set(in("a", "z1"), in("b", "z2"))
	b.set(in("a", "z1"), in("b", "z2"), in("c", "z1"), in("d", "z1"))
	b.share(map[string]int{"a": 100})
	b.set(in("a", "z1"), in("b", "z2"), in("c", "z1"), in("d", "z2")) // d moves, and waits on
	b.check("c", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"a": 70, "b": 30})
	b.check("d", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"a": 70, "b": 30})
	b.set(in("a", "z1"), in("b", "z2"), in("d", "z2"))
	b.share(map[string]int{"a": 100})
	for i, tier := range b.tiers {
		if tier.waiting != 0 {
			t.Errorf("%d wait in tier %d", tier.waiting, i)
		}
	}
}

// An instance may move, and so may the view of what is near.
func TestLocalityMoves(t *testing.T) {
	b := near(t)
	b.set(in("a", "z1"), in("b", "z2"))
	b.share(map[string]int{"a": 100})
	b.set(in("a", "z2"), in("b", "z1"))
	b.share(map[string]int{"b": 100})
	o := b.options
	o.Locality.Zone = "z2"
	b.configure(o)
	b.publish()
	b.share(map[string]int{"a": 100})
	o.Locality = Locality{}
	b.configure(o)
	b.publish()
	b.share(map[string]int{"a": 50, "b": 50})
	b.want("a=serving b=serving | a b")
}

// Panic is for when all tiers together can't do it.
func TestLocalityAndPanic(t *testing.T) {
	b := near(t)
	o := b.options
	o.PanicBelow = 60
	b.configure(o)
	b.set(in("a", "z1"), in("b", "z1"), in("c", "z2"), in("d", "z2"))
	b.check("a", "127.0.0.1:1", errors.New("refused"))
	b.check("b", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"c": 50, "d": 50}) // half serve, and can do it
	b.check("c", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"a": 25, "b": 25, "c": 25, "d": 25})
	if !b.service.View().Panic {
		t.Error("no panic")
	}
}

// Who is in its slow start is worth its share to its tier, and no more.
func TestASlowStartOfWhoIsNear(t *testing.T) {
	const here = "127.0.0.1:1"
	b := near(t)
	b.options.SlowStart = SlowStart{Duration: 20 * time.Second, MinWeight: 10}
	b.set(in("a", "z1"), in("b", "z1"), in("c", "z2"), in("d", "z2"))
	wants := func(want ...int) {
		t.Helper()
		if got := b.service.View().Loads; !slices.Equal(got, want) {
			t.Errorf("the tiers get %v, want %v", got, want)
		}
	}
	wants(100, 0)
	b.check("b", here, errors.New("refused"))
	wants(70, 30)
	b.check("b", here, nil)
	wants(77, 23)
	b.pass(10 * time.Second)
	wants(100, 0)
	b.check("b", here, errors.New("refused"))
	wants(70, 30)
	b.check("b", here, nil)
	b.set(in("a", "z1"), in("c", "z2"), in("d", "z2"))
	wants(100, 0)
	b.check("a", here, errors.New("refused"))
	wants(0, 100)
}

// Other datacenters stand in, one after the other, and hand back.
func TestFailover(t *testing.T) {
	b := newBench(t)
	o := b.options
	o.Locality = Locality{Failover: []string{"dc3", "dc2"}}
	b.configure(o)
	dc2, dc3 := instance("b"), instance("c")
	dc2.Datacenter, dc3.Datacenter = "dc2", "dc3"
	b.set(instance("a"), dc2, dc3)
	b.share(map[string]int{"a": 100})
	b.check("a", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"c": 100})
	b.check("c", "127.0.0.1:1", errors.New("refused"))
	b.share(map[string]int{"b": 100})
	b.check("a", "127.0.0.1:1", nil)
	b.share(map[string]int{"a": 100})
	o.Locality.Failover = []string{"dc2"} // what is not named is near
	b.configure(o)
	b.check("c", "127.0.0.1:1", nil)
	b.share(map[string]int{"a": 50, "c": 50})
}

// A request that has tried all that are near goes further.
func TestLocalityLetsRetriesGoFurther(t *testing.T) {
	b := near(t)
	b.set(in("a", "z1"), in("b", "z2"))
	first := b.service.Pool().Pick(nil)
	second := b.service.Pool().Pick([]*balancer.Endpoint{first})
	if first.ID() != "dc1/node/a" || second == nil || second.ID() != "dc1/node/b" {
		t.Errorf("picked %v and then %v", first, second)
	}
}
