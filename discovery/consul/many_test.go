package consul

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/discovery"
	"github.com/rota-lb/rota/internal/testkit"
)

// journal notes what is asked for with a filter.
type journal struct {
	next http.RoundTripper
	mu   sync.Mutex
	kept []string
}

func (j *journal) RoundTrip(r *http.Request) (*http.Response, error) {
	if filter := r.URL.Query().Get("filter"); filter != "" {
		j.mu.Lock()
		j.kept = append(j.kept, r.URL.Path+" "+filter)
		j.mu.Unlock()
	}
	return j.next.RoundTrip(r)
}

// take returns what was noted.
func (j *journal) take() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := j.kept
	j.kept = nil
	return strings.Join(kept, ", ")
}

// Who goes of very many is looked for on the node alone, and in the service only
// where it is there still, or the token does not let all of the node be seen.
func TestOneOfManyGoes(t *testing.T) {
	agent := testkit.StartConsul(t, testkit.WithACLs())
	catalog := agent.Client().Catalog()
	register := func(id, service string, tags ...string) {
		t.Helper()
		_, err := catalog.Register(&api.CatalogRegistration{
			Node: "crowd", Address: "127.0.0.1", SkipNodeUpdate: true,
			Service: &api.AgentService{ID: id, Service: service, Port: 80, Tags: tags},
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range many + 10 {
		register(fmt.Sprintf("web-%d", i), "web", "v1")
	}
	register("db", "db")
	const node, service = `/v1/catalog/node-services/crowd ID == "#"`, `/v1/health/service/web Service.ID == "#"`
	const web, nodes = `service "web" { policy = "read" }`, ` node_prefix "" { policy = "read" }`
	left := many + 10
	for _, tt := range []struct {
		name, rules string
		asked       string // for who goes, # being its ID
	}{
		{"all can be seen", `service_prefix "" { policy = "read" }` + nodes, node},
		{"the service can be seen", web + nodes, node + ", " + service},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("CONSUL_HTTP_TOKEN", agent.Token(tt.rules))
			c := newClient(t, Options{Address: agent.Addr()})
			j := &journal{next: c.guard.next}
			c.guard.next = j
			u := watch(t, c, Watch{Service: "web", Tags: []string{"v1"}})
			u.await("all", count(left))

			left--
			id := fmt.Sprintf("web-%d", left)
			if _, err := catalog.Deregister(&api.CatalogDeregistration{Node: "crowd", ServiceID: id}, nil); err != nil {
				t.Fatal(err)
			}
			u.await("all but one", count(left))
			if got := strings.ReplaceAll(j.take(), id, "#"); got != tt.asked {
				t.Errorf("asked for %s, want %s", got, tt.asked)
			}

			left--
			id = fmt.Sprintf("web-%d", left)
			register(id, "web") // it is there, and is not meant any more
			u.await("all but two", count(left))
			if got, want := strings.ReplaceAll(j.take(), id, "#"), node+", "+service; got != want {
				t.Errorf("then asked for %s, want %s", got, want)
			}
		})
	}
}

// TestLearnFromMany is as TestLearn, for a service of so many instances that those
// few are asked for alone which a stream leaves out.
func TestLearnFromMany(t *testing.T) {
	crowd := ""
	for n := range 2 * many {
		crowd += string(rune('Ā' + n))
	}
	refused := errors.New("connection refused")
	all := crowd + "abcdefghij"
	without := func(but string) string {
		return strings.Map(func(r rune) rune {
			if strings.ContainsRune(but, r) {
				return -1
			}
			return r
		}, all)
	}
	stream := func(index uint64, but string) event {
		return event{index: index, names: without(but), streamed: true}
	}
	for _, tt := range []struct {
		name   string
		events []event
		want   []string // index, @ for a node, and filter to ask with next; and how many are missing
	}{
		{"gone", []event{{index: 5, names: all}, stream(7, "j"), {index: 7}}, []string{"5-0", "0@j", "7-1"}},
		{"some gone, some not", []event{{index: 5, names: all}, stream(7, "hij"), {index: 8, has: true}, {index: 9, names: "i"}}, []string{"5-0", "0@hij", "0hij", "7-2"}},
		{"not gone", []event{{index: 5, names: all}, stream(7, "j"), {index: 8, has: true}, {index: 8, names: "j"}}, []string{"5-0", "0@j", "0j", "7-0"}},
		{"on two nodes", []event{{index: 5, names: all + "z"}, {index: 7, names: without("j"), streamed: true}, {index: 7}}, []string{"5--1", "0jz", "7-1"}},
		{"one comes at the same time", []event{{index: 5, names: without("j")}, stream(7, "i"), {index: 7}}, []string{"5-1", "0@i", "7-1"}},
		{"from a server that lags behind", []event{{index: 5, names: all}, stream(7, "j"), {index: 6}, {index: 6}}, []string{"5-0", "0@j", "0j", "0"}},
		{"with a later change of another node", []event{{index: 5, names: all}, stream(7, "j"), {index: 6}, {index: 7}}, []string{"5-0", "0@j", "0j", "7-1"}},
		{"the second from one that lags behind", []event{{index: 5, names: all}, stream(7, "j"), {index: 8, has: true}, {index: 6, names: "j"}}, []string{"5-0", "0@j", "0j", "0"}},
		{"kept back of the node", []event{{index: 5, names: all}, stream(7, "j"), {index: 7, filtered: true}, {index: 7}}, []string{"5-0", "0@j", "0j", "7-1"}},
		{"kept back", []event{{index: 5, names: all}, stream(7, "j"), {index: 7, filtered: true}, {index: 7, filtered: true}}, []string{"5-0", "0@j", "0j", "0"}},
		{"no leader", []event{{index: 5, names: all}, stream(7, "j"), {index: 7, noLeader: true}}, []string{"5-0", "0@j", "0"}},
		{"a failure", []event{{index: 5, names: all}, stream(7, "j"), {err: refused}}, []string{"5-0", "0@j", "0"}},
		{"the node may not be asked", []event{{index: 5, names: all}, stream(7, "j"), {err: fmt.Errorf("asking: %w", api.StatusError{Code: 403})}, {index: 7}}, []string{"5-0", "0@j", "0j", "7-1"}},
		{"the leader is back", []event{{index: 5, names: all}, stream(7, "j"), {err: errLeaderIsBack}}, []string{"5-0", "0@j", "0"}},
		{"too many", []event{{index: 5, names: all}, stream(7, "abcdefghij"), {index: 7, names: crowd}}, []string{"5-0", "0", "7-10"}},
		{"nothing new", []event{{index: 5, names: all}, stream(5, ""), {index: 5, names: all}}, []string{"5-0", "0", "5-0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := knowledge{watch: Watch{Service: "web"}, hold: holdFor}
			var got []string
			for _, e := range tt.events {
				q := k.next(epoch)
				a, err := e.answer()
				a.asked = q
				update, isNews := k.learn(a, err, epoch)
				next := k.next(epoch)
				brief := fmt.Sprint(next.index)
				if next.node != "" {
					brief += "@"
				}
				for part := range strings.SplitSeq(next.filter, " or ") {
					brief += strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(part, "Service."), `ID == "`), `"`)
				}
				if isNews && update.Kind != discovery.Failed {
					brief += fmt.Sprint("-", 2*many+10-len(k.last))
				}
				got = append(got, brief)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("learned %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFilter(t *testing.T) {
	list := func(ids ...string) (l listing) {
		for _, id := range ids {
			l = append(l, &item{instance: discovery.Instance{Name: id}})
		}
		return l
	}
	for _, tt := range []struct {
		of   listing
		want string
	}{
		{list(), ""},
		{list("a"), `Service.ID == "a"`},
		{list("web 1/x", "b'"), `Service.ID == "web 1/x" or Service.ID == "b'"`},
		{list("a", `b"`), ""},
		{list(`a\`), ""},
		{list("ä"), ""},
		{list("1", "2", "3", "4", "5", "6", "7", "8", "9"), ""},
	} {
		if got := tt.of.filter("Service.ID"); got != tt.want {
			t.Errorf("filter %q, want %q", got, tt.want)
		}
	}
}

func TestNode(t *testing.T) {
	on := func(nodes ...string) (l listing) {
		for _, node := range nodes {
			l = append(l, &item{instance: discovery.Instance{Node: node}})
		}
		return l
	}
	for _, tt := range []struct {
		of   listing
		want string
	}{
		{on(), ""},
		{on("a-1.x"), "a-1.x"},
		{on("a", "a"), "a"},
		{on("a", "b"), ""},
		{on("", "b"), ""},
		{on("a/b"), ""},
		{on("a b"), ""},
		{on("ä"), ""},
	} {
		if got := tt.of.node(); got != tt.want {
			t.Errorf("node %q, want %q", got, tt.want)
		}
	}
}
