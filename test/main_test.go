// Package test runs the whole program: the rota binary as people run it, a
// real Consul agent, real backends and a steady load.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// binaries is where the programs under test are built.
var binaries string

func TestMain(m *testing.M) {
	if name := os.Getenv(backendProcess); name != "" {
		serveAs(name) // this process is a backend of a test's
	}
	dir, err := os.MkdirTemp("", "rota-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(dir)
		os.Exit(code)
	}))
}

// buildRota builds the program with the race detector in it, once.
var buildRota = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(binaries, "rota")
	out, err := exec.Command("go", "build", "-race", "-o", path, "../cmd/rota").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building rota: %w\n%s", err, out)
	}
	return path, nil
})
