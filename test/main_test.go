// Package test runs the whole program: the rota binary as people run it, a
// real Consul agent, real backends and a steady load.
package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
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
	if name := os.Getenv(actorName); name != "" {
		perform(name) // and this one of a storm
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

// builtBefore names the variable that has the program, where a test has started
// another process of this test.
const builtBefore = "ROTA_TEST_PROGRAM"

// buildRota builds the program, once; with the race detector where the tests have
// it, too.
var buildRota = sync.OnceValues(func() (path string, err error) {
	if path = os.Getenv(builtBefore); path != "" {
		return path, nil
	}
	path = filepath.Join(binaries, "rota")
	race := false
	if info, ok := debug.ReadBuildInfo(); ok {
		race = slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
	}
	out, err := exec.Command("go", "build", fmt.Sprintf("-race=%v", race), "-o", path, "../cmd/rota").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building rota: %w\n%s", err, out)
	}
	return path, nil
})
