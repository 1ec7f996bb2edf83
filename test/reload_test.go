package test

import (
	"flag"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

var reloadSeconds = flag.Int("reload-seconds", 0, "for how many `seconds` SIGHUP is sent, once in each; 0: a few times as fast as can be")

// SIGHUP again and again under load, with other things changed each time: no
// request fails, and nothing is forgotten that goes on. A file that is wrong is
// told of, and changes nothing.
func TestReloadUnderLoad(t *testing.T) {
	consul := testkit.StartConsul(t)
	backends := startRegistered(t, consul, 3)
	dead := startProcess(t, "dead")
	register(consul, "dead", dead.port)
	const always = "service \"web\" {\n  health_check {\n    interval = \"1h\"\n%s\n  }\n%s\n}\n"
	configs := []string{
		fmt.Sprintf(always, "", "") + "route { service = \"web\" }\n",
		fmt.Sprintf(always, "    timeout = \"1s\"\n", "  balance = \"least_request\"\n") + "route { service = \"web\" }\n",
		fmt.Sprintf(always, "", "  timeouts {\n    response = \"9s\"\n  }\n") + "listen \"more\" { address = \"127.0.0.1:0\" }\n" +
			"service \"more\" {\n  discover \"consul\" { name = \"web\" }\n}\nroute {\n  service = \"more\"\n  host = \"more.test\"\n}\nroute { service = \"web\" }\n",
		"server {}\n",
	}
	rota := startReadyRota(t, configs[0], watching(consul))
	rota.await("endpoint serving", "id", "dead")
	dead.kill()
	load := startLoad(t, rota.url, 500, func(n int) string { return []string{"GET", "POST"}[n%2] })
	rota.await("endpoint ejected", "id", "dead")
	load.pass(100)

	pause, rounds := 20, 20
	if *reloadSeconds > 0 {
		pause, rounds = 500, *reloadSeconds // requests between two of them: a second's
	}
	for i := range rounds {
		config := configs[(i+1)%len(configs)]
		rota.configure(config)
		began := time.Now()
		rota.signal(syscall.SIGHUP)
		if strings.HasPrefix(config, "server") {
			line := rota.awaitAfter(began, "not reloaded")
			if !strings.Contains(fmt.Sprint(line.fields["error"]), "config.hcl:7:1: unknown block") {
				t.Fatalf("the log says %s", line.text)
			}
		} else {
			rota.awaitAfter(began, "reloaded")
		}
		load.pass(pause)
		h := rota.health()
		for _, b := range h.Backends {
			if b.Service == "web" && b.Alive == (b.ID == "dead") {
				t.Fatalf("after %d reloads %s is %s", i, b.ID, b.State)
			}
		}
	}
	load.stop(t)

	var served int64
	for _, b := range backends {
		served += b.count.Load()
	}
	want := fmt.Sprintf("rota_requests_total{code=\"2xx\",service=\"web\"} %d\n", load.total)
	for began := time.Now(); ; { // a request is counted after its response
		_, metrics := rota.get(rota.admin + "/metrics")
		if strings.Contains(metrics, want) {
			break
		} else if time.Since(began) > patience {
			t.Fatalf("of %d requests, of which backends had %d, the metrics say\n%s", load.total, served, metrics)
		}
	}
	if n := rota.said("endpoint ", "service", "web"); n != 5 { // four came, one died
		t.Errorf("endpoints of the service changed their state %d times, want 5", n)
	}
	t.Logf("%d reloads", rounds)
}
