package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// family is a shell that starts a child of its own, and says so in a file.
const family = `sleep 1000 & echo $! > "$1/child.new"; mv "$1/child.new" "$1/child"; `

// startFamily starts a shell that goes on with the given commands, and returns
// it with its child's number.
func startFamily(t *testing.T, then string) (*process, int) {
	t.Helper()
	dir := t.TempDir()
	p, err := start("family", dir, exec.Command("sh", "-c", family+then, "sh", dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p, readPID(t, filepath.Join(dir, "child"))
}

// readPID waits for a file with the number of a process.
func readPID(t *testing.T, path string) int {
	t.Helper()
	var pid int
	eventually(t, "a number in "+filepath.Base(path), func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
		return err == nil
	})
	return pid
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// gone tells whether a process has ended, though nobody may have reaped it.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(stat), ") Z ")
}

// Whatever a program has started ends with it, and also when it is in no
// hurry to end.
func TestStopEndsTheWholeGroup(t *testing.T) {
	for _, then := range []string{"wait", `trap "" TERM; while :; do sleep 0.01; done`, "exit 0"} {
		p, child := startFamily(t, then)
		p.stopWithin(50 * time.Millisecond)
		eventually(t, then+": the child ends", func() bool { return gone(child) })
		p.stop() // once more is no harm
	}
}

// The master process of nginx must have the chance to end its workers: what it
// gets when we end is SIGTERM.
func TestChildrenEndWithUs(t *testing.T) {
	dir := t.TempDir()
	us := exec.Command(os.Args[0])
	us.Env = append(os.Environ(), "BENCH_TEST_CHILD="+dir)
	if err := us.Start(); err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, filepath.Join(dir, "ready"))
	us.Process.Kill()
	us.Wait()
	eventually(t, "it ends as told by SIGTERM", func() bool {
		_, err := os.Stat(filepath.Join(dir, "terminated"))
		return err == nil && gone(pid)
	})
}

// beKilled is what TestChildrenEndWithUs kills.
func beKilled(dir string) {
	_, err := start("orphan", dir, exec.Command("sh", "-c",
		`trap 'touch "$1/terminated"; exit' TERM; echo $$ > "$1/ready"; while :; do sleep 0.01; done`, "sh", dir))
	if err != nil {
		panic(err)
	}
	select {}
}

func TestStartFails(t *testing.T) {
	if _, err := start("x", t.TempDir(), exec.Command("./no-such-program")); err == nil {
		t.Error("no error for a program that is not there")
	}
	if _, err := start("x", filepath.Join(t.TempDir(), "missing"), exec.Command("true")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestAwait(t *testing.T) {
	notYet := errors.New("not yet")
	tests := []struct {
		name, shell string
		limit       time.Duration
		ready       func(times int) error
		want        []string
	}{
		{"ready at once", "sleep 1000", time.Hour, func(int) error { return nil }, nil},
		{"ready later", "sleep 1000", time.Hour, func(n int) error {
			if n < 3 {
				return notYet
			}
			return nil
		}, nil},
		{"ends", "echo out; echo err >&2; exit 3", time.Hour, func(int) error { return notYet },
			[]string{"program: exit status 3", "out\nerr"}},
		{"is never ready", "sleep 1000", 20 * time.Millisecond, func(int) error { return notYet },
			[]string{"deadline exceeded", "not yet"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := start("program", t.TempDir(), exec.Command("sh", "-c", tt.shell))
			if err != nil {
				t.Fatal(err)
			}
			defer p.stop()
			n := 0
			err = p.await(t.Context(), tt.limit, func() error { n++; return tt.ready(n) })
			if (err == nil) != (tt.want == nil) {
				t.Fatalf("got %v, want %q", err, tt.want)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in %q", want, err)
				}
			}
		})
	}
}

// The end of a log is where the reason stands.
func TestFailureShowsTheEndOfTheLog(t *testing.T) {
	p, err := start("program", t.TempDir(), exec.Command("sh", "-c",
		`i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done`))
	if err != nil {
		t.Fatal(err)
	}
	p.waiter.Wait()
	defer p.stop()
	text := p.failure(errors.New("no")).Error()
	if !strings.HasPrefix(text, "program: no; ") || !strings.HasSuffix(text, "line 1999") || len(text) > 5000 {
		t.Errorf("%d bytes: %.60q … %.60q", len(text), text, text[len(text)-60:])
	}
	os.Remove(p.log)
	if err := p.failure(syscall.ENOENT); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("without a log: got %v", err)
	}
}

func TestOutput(t *testing.T) {
	got, err := output(t.Context(), "sh", "-c", "echo out; echo err >&2")
	if lines := strings.Fields(got); err != nil || !slices.Equal(lines, []string{"out", "err"}) {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := output(t.Context(), "sh", "-c", "echo why >&2; exit 2"); err == nil || !strings.Contains(err.Error(), "why") {
		t.Errorf("got the error %v, which does not say why", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := output(ctx, "sleep", "1000"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that it was interrupted", err)
	}
}
