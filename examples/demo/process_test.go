package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is also the children that the tests start.
func TestMain(m *testing.M) {
	if manner := os.Getenv("DEMO_TEST_CHILD"); manner != "" {
		child(manner)
	}
	goleak.VerifyTestMain(m)
}

func child(manner string) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	switch manner {
	case "failing":
		for i := range 30 {
			fmt.Println("line", i)
		}
		os.Exit(3)
	case "parent": // of one that does as it is told
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "DEMO_TEST_CHILD=polite")
		c.Stdout, c.Stderr = os.Stderr, os.Stderr
		if err := c.Start(); err != nil {
			panic(err)
		}
		signal.Reset()
		c.Wait()
	}
	fmt.Println("now ready")
	<-term
	if manner == "stubborn" {
		select {}
	}
	fmt.Fprintln(os.Stderr, "bye")
	os.Exit(0)
}

// log is the shared log of a test's children.
type log struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func startChild(t *testing.T, manner string, copy io.Writer) *process {
	t.Helper()
	p := newProcess(manner, "ready", copy)
	if err := p.start([]string{"DEMO_TEST_CHILD=" + manner}, os.Args[0]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.signal(os.Kill)
		<-p.done
	})
	return p
}

func awaitReady(t *testing.T, all ...*process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, p := range all {
		if err := p.awaitReady(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// fake is a process that is not there, with a PID.
func fake(name string, pid int) *process {
	return &process{name: name, cmd: &exec.Cmd{Process: &os.Process{Pid: pid}}}
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

func unsetenv(t *testing.T, name string) {
	t.Helper()
	if err := os.Unsetenv(name); err != nil {
		t.Fatal(err)
	}
}

func TestLogIsCutIntoLines(t *testing.T) {
	var copy bytes.Buffer
	p := newProcess("x", "ready", &copy)
	for _, piece := range []string{"one\ntw", "o\n", "", "is rea", "d"} {
		io.WriteString(p, piece)
	}
	if copy.String() != "one\ntwo\n" || !slices.Equal(p.last, []string{"one", "two"}) {
		t.Errorf("got %q, %q", copy.String(), p.last)
	}
	select {
	case <-p.ready:
		t.Error("ready before the line was whole")
	default:
	}
	io.WriteString(p, "y\nready again\n")
	<-p.ready
}

func TestStopPolite(t *testing.T) {
	var l log
	a, b := startChild(t, "polite", &l), startChild(t, "polite", &l)
	awaitReady(t, a, b)
	if err := stopAll(t.Context(), 10*time.Second, a, nil, b); err != nil {
		t.Error(err)
	}
	if !a.cmd.ProcessState.Success() || !b.cmd.ProcessState.Success() {
		t.Errorf("got %v and %v, want good ends", a.cmd.ProcessState, b.cmd.ProcessState)
	}
	if n := strings.Count(l.String(), "bye\n"); n != 2 {
		t.Errorf("%d said good-bye, want 2: %s", n, l.String())
	}
	if err := stopAll(t.Context(), time.Second, a, b); err != nil {
		t.Errorf("stopped twice: %v", err)
	}
}

func TestStopStubborn(t *testing.T) {
	p := startChild(t, "stubborn", io.Discard)
	awaitReady(t, p)
	err := stopAll(t.Context(), 100*time.Millisecond, p)
	if err == nil || err.Error() != "stubborn took more than 100ms to stop and was killed" {
		t.Errorf("got %v", err)
	}
	<-p.done
}

// The second Ctrl-C.
func TestStopInAHurry(t *testing.T) {
	p := startChild(t, "stubborn", io.Discard)
	awaitReady(t, p)
	hurry, cancel := context.WithCancel(t.Context())
	cancel()
	if err := stopAll(hurry, time.Hour, p); err != nil {
		t.Error(err)
	}
	<-p.done
}

// The guide has people freeze Consul, and then press Ctrl-C.
func TestStopFrozen(t *testing.T) {
	p := startChild(t, "polite", io.Discard)
	awaitReady(t, p)
	p.cmd.Process.Signal(syscall.SIGSTOP)
	if err := stopAll(t.Context(), 10*time.Second, p); err != nil {
		t.Error(err)
	}
}

func TestNotReady(t *testing.T) {
	failing := startChild(t, "failing", io.Discard)
	err := failing.awaitReady(t.Context())
	if err == nil {
		t.Fatal("ready")
	}
	contains(t, err.Error(), "failing: exit status 3; the end of its log:\n\tline 10\n", "\tline 29")

	slow := newProcess("slow", "ready", io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := slow.awaitReady(ctx); err == nil || !strings.HasPrefix(err.Error(), "slow: not ready in time") {
		t.Errorf("got %v", err)
	}

	absent := newProcess("absent", "ready", io.Discard)
	if err := absent.start(nil, "./absent"); err == nil || !strings.HasPrefix(err.Error(), "absent: ") {
		t.Errorf("got %v", err)
	}
	if err := stopAll(t.Context(), time.Second, absent); err != nil {
		t.Error(err)
	}
}

func TestOutput(t *testing.T) {
	got, err := output(t.Context(), io.Discard, "/bin/sh", "-c", "echo a; echo b")
	if got != "a\nb" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := output(t.Context(), io.Discard, "/bin/sh", "-c", "exit 3"); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("got %v", err)
	}
}

// A build that is interrupted takes the compilers it has started with it.
func TestOutputEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	t.Setenv("DEMO_TEST_CHILD", "parent")

	failed := make(chan error, 1)
	go func() {
		_, err := output(ctx, w, os.Args[0])
		failed <- err
	}()
	io.ReadFull(r, make([]byte, len("now ready"))) // says the grandchild
	cancel()
	if err := <-failed; err == nil {
		t.Error("no error from what was cut short")
	}
	w.Close()
	// The pipe ends when the last of the group has ended.
	if _, err := io.ReadAll(r); err != nil {
		t.Error(err)
	}
}
