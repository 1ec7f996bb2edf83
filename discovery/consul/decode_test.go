package consul

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

func TestReadSaysWhatIsNoList(t *testing.T) {
	good := text(t, testkit.Entry("web", "a", "10.0.0.1", 80))
	element := good[1 : len(good)-1]
	for _, tt := range []struct {
		body string
		want error // nil: any
	}{
		{"", io.EOF},
		{" ", io.EOF},
		{"[", io.ErrUnexpectedEOF},
		{"[" + element, io.ErrUnexpectedEOF},
		{"[" + element + ",", io.ErrUnexpectedEOF},
		{"[" + element[:len(element)/2], io.ErrUnexpectedEOF},
		{"null", errNoList},
		{`{"error":"x"}`, errNoList},
		{`"x"`, errNoList},
		{"[null]", errMalformed},
		{"[{}]", errMalformed},
		{`[{"Node":{}}]`, errMalformed},
		{`[{"Service":{}}]`, errMalformed},
		{good + good, errTrailing},
		{good + " x", nil},
		{"[" + element + " " + element + "]", nil},
		{"<html>", nil},
		{`[{"Node":7}]`, nil},
		{`[{"Node":{},"Service":{"Port":"80"}}]`, nil},
	} {
		items, err := newReader(Watch{}).read(strings.NewReader(tt.body), false)
		if err == nil || items != nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%.60q: %d items and %v, want %v", tt.body, len(items), err, tt.want)
		}
	}
}

func TestReadNode(t *testing.T) {
	for _, tt := range []struct {
		body string
		has  bool
		ok   bool
	}{
		{`{"Node":null,"Services":[]}`, false, true},
		{`{"Node":{"Node":"a"},"Services":[{"ID":"web-1"}]}`, true, true},
		{`{"Services":[null]}`, true, true},
		{"", false, false},
		{"[]", false, false},
		{"null", false, false},
		{"{}", false, false},
		{`{"Services":null}`, false, false},
		{`{"Services":{}}`, false, false},
		{`{"Services":[{"ID"`, false, false},
		{`{"Services":[]} x`, false, false},
	} {
		if has, err := readNode(strings.NewReader(tt.body)); has != tt.has || (err == nil) != tt.ok {
			t.Errorf("%s: %v, %v", tt.body, has, err)
		}
	}
}

func TestReadTakesWhatConsulTakes(t *testing.T) {
	for _, body := range []string{
		"[]", " [ ] \n",
		`[{"Node":{"Node":"a"},"Service":{"Tags":null,"Meta":null,"Weights":null},"Checks":null}]`,
		`[{"Node":{"Node":"a"},"Service":{"Meta":{"k":"` + "\xff" + `","k":"twice"}},"Checks":[null]}]`,
	} {
		if items, err := newReader(Watch{}).read(strings.NewReader(body), false); err != nil || items == nil {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestReadRemembers: an element that has not changed keeps its item, wherever it
// stands in the list, and one that has changed, however little, is read anew.
func TestReadRemembers(t *testing.T) {
	r := newReader(Watch{})
	read := func(entries ...*api.ServiceEntry) []*item {
		t.Helper()
		items, err := r.read(strings.NewReader(text(t, entries...)), false)
		if err != nil {
			t.Fatal(err)
		}
		return items
	}
	a, b := testkit.Entry("web", "a", "10.0.0.1", 80), testkit.Entry("web", "b", "10.0.0.2", 80)
	was := read(a, b)
	b.Service.Port = 81
	now := read(b, a)
	if now[1] != was[0] {
		t.Error("what has not changed was read anew")
	}
	if got := now[0].instance.Address; got != "10.0.0.2:81" {
		t.Errorf("what has changed is at %s", got)
	}
	if _, err := r.read(strings.NewReader("["+text(t, a)[1:40]), false); err == nil {
		t.Error("half an answer was read")
	}
	if again := read(a); again[0] != was[0] {
		t.Error("half an answer has made it forget the one before")
	}
	full := read(a, b)
	if some, err := r.read(strings.NewReader(text(t, a)), true); err != nil || len(some) != 1 || some[0] != was[0] {
		t.Errorf("what was selected is read as %v, %v", some, err)
	}
	if again := read(a, b); again[1] != full[1] {
		t.Error("what was selected has made it forget the rest")
	}
	if _, err := r.read(strings.NewReader("[]"), false); err != nil {
		t.Fatal(err)
	}
	if len(r.items) > 0 {
		t.Errorf("%d items are remembered of an empty list", len(r.items))
	}
}

// FuzzRead: whatever comes is refused, or makes instances that can be used.
func FuzzRead(f *testing.F) {
	for _, entry := range []*api.ServiceEntry{
		testkit.Entry("web", "web-1", "10.0.0.1", 80),
		testkit.Entry("web", "web-2", "2001:db8::1", 0),
		testkit.Entry("web", "", "a b", 70000),
	} {
		f.Add(text(f, entry, entry), "wan")
	}
	f.Add(`[{"Node":{"TaggedAddresses":{"wan":"::1"}},"Service":{"TaggedAddresses":{"wan":{"Address":"[::]"}},"Weights":{"Warning":-1}},"Checks":[null]}]`, "wan")
	f.Add("[null]", "")
	f.Fuzz(func(t *testing.T, text, tagged string) {
		r := newReader(Watch{TaggedAddress: tagged})
		items, err := r.read(strings.NewReader(text), false)
		var entries []*entry
		if strict := json.Unmarshal([]byte(text), &entries, lenient); strict != nil && err == nil {
			t.Fatalf("read, though it is %v", strict)
		}
		if err != nil {
			return
		}
		again, err := r.read(strings.NewReader(text), false)
		if err != nil || !slices.Equal(again, items) {
			t.Errorf("read again: %v", err)
		}
		u := newListing(items).update()
		if len(u.Instances)+len(u.Rejected) != len(entries) {
			t.Errorf("%d instances and %d rejected of %d", len(u.Instances), len(u.Rejected), len(entries))
		}
		for n, i := range u.Instances {
			if n > 0 && u.Instances[n-1].ID >= i.ID {
				t.Errorf("ID %q after %q", i.ID, u.Instances[n-1].ID)
			}
			host, port, err := net.SplitHostPort(i.Address)
			if number, _ := strconv.Atoi(port); err != nil || host == "" || number < 1 || number > 65535 {
				t.Errorf("address %q (%v)", i.Address, err)
			}
			if i.Weight < 0 || i.Weight > maxWeight {
				t.Errorf("weight %d", i.Weight)
			}
		}
		for _, r := range u.Rejected {
			if r.Reason == "" {
				t.Errorf("%q is rejected without reason", r.ID)
			}
		}
	})
}

// crowd returns an answer with so many instances, as Consul writes it.
func crowd(t testing.TB, n int) []*api.ServiceEntry {
	t.Helper()
	entries := make([]*api.ServiceEntry, n)
	for i := range entries {
		e := testkit.Entry("web", fmt.Sprintf("web-%05d", i), fmt.Sprintf("10.2.%d.%d", i/250, i%250+1), 20000)
		e.Node.Node = fmt.Sprintf("worker-%04d", i/10)
		e.Node.Meta = map[string]string{"consul-network-segment": "", "consul-version": "1.22.5"}
		e.Service.Tags = []string{"v1", "prod", "http"}
		e.Service.Meta = map[string]string{"version": "1.2.3", "zone": "eu-west-1a"}
		e.Checks = api.HealthChecks{
			{Node: e.Node.Node, CheckID: "serfHealth", Name: "Serf Health Status", Status: "passing", Output: "Agent alive and reachable"},
			{
				Node: e.Node.Node, CheckID: "service:" + e.Service.ID, Name: "Service 'web' check", Status: "passing",
				ServiceID: e.Service.ID, ServiceName: "web", ServiceTags: e.Service.Tags, Output: "HTTP GET http://10.2.1.1:20000/health: 200 OK Output: ok",
			},
		}
		entries[i] = e
	}
	return entries
}

// TestOneChangeOfManyCostsLittle: what one change in 5,000 instances allocates is
// in proportion to it, but for two slices and a map of all.
func TestOneChangeOfManyCostsLittle(t *testing.T) {
	entries := crowd(t, 5000)
	texts := []string{text(t, entries...), ""}
	entries[2500].Service.Port++
	texts[1] = text(t, entries...)
	r, k, n := newReader(Watch{}), knowledge{}, 0
	learn := func() {
		items, err := r.read(strings.NewReader(texts[n%2]), false)
		if err != nil {
			t.Fatal(err)
		}
		n++
		a := answer{asked: query{index: k.index}, items: items, meta: &api.QueryMeta{LastIndex: uint64(n), KnownLeader: true}}
		if u, _ := k.learn(a, nil, epoch); u.Kind != discovery.Set || len(u.Instances) != len(entries) {
			t.Fatalf("update of kind %d with %d instances", u.Kind, len(u.Instances))
		}
	}
	learn()
	// The runtime's map and the decoder's pool make the number vary a little.
	if n := testing.AllocsPerRun(10, learn); n > 500 {
		t.Errorf("%v allocations for one change of 5,000", n)
	}
}

// BenchmarkSwap shows the time from the moment when Consul begins to send an
// answer of 5,000 instances, one of which has changed, to the update, and what is
// computed meanwhile, on both sides.
func BenchmarkSwap(b *testing.B) {
	entries := crowd(b, 5000)
	texts := []string{text(b, entries...), ""}
	entries[2500].Service.Port++
	texts[1] = text(b, entries...)
	f := testkit.StartFaultConsul(b)
	c, err := NewClient(Options{Address: f.Addr()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	told, done := make(chan time.Time, 1), make(chan struct{})
	go func() {
		defer close(done)
		c.Source(Watch{Service: "web"}, nil).Run(ctx, func(u discovery.Update) {
			if u.Kind != discovery.Set {
				b.Errorf("update %+v", u)
			}
			told <- time.Now()
		})
	}()
	var began time.Time
	var took time.Duration
	n := 0
	swap := func() {
		n++
		answer := testkit.Body(uint64(n), texts[n%2])
		f.Script("web", testkit.Answer{Serve: func(w http.ResponseWriter, r *http.Request) {
			began = time.Now()
			answer.Serve(w, r)
		}})
		took += (<-told).Sub(began)
	}
	swap()
	took, n = 0, 1
	computed := cpu(b)
	for b.Loop() {
		swap()
	}
	b.ReportMetric(float64((cpu(b)-computed).Microseconds())/1000/float64(n-1), "cpu-ms/swap")
	b.ReportMetric(float64(took.Microseconds())/1000/float64(n-1), "ms/swap")
	cancel()
	<-done
	c.Close()
}

// BenchmarkLearn shows what one change in 5,000 instances takes from the answer's
// bytes to the update, in both halves, and what the first answer takes.
func BenchmarkLearn(b *testing.B) {
	entries := crowd(b, 5000)
	texts := []string{text(b, entries...), ""}
	entries[2500].Service.Port++
	texts[1] = text(b, entries...)
	read := func(b *testing.B, r *reader, n int) []*item {
		items, err := r.read(strings.NewReader(texts[n%2]), false)
		if err != nil {
			b.Fatal(err)
		}
		return items
	}
	b.Run("first", func(b *testing.B) {
		b.SetBytes(int64(len(texts[0])))
		b.ReportAllocs()
		for b.Loop() {
			read(b, newReader(Watch{}), 0)
		}
	})
	b.Run("read", func(b *testing.B) {
		b.SetBytes(int64(len(texts[0])))
		b.ReportAllocs()
		r, n := newReader(Watch{}), 0
		read(b, r, n)
		for b.Loop() {
			n++
			read(b, r, n)
		}
	})
	b.Run("judge", func(b *testing.B) {
		b.ReportAllocs()
		r := newReader(Watch{})
		answers := [][]*item{read(b, r, 0), read(b, r, 1)}
		k, n := knowledge{}, 0
		for b.Loop() {
			n++
			a := answer{asked: query{index: k.index}, items: slices.Clone(answers[n%2]), meta: &api.QueryMeta{LastIndex: uint64(n), KnownLeader: true}}
			if u, _ := k.learn(a, nil, epoch); u.Kind != discovery.Set {
				b.Fatalf("update %d", u.Kind)
			}
		}
	})
}
