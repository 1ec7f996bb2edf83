package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// rota runs, learns and stops; Consul stops; rota starts, and serves what it
// knew, as far as that answers. /health says that it is old. Consul returns, and
// so does the truth.
func TestStartFromASnapshot(t *testing.T) {
	consul := testkit.StartConsul(t, testkit.KeepData())
	startRegistered(t, consul, 2)
	mortal := startProcess(t, "mortal")
	register(consul, mortal.name, mortal.port)
	dir := filepath.Join(t.TempDir(), "state")
	config := fmt.Sprintf("state_dir = %q\n%s", dir, web)

	first := startReadyRota(t, config, watching(consul))
	first.counts(3, 3, 0)
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	consul.Stop()
	mortal.kill()

	began := time.Now()
	rota := startReadyRota(t, config, watching(consul))
	if status, _ := rota.get(rota.url); status != http.StatusOK {
		t.Errorf("the first answer is %d", status)
	}
	t.Logf("served %v after the start, without Consul (under the race detector)", time.Since(began).Round(time.Millisecond))
	rota.await("discovery has not answered: serving the list that was known before", "service", "web", "instances", "3")
	rota.await("endpoint ejected", "id", "mortal")
	load := startLoad(t, rota.url, 200, nil)
	load.pass(100)
	h := rota.health()
	if d := h.Discovery[0]; d.Fresh || !d.Snapshot || d.Source != "consul" || d.AgeMS == nil || d.Error == "" || h.Status != 200 {
		t.Errorf("/health says %+v", h)
	}
	rota.counts(3, 2, 1)

	consul.Start()
	consul.Deregister("mortal")
	b := startBackend(t, "new")
	register(consul, b.name, b.port)
	<-b.first
	rota.awaitFresh()
	rota.await("endpoint draining", "id", "mortal", "reasons", "deregistered")
	rota.counts(3, 3, 0)
	if d := rota.health().Discovery[0]; d.Snapshot {
		t.Errorf("with Consul, /health says %+v", d)
	}
	load.stop(t)
}

// A folder that can't be used costs the snapshots, and nothing else.
func TestAStateDirThatCannotBeUsed(t *testing.T) {
	consul := testkit.StartConsul(t)
	startRegistered(t, consul, 1)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	rota := startReadyRota(t, fmt.Sprintf("state_dir = %q\n%s", file, web), watching(consul))
	rota.await("state_dir can't be used", "error", "not a directory")
	rota.await("can't keep a snapshot", "service", "web")
	if status, _ := rota.get(rota.url); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
}
