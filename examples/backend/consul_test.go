package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/consul/api"

	"github.com/rota-lb/rota/internal/testkit"
)

// start runs a backend named web-1 that belongs to the agent. Its log comes
// line by line; stop ends it and returns what it came to.
func start(t *testing.T, agent *testkit.Consul) (log <-chan string, stop func() error) {
	t.Helper()
	lines := make(chan string, 100)
	r, w := io.Pipe()
	config := api.DefaultConfig()
	config.Address = agent.Addr()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		for s := bufio.NewScanner(r); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
	}()
	go func() {
		o := options{listen: "127.0.0.1:0", id: "web-1", service: "web", drain: 50 * time.Millisecond}
		done <- run(ctx, o, config, slog.New(slog.NewTextHandler(w, nil)))
		config.Transport.CloseIdleConnections()
		w.Close()
	}()
	stop = func() error {
		cancel()
		return <-done
	}
	t.Cleanup(cancel)
	return lines, stop
}

// awaitLog returns the first line that contains text.
func awaitLog(t *testing.T, log <-chan string, text string) string {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		select {
		case line, ok := <-log:
			if !ok {
				t.Fatalf("the log ended without %q", text)
			}
			if strings.Contains(line, text) {
				return line
			}
		case <-limit.C:
			t.Fatalf("no %q in the log", text)
		}
	}
}

// awaitEntry waits until the catalog has web-1, or has it no more, and returns
// what it has. The catalog follows the agent a moment later.
func awaitEntry(t *testing.T, agent *testkit.Consul, present bool) *api.ServiceEntry {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for index := uint64(0); ; {
		q := &api.QueryOptions{WaitIndex: index}
		entries, meta, err := agent.Client().Health().Service("web", "", false, q.WithContext(ctx))
		switch {
		case err != nil:
			t.Fatalf("web-1 in the catalog: want %v: %v", present, err)
		case len(entries) == 1 && present:
			return entries[0]
		case len(entries) == 0 && !present:
			return nil
		}
		index = meta.LastIndex
	}
}

func TestMembership(t *testing.T) {
	t.Parallel()
	agent := testkit.StartConsul(t)
	log, stop := start(t, agent)
	awaitLog(t, log, "registered service=web id=web-1 address=127.0.0.1:")

	if e := awaitEntry(t, agent, true); e.Checks.AggregatedStatus() != api.HealthPassing {
		t.Errorf("registered as %+v; want it passing at once", e.Checks)
	}

	// An agent that comes back with an empty catalog has us at once.
	agent.Kill()
	awaitLog(t, log, "no word with Consul")
	agent.Start()
	awaitLog(t, log, "msg=registered")
	awaitEntry(t, agent, true)

	// Whoever takes us out sees us gone for a while.
	agent.Deregister("web-1")
	awaitLog(t, log, `msg="taken out of Consul" back_in=5s`)
	awaitEntry(t, agent, false)
	awaitLog(t, log, "msg=registered")
	awaitEntry(t, agent, true)

	if err := stop(); err != nil {
		t.Error(err)
	}
	awaitLog(t, log, "deregistered")
	awaitLog(t, log, "finished")
	awaitEntry(t, agent, false)
}

func TestStartsBeforeConsul(t *testing.T) {
	t.Parallel()
	agent := testkit.StartConsul(t)
	agent.Kill()
	log, stop := start(t, agent)
	awaitLog(t, log, "no word with Consul")
	agent.Start()
	awaitLog(t, log, "msg=registered")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A request in flight when the backend is told to stop gets its whole answer,
// with Consul away as well.
func TestFinishesWhatItHas(t *testing.T) {
	t.Parallel()
	agent := testkit.StartConsul(t)
	log, stop := start(t, agent)
	line := awaitLog(t, log, "msg=registered")
	_, address, _ := strings.Cut(line, "address=")
	agent.Kill()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + address + "/slow?d=1s")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.HasSuffix(string(body), "web-1: 1s of 1s\n") {
		t.Errorf("got %q, %v", body, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	awaitLog(t, log, "could not leave Consul")
}
