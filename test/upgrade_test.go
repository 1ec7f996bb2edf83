package test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// upgrade has another process take over, and waits until it has.
func (r *rota) upgrade() {
	r.t.Helper()
	began := time.Now()
	r.signal(syscall.SIGUSR2)
	r.awaitHeir(began)
}

// awaitHeir waits until another process has taken over.
func (r *rota) awaitHeir(began time.Time) {
	r.t.Helper()
	pid := r.awaitAfter(began, "upgrade: the other process has taken over").fields["pid"].(float64)
	var err error
	if r.heir, err = os.FindProcess(int(pid)); err != nil {
		r.t.Fatal(err)
	}
}

// replace puts a new file in the place of the program's, as installers do.
func replace(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := filepath.Join(filepath.Dir(path), "next")
	if err := os.WriteFile(next, text, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// newConnections asks again and again, each time on a new connection. What it
// returns ends that, and tells how often it asked and what failed.
func newConnections(url string) (end func() (n int, failures []error)) {
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	stop := make(chan struct{})
	var asking sync.WaitGroup
	var n int
	var failures []error
	asking.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			n++
			response, err := client.Get(url)
			if err == nil {
				_, err = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			if err == nil && response.StatusCode != http.StatusOK {
				err = fmt.Errorf("status %d", response.StatusCode)
			}
			if err != nil {
				failures = append(failures, err)
			}
		}
	})
	return func() (int, []error) {
		close(stop)
		asking.Wait()
		return n, failures
	}
}

// SIGUSR2 has one process after another take over, under load: nothing fails, on
// new connections and on those that stand. What is under way in the old ones
// finishes, who was found dead is known to be, and each old process exits with 0.
func TestUpgradeUnderLoad(t *testing.T) {
	consul := testkit.StartConsul(t)
	startRegistered(t, consul, 3)
	dead := startProcess(t, "dead")
	register(consul, "dead", dead.port)
	slow := startBackend(t, "slow")
	arrived, release := make(chan struct{}), make(chan struct{})
	slow.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, "finished")
	})
	rota := startReadyRota(t, web+fmt.Sprintf(`
shutdown_timeout = "5m"
service "slow" {
  discover "static" { urls = ["http://127.0.0.1:%d"] }
  timeouts { response = "5m" }
}
route { service = "web" }
route {
  path_prefix = "/slow"
  service     = "slow"
}
`, slow.port), watching(consul))
	dead.kill()
	load := startLoad(t, rota.url, 300, func(n int) string { return []string{"GET", "POST"}[n%2] })
	endNew := newConnections(rota.url)
	rota.await("endpoint ejected", "id", "dead")
	answered := ask(t, rota.url+"/slow")
	<-arrived

	binary, _ := buildRota()
	for range 5 {
		began := time.Now()
		replace(t, binary)
		rota.upgrade()
		load.pass(100)
		for _, b := range rota.health().Backends {
			if b.Alive == (b.ID == "dead") {
				t.Errorf("%s is %s", b.ID, b.State)
			}
		}
		if line := rota.awaitAfter(began, "endpoint ", "id", "dead"); line.fields["state"] != "ejected" {
			t.Errorf("the next process begins with %s", line.text)
		}
	}
	close(release)
	if got := <-answered; got.body != "finished" {
		t.Errorf("what was under way ended with %+v", got)
	}
	n, failures := endNew()
	if len(failures) > 0 {
		t.Errorf("%d of %d new connections failed: %v", len(failures), n, failures[:min(len(failures), 10)])
	}
	load.stop(t)
	t.Logf("%d requests on new connections", n)
}

// While the next process waits for its services, the one before answers on admin,
// and serves: who asks whether rota is ready is never told that it is not.
func TestAdminIsAnsweredByWhoServes(t *testing.T) {
	consul := testkit.StartFaultConsul(t) // which is silent until it is told what to say
	a, later := startBackend(t, "a"), startBackend(t, "later")
	service := fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [\"http://127.0.0.1:%d\"] }\n}\nroute { service = \"web\" }\n", a.port)
	rota := startReadyRota(t, service)
	rota.configure(service + fmt.Sprintf("consul { address = %q }\nservice \"later\" {}\nroute {\n  service = \"later\"\n  host = \"later\"\n}\n", consul.Addr()))

	began := time.Now()
	rota.signal(syscall.SIGUSR2)
	consul.Await("later", 1)
	ready := func() {
		t.Helper()
		for i := range 50 {
			if status, body := rota.get(rota.admin + "/health/ready"); status != 200 {
				t.Fatalf("the %d. time, /health/ready says %d %s", i+1, status, body)
			}
		}
	}
	ready()
	consul.Script("later", testkit.Instances(10, testkit.Entry("later", "later", "127.0.0.1", later.port)))
	rota.awaitHeir(began)
	ready()
	if total := rota.health().Total; total != 2 {
		t.Errorf("the next process knows %d endpoints, want 2", total)
	}
}

// An order to reload that comes while another process takes over is not lost: by
// signal it reaches that one, which may have read the file before, and by admin it
// is refused at once. To the old one, too, while that finishes what it has.
func TestAReloadDuringAnUpgrade(t *testing.T) {
	consul := testkit.StartFaultConsul(t)
	a, later := startClinging(t, "a"), startBackend(t, "later")
	service := fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [\"http://127.0.0.1:%d\"] }\n}\nroute { service = \"web\" }\n", a.port)
	rota := startReadyRota(t, service)
	slow := ask(t, rota.url+"/slow")
	<-a.arrived
	read := service + fmt.Sprintf("consul { address = %q }\nservice \"later\" {}\nroute {\n  service = \"later\"\n  host = \"later\"\n}\n", consul.Addr())
	rota.configure(read)

	began := time.Now()
	rota.signal(syscall.SIGUSR2)
	consul.Await("later", 1) // the new process has read the file
	rota.configure(read + "shutdown_timeout = \"29s\"\n")
	rota.signal(syscall.SIGHUP)
	response, err := http.Post(rota.admin+"/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.StatusCode != 422 || !strings.Contains(string(text), "an upgrade is under way") {
		t.Errorf("meanwhile /reload says %d %s", response.StatusCode, text)
	}
	consul.Script("later", testkit.Instances(10, testkit.Entry("later", "later", "127.0.0.1", later.port)))
	rota.awaitHeir(began)
	rota.awaitAfter(began, "reloaded", "changes", "shutdown_timeout changed")

	began = time.Now()
	rota.configure(read + "upgrade_timeout = \"29s\"\n")
	if err := rota.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	rota.awaitAfter(began, "reloaded", "changes", "upgrade_timeout changed")
	close(a.release)
	if got := <-slow; got.status != 200 || got.err != nil {
		t.Errorf("what was under way ended with %+v", got)
	}
}

// A process that can't start, or does not get ready, takes nothing over: the one
// before goes on, and says so.
func TestUpgradeFails(t *testing.T) {
	b := startBackend(t, "a")
	service := fmt.Sprintf("service \"web\" {\n  discover \"static\" { urls = [\"http://127.0.0.1:%d\"] }\n}\n", b.port)
	rota := startReadyRota(t, service)
	load := startLoad(t, rota.url, 200, nil)
	tests := []struct{ name, before, config, want string }{
		{"a broken file", service, "server {}\n", "exit status 1"},
		{"Consul is not there", "upgrade_timeout = \"1s\"\n" + service,
			"consul { address = \"127.0.0.1:1\" }\nservice \"web\" {}\n", "it was not ready within upgrade_timeout"},
	}
	for _, tt := range tests {
		rota.reload(tt.before)
		rota.configure(tt.config)
		began := time.Now()
		rota.signal(syscall.SIGUSR2)
		line := rota.awaitAfter(began, "no upgrade: ")
		if got := fmt.Sprint(line.fields["error"]); !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s", tt.name, line.text)
		}
		load.pass(50)
	}
	rota.reload(service)
	rota.upgrade()
	load.pass(50)
	load.stop(t)
}

// What was learned of a backend outlives an upgrade: one that hangs, though its
// checks pass, gets no request from the next process either.
func TestAnUpgradeKeepsWhatWasLearned(t *testing.T) {
	hung, b, c := startMoody(t, "hung"), startMoody(t, "b"), startMoody(t, "c")
	rota := startReadyRota(t, moodyService(rareChecks+"outlier {\n base_ejection = \"1h\"\n max_ejection = \"1h\"\n}", hung, b, c))
	load := startLoad(t, rota.url, 300, nil)
	hung.reached(t, load, 50)
	hung.hang()
	address, began := fmt.Sprint(hung.port), time.Now()
	rota.awaitAfter(began, "endpoint ejected", "id", address, "reasons", "consecutive_failures")
	hung.wake()
	load.pass(100) // those that it had are over
	before := hung.count.Load()
	for range 2 {
		began = time.Now()
		rota.upgrade()
		rota.awaitAfter(began, "endpoint ejected", "id", address, "from", "new", "reasons", "consecutive_failures")
		load.pass(100)
	}
	rota.counts(3, 2, 1)
	load.stop(t)
	if n := hung.count.Load() - before; n > 0 {
		t.Errorf("%d requests came to the one that is out", n)
	}
}

// The next process doubts its first answer as the one before would: an agent that
// starts anew at that moment, and has not been told of its services yet, empties
// no pool.
func TestAnUpgradeWhileTheAgentStartsAnew(t *testing.T) {
	consul := testkit.StartFaultConsul(t)
	var entries []*api.ServiceEntry
	for _, name := range []string{"a", "b", "c"} {
		entries = append(entries, testkit.Entry("web", name, "127.0.0.1", startBackend(t, name).port))
	}
	consul.Script("web", testkit.Instances(10, entries...))
	rota := startReadyRota(t, fmt.Sprintf("consul { address = %q }\nservice \"web\" {}\n", consul.Addr()))
	load := startLoad(t, rota.url, 300, nil)
	consul.Await("web", 2)

	began := time.Now()
	rota.signal(syscall.SIGUSR2)
	consul.Await("web", 3) // by the new process
	consul.Script("web", testkit.Instances(11), testkit.Instances(11))
	rota.awaitHeir(began)
	rota.awaitHealth("all held", func(h healthReport) bool {
		held := 0
		for _, b := range h.Backends {
			if b.State == "held" {
				held++
			}
		}
		return held == 3
	})
	load.pass(100)
	began = time.Now()
	consul.Script("web", testkit.Instances(12, entries...))
	for _, e := range entries {
		rota.awaitAfter(began, "endpoint serving", "id", e.Service.ID)
	}
	load.stop(t)
}

// While Consul is away, and with nothing on disk, the next process serves what the
// one before was told last; and what Consul says once it is back.
func TestAnUpgradeWithoutConsul(t *testing.T) {
	consul := testkit.StartConsul(t, testkit.KeepData())
	startRegistered(t, consul, 2)
	rota := startReadyRota(t, web, watching(consul))
	load := startLoad(t, rota.url, 200, nil)
	away := time.Now()
	for _, leave := range []func(){consul.Pause, consul.Kill} {
		leave()
		rota.upgrade()
		rota.awaitHealth("the list of before", func(h healthReport) bool { return h.Discovery[0].Snapshot })
		// What was confirmed last may be as old as a query lasts.
		age, least, most := time.Duration(*rota.health().Discovery[0].AgeMS)*time.Millisecond, time.Since(away)-time.Second, patience
		if age < least || age > most {
			t.Errorf("the list is %v old, want %v to %v", age, least, most)
		}
		rota.counts(2, 2, 0)
		load.pass(50)
	}
	consul.Start()
	b := startBackend(t, "new")
	register(consul, b.name, b.port)
	<-b.first
	rota.awaitFresh()
	rota.counts(3, 3, 0)
	load.stop(t)
}
