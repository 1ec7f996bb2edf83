//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is how long containers may take to get somewhere.
const patience = time.Minute

// stack is the shipped composition, on ports of its own.
type stack struct {
	command []string // docker compose, in one word or two
	env     []string
	url     string // rota
}

// newStack takes the name of the composition from COMPOSE_PROJECT_NAME, which
// scripts/compose-test.sh has set, and takes everything down when the test ends.
func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{command: strings.Fields(os.Getenv("COMPOSE")), env: os.Environ()}
	if len(s.command) == 0 || project() == "" {
		t.Fatal("run it with: make compose-test")
	}
	var ports []int
	for _, name := range []string{"ROTA_PORT", "ROTA_ADMIN_PORT", "CONSUL_PORT"} {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		port := l.Addr().(*net.TCPAddr).Port
		ports = append(ports, port)
		s.env = append(s.env, fmt.Sprintf("%s=%d", name, port))
	}
	s.url = fmt.Sprintf("http://localhost:%d", ports[0])
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.compose(t, "logs", "--no-color", "--tail=60"))
		}
		s.compose(t, "down", "--volumes", "--rmi", "local")
	})
	return s
}

func project() string { return os.Getenv("COMPOSE_PROJECT_NAME") }

// compose runs one command of docker compose and returns what it printed.
func (s *stack) compose(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(s.command[0], append(s.command[1:], args...)...)
	cmd.Dir, cmd.Env = "../..", s.env
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// scale sets how many copies of the service there are.
func (s *stack) scale(t *testing.T, n int) {
	t.Helper()
	s.compose(t, "up", "--detach", "--no-recreate", "--scale", fmt.Sprintf("web=%d", n))
}

// docker returns the lines that a command of docker prints.
func docker(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("docker", args...).Output()
	if err != nil {
		t.Fatalf("docker %v: %v", args, err)
	}
	return strings.Fields(string(out))
}

// containers returns the running containers of one service.
func containers(t *testing.T, service string) []string {
	t.Helper()
	return docker(t, "ps", "-q",
		"--filter=label=com.docker.compose.project="+project(),
		"--filter=label=com.docker.compose.service="+service)
}

// allHealthy looks at the health checks of the images.
func allHealthy(t *testing.T) error {
	t.Helper()
	for _, service := range []string{"consul", "rota"} {
		for _, c := range containers(t, service) {
			if state := docker(t, "inspect", "--format={{.State.Health.Status}}", c); state[0] != "healthy" {
				return fmt.Errorf("%s is %s", service, state)
			}
		}
	}
	return nil
}

// health is what rota tells of its backends.
type health struct {
	Total, Alive int
}

func (s *stack) health() (h health, err error) {
	body, err := get(http.DefaultClient, s.url+"/health")
	if err != nil && body == nil {
		return h, err
	}
	return h, json.Unmarshal(body, &h)
}

// awaitHealth waits until rota counts so many backends.
func (s *stack) awaitHealth(t *testing.T, want health) {
	t.Helper()
	await(t, func() error {
		got, err := s.health()
		if err == nil && got != want {
			err = fmt.Errorf("/health: got %+v, want %+v", got, want)
		}
		return err
	})
}

// awaitBackends waits until exactly n backends answer requests in turn.
func (s *stack) awaitBackends(t *testing.T, n int) {
	t.Helper()
	await(t, func() error {
		seen := map[string]bool{}
		for range 4 * n {
			body, err := get(http.DefaultClient, s.url+"/")
			if err != nil {
				return err
			}
			name, _, _ := strings.Cut(string(body), ":")
			seen[name] = true
		}
		if len(seen) != n {
			return fmt.Errorf("answers come from %d backends, want %d: %v", len(seen), n, seen)
		}
		return nil
	})
}

// await tries until there is no error, or patience is at its end.
func await(t *testing.T, try func() error) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after %v: %v", patience, err)
		}
	}
}

// get returns the body of a good answer; with a bad one, it comes with an
// error.
func get(c *http.Client, url string) ([]byte, error) {
	resp, err := c.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, err
}

// load is a steady stream of GETs.
type load struct {
	t       *testing.T
	done    atomic.Int64
	failed  atomic.Int64
	stop    context.CancelFunc
	workers sync.WaitGroup
}

// startLoad has a few clients ask rota without a pause.
func (s *stack) startLoad(t *testing.T) *load {
	ctx, stop := context.WithCancel(t.Context())
	l := &load{t: t, stop: stop}
	for range 4 {
		l.workers.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				if _, err := get(client, s.url+"/"); err != nil {
					l.failed.Add(1)
					t.Errorf("request %d: %v", l.done.Load(), err)
				}
				l.done.Add(1)
			}
		})
	}
	l.run(100)
	return l
}

// run waits until n more requests are done.
func (l *load) run(n int64) {
	l.t.Helper()
	goal := l.done.Load() + n
	await(l.t, func() error {
		if done := l.done.Load(); done < goal {
			return fmt.Errorf("%d of %d requests done", done, goal)
		}
		return nil
	})
}

// end stops the stream after a last stretch; each failure has been reported.
func (l *load) end() {
	l.t.Helper()
	l.run(100)
	l.stop()
	l.workers.Wait()
	l.t.Logf("%d requests, %d failed", l.done.Load(), l.failed.Load())
}
