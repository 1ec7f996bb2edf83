package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// build returns a folder with our own programs, or skips the test where what
// every run needs is not there.
func build(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts everything")
	}
	for _, name := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skip(err)
		}
	}
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", bin, "./twin", "../cmd/rota").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Setenv("TMPDIR", t.TempDir())
	return bin
}

// nothingLeft checks that a run has removed its files and ended its processes.
func nothingLeft(t *testing.T) {
	t.Helper()
	if left, err := filepath.Glob(filepath.Join(os.TempDir(), "*")); err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if pids, err := tree(os.DirFS("/proc"), os.Getpid()); err != nil || !slices.Equal(pids, []int{os.Getpid()}) {
		t.Errorf("processes are left: %v, %v", pids, err)
	}
}

func TestRun(t *testing.T) {
	bin := build(t)
	o, err := parseOptions(strings.Fields("-quick -proxies nginx -bin "+bin), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	if err := run(t.Context(), o, &out, &progress); err != nil {
		t.Fatalf("%v\n%s", err, progress.String())
	}
	row := `(?m)^\| nginx \|( +[1-9][0-9.,]* / [0-9.,]+ / [0-9.,]+ \| +[0-9.]+ \([0-9.]+–[0-9.]+\) \|){5}$`
	if !regexp.MustCompile(row).Match(out.Bytes()) {
		t.Errorf("no row of nginx with five metrics in\n%s", out.String())
	}
	nothingLeft(t)
}

// The comparison is fair only if each of them does the whole job in both
// variants; prove says how that is seen.
func TestEverybodyDoesTheJob(t *testing.T) {
	bin := build(t)
	s, err := newStage(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	r := newRunner(plan{}, s, io.Discard)
	for _, p := range programs {
		if _, err := exec.LookPath(p.binary(bin)); err != nil {
			t.Logf("%s is not looked at: %v", p.name, err)
			continue
		}
		for _, v := range variants {
			i, err := s.launch(t.Context(), p, v)
			if err != nil {
				t.Error(err)
				continue
			}
			r.instances = append(r.instances, i)
			if err := r.prove(t.Context(), i); err != nil {
				t.Error(err)
			}
		}
	}
	r.stop()
	if err := s.close(); err != nil {
		t.Error(err)
	}
	nothingLeft(t)
}

// An interruption in the middle leaves nothing behind either.
func TestRunIsInterrupted(t *testing.T) {
	bin := build(t)
	o, err := parseOptions(strings.Fields("-quick -proxies twin -rounds 1000 -bin "+bin), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	err = run(ctx, o, io.Discard, atWarming(cancel))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	nothingLeft(t)
}

// atWarming is a log that ends the run when all programs are there.
type atWarming func()

func (stop atWarming) Write(p []byte) (int, error) {
	if bytes.HasPrefix(p, []byte("warming up")) {
		stop()
	}
	return len(p), nil
}

// A program that can't do the job is told with its own words, and three sets
// of ports are enough.
func TestLaunchFails(t *testing.T) {
	bin := build(t)
	s, err := newStage(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	broken := program{name: "sh", args: func(setup) ([]string, error) {
		return []string{"-c", "echo the reason >&2; exit 1"}, nil
	}}
	_, err = s.launch(t.Context(), broken, variants[0])
	if err == nil || strings.Count(err.Error(), "the reason") != 3 {
		t.Errorf("got the error %v", err)
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
	nothingLeft(t)
}

// What an idle connection costs is seen, and does not come out as nonsense.
func TestIdleCost(t *testing.T) {
	bin := build(t)
	s, err := newStage(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	i := slices.IndexFunc(programs, func(p program) bool { return p.name == "twin" })
	cost, err := s.idleCost(t.Context(), programs[i], variants[0], scenarios[0])
	if err != nil || cost < 1<<10 || cost > 100<<10 {
		t.Errorf("a connection costs %v bytes, %v", cost, err)
	}
}
