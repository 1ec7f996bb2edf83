package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// TestScale measures what very many instances, and very many services, cost.
func TestScale(t *testing.T) {
	scales := map[string]func(*testing.T){"crowd": measureCrowd, "services": measureServices}
	names := strings.Split(*scenarioNames, ",")
	for _, name := range []string{"crowd", "services"} {
		if slices.Contains(names, "all") || slices.Contains(names, name) {
			t.Run(name, scales[name])
		}
	}
}

// catalogue registers instances straight into Consul's catalogue, of a node that
// has no agent, at addresses where somebody accepts connections.
type catalogue struct {
	t    *testing.T
	api  *api.Catalog
	port int
}

func newCatalogue(t *testing.T, c *testkit.Consul) *catalogue {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); accepting.Wait() })
	return &catalogue{t: t, api: c.Client().Catalog(), port: l.Addr().(*net.TCPAddr).Port}
}

func (c *catalogue) register(service, id string) {
	_, err := c.api.Register(&api.CatalogRegistration{
		Node: "crowd", Address: "127.0.0.1", SkipNodeUpdate: true,
		Service: &api.AgentService{ID: id, Service: service, Port: c.port, Tags: []string{"v1", "blue"}, Meta: map[string]string{"zone": "a"}},
		Check:   &api.AgentCheck{Node: "crowd", CheckID: id, Name: "its own", Status: "passing", ServiceID: id, ServiceName: service},
	}, nil)
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *catalogue) deregister(id string) {
	if _, err := c.api.Deregister(&api.CatalogDeregistration{Node: "crowd", ServiceID: id}, nil); err != nil {
		c.t.Fatal(err)
	}
}

// cpuTime returns how long a process has computed.
func (r *rota) cpuTime() time.Duration {
	r.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.process().Pid))
	if err != nil {
		r.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // in ticks of Linux's
}

func sayAs(t *testing.T, format string, args ...any) {
	fmt.Printf("%s: %s\n", t.Name(), fmt.Sprintf(format, args...))
}

// measureCrowd measures how soon one change in a service of 5,000 instances is in
// force, from the moment at which Consul's answer is there.
func measureCrowd(t *testing.T) {
	const instances, rounds = 5000, 20
	consul := testkit.StartConsul(t)
	c := newCatalogue(t, consul)
	for i := range instances {
		c.register("web", fmt.Sprintf("web-%04d", i))
	}
	link := testkit.StartLink(t, consul.Addr())
	rota := startReadyRota(t, "service \"web\" {\n  health_check {\n    interval = \"10m\"\n  }\n}\n", "CONSUL_HTTP_ADDR="+link.Addr())
	if h := rota.health(); h.Total != instances {
		t.Fatalf("rota knows %d of %d instances", h.Total, instances)
	}
	var sent, computed []time.Duration
	change := func(do func(), line string, pairs ...string) (took time.Duration) {
		for quiet := false; !quiet; { // what follows the last change is over
			since := time.Now()
			<-time.NewTimer(300 * time.Millisecond).C
			quiet = !slices.ContainsFunc(link.Flows(time.Time{}), func(f testkit.Flow) bool { return f.Bytes > 100*instances && f.Ended.After(since) })
		}
		began, used := time.Now(), rota.cpuTime()
		do()
		told := rota.awaitAfter(began, line, pairs...)
		var answer testkit.Flow
		for _, f := range link.Flows(began) {
			if f.Bytes > answer.Bytes {
				answer = f
			}
		}
		if answer.Bytes < 100*instances {
			t.Fatalf("the largest answer had %d bytes", answer.Bytes)
		}
		sent, computed = append(sent, answer.Ended.Sub(answer.Began)), append(computed, rota.cpuTime()-used)
		return max(0, told.at.Sub(answer.Ended))
	}
	var came, went []time.Duration
	for range rounds {
		id := fmt.Sprintf("web-%04d", rand.IntN(instances))
		// Who is missing is asked for once more before that is believed.
		went = append(went, change(func() { c.deregister(id) }, "endpoint draining", "id", id))
		came = append(came, change(func() { c.register("web", id) }, "endpoint ", "id", id))
	}
	for _, d := range [][]time.Duration{sent, came, went, computed} {
		slices.Sort(d)
	}
	sayAs(t, "one change among %d instances, %d times: Consul sends its answer for p50 %s, max %s; after that, one that comes is known p50 %s, max %s, and one that goes p50 %s, max %s; computing for a change p50 %s",
		instances, 2*rounds, ms(quantile(sent, .5)), ms(quantile(sent, 1)), ms(quantile(came, .5)), ms(quantile(came, 1)),
		ms(quantile(went, .5)), ms(quantile(went, 1)), ms(quantile(computed, .5)))
	if d := max(quantile(came, 1), quantile(went, 1)); d > 50*time.Millisecond {
		t.Errorf("a change is known %v after the answer is here, wanted at most 50 ms", d)
	}
}

// measureServices measures a thousand services that are watched through one agent:
// how soon changes in some of them are in force, and what all of them cost while
// nothing happens but a check of each a minute.
func measureServices(t *testing.T) {
	const services, rounds, rest = 1000, 50, 30 * time.Second
	consul := testkit.StartConsul(t)
	c := newCatalogue(t, consul)
	var config strings.Builder
	for i := range services {
		name := fmt.Sprintf("s%03d", i)
		c.register(name, name+"-a")
		fmt.Fprintf(&config, "service %q {\n  health_check {\n    interval = \"1m\"\n  }\n}\nroute {\n  path_prefix = \"/%s\"\n  service     = %q\n}\n", name, name, name)
	}
	began := time.Now()
	rota := startReadyRota(t, config.String(), watching(consul))
	sayAs(t, "%d services are ready after %s", services, ms(time.Since(began)))
	total := func() int { return rota.health().Total }
	if n := total(); n != services {
		t.Errorf("rota knows %d instances of %d services", n, services)
	}
	var took []time.Duration
	for range rounds {
		name := fmt.Sprintf("s%03d", rand.IntN(services))
		began := time.Now()
		c.register(name, name+"-b")
		took = append(took, rota.awaitAfter(began, "endpoint serving", "id", name+"-b").at.Sub(began))
		began = time.Now()
		c.deregister(name + "-b")
		took = append(took, rota.awaitAfter(began, "endpoint draining", "id", name+"-b").at.Sub(began))
	}
	slices.Sort(took)
	sayAs(t, "%d changes, from asking Consul for them: p50 %s, p99 %s, max %s", len(took), ms(quantile(took, .5)), ms(quantile(took, .99)), ms(quantile(took, 1)))
	used := rota.cpuTime()
	timer := time.NewTimer(rest)
	<-timer.C
	share := 100 * float64(rota.cpuTime()-used) / float64(rest)
	sayAs(t, "at rest they take %.2f %% of a core", share)
	if share > 2 {
		t.Errorf("at rest they take %.2f %% of a core, wanted less than 2", share)
	}
	if n := total(); n != services {
		t.Errorf("in the end rota knows %d instances of %d services", n, services)
	}
}
