package main

import (
	"net"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// TestMain also lets the scripts run this program as the command rota.
func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"rota": main})
}

// leakChecked looks for goroutines that the tests have left behind.
type leakChecked struct{ *testing.M }

func (m leakChecked) Run() int {
	code := m.M.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		println(err.Error())
		return 1
	}
	return code
}

// The command line as people use it; the scripts are in testdata/script.
func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() }) // the scripts run in parallel, after this function
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("TAKEN", taken.Addr().String())
			e.Setenv("FREE", free(t))
			e.Setenv("GORACE", "atexit_sleep_ms=0") // a second for each command, otherwise
			return nil
		},
	})
}
