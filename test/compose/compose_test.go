//go:build compose

package compose

import (
	"net/http"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultClient.CloseIdleConnections() }))
}

// One life of the composition, from up to down. The steps build on each other.
func TestCompose(t *testing.T) {
	s := newStack(t)
	steps := []struct {
		name string
		test func(*testing.T, *stack)
	}{
		{"up", testUp},
		{"scale up", testScaleUp},
		{"scale down under load", testScaleDown},
		{"kill under load", testKill},
		{"restart Consul under load", testRestartConsul},
		{"down", testDown},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.test(t, s) }) {
			return
		}
	}
}

// The shipped file as it is: three backends, all of which answer.
func testUp(t *testing.T, s *stack) {
	s.compose(t, "up", "--build", "--detach")
	s.awaitHealth(t, health{3, 3})
	s.awaitBackends(t, 3)
	await(t, func() error { return allHealthy(t) })
}

func testScaleUp(t *testing.T, s *stack) {
	s.scale(t, 5)
	s.awaitHealth(t, health{5, 5})
	s.awaitBackends(t, 5)
}

func testScaleDown(t *testing.T, s *stack) {
	l := s.startLoad(t)
	defer l.end()
	s.scale(t, 2)
	s.awaitHealth(t, health{2, 2})
	s.awaitBackends(t, 2)
}

// A container that ends without a word stays in Consul's list for a while.
func testKill(t *testing.T, s *stack) {
	s.scale(t, 3)
	s.awaitHealth(t, health{3, 3})
	l := s.startLoad(t)
	defer l.end()
	docker(t, "kill", containers(t, "web")[0])
	s.awaitHealth(t, health{3, 2})
	s.awaitBackends(t, 2)
}

// Rota goes on with what it knows, and is in step again when Consul is back.
func testRestartConsul(t *testing.T, s *stack) {
	l := s.startLoad(t)
	defer l.end()
	s.compose(t, "restart", "consul")
	s.scale(t, 4)
	s.awaitHealth(t, health{4, 4})
	s.awaitBackends(t, 4)
}

func testDown(t *testing.T, s *stack) {
	s.compose(t, "down", "--volumes")
	filter := "--filter=label=com.docker.compose.project=" + project()
	for _, args := range [][]string{{"ps", "-aq"}, {"network", "ls", "-q"}, {"volume", "ls", "-q"}} {
		if left := docker(t, append(args, filter)...); len(left) > 0 {
			t.Errorf("docker %v: %v left", args, left)
		}
	}
}
