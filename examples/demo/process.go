package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one program that the demo runs in the background.
type process struct {
	name string
	mark string        // what its log says when it is ready
	copy io.Writer     // where its log goes
	done chan struct{} // closed when it has ended and its log is read

	cmd   *exec.Cmd
	mu    sync.Mutex
	line  []byte   // of the log, as yet unfinished
	last  []string // lines of the log, for when it fails
	ready chan struct{}
	once  sync.Once
}

func newProcess(name, mark string, copy io.Writer) *process {
	return &process{name: name, mark: mark, copy: copy, done: make(chan struct{}), ready: make(chan struct{})}
}

// start runs the program with both its outputs as its log.
func (p *process) start(env []string, binary string, args ...string) error {
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p, p
	p.cmd.SysProcAttr = childAttributes(syscall.SIGKILL)
	if err := p.cmd.Start(); err != nil {
		close(p.done)
		return fmt.Errorf("%s: %w", p.name, err)
	}
	go p.wait()
	return nil
}

func (p *process) wait() {
	defer close(p.done)
	p.cmd.Wait() // ProcessState has the rest
}

// Write takes in a piece of the log.
func (p *process) Write(b []byte) (int, error) {
	const kept = 20
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = append(p.line, b...)
	for {
		line, rest, whole := bytes.Cut(p.line, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		p.line = rest
		fmt.Fprintf(p.copy, "%s\n", line)
		if p.last = append(p.last, string(line)); len(p.last) > kept {
			p.last = p.last[1:]
		}
		if strings.Contains(string(line), p.mark) {
			p.once.Do(func() { close(p.ready) })
		}
	}
}

// awaitReady waits for the ready line.
func (p *process) awaitReady(ctx context.Context) error {
	var what string
	select {
	case <-p.ready:
		return nil
	case <-p.done:
		what = p.cmd.ProcessState.String()
	case <-ctx.Done():
		what = "not ready in time"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Errorf("%s: %s; the end of its log:\n\t%s", p.name, what, strings.Join(p.last, "\n\t"))
}

// signal reaches the program also when somebody has frozen it.
func (p *process) signal(s os.Signal) {
	p.cmd.Process.Signal(s) // fails only when it has ended, which is fine
	p.cmd.Process.Signal(syscall.SIGCONT)
}

// stopAll ends the programs, those that have been started, with SIGTERM, and
// after the limit, or when hurry ends, with SIGKILL.
func stopAll(hurry context.Context, limit time.Duration, all ...*process) error {
	ctx, cancel := context.WithTimeout(hurry, limit)
	defer cancel()
	var late error
	for _, p := range all {
		if p != nil && p.cmd.Process != nil {
			p.signal(syscall.SIGTERM)
		}
	}
	for _, p := range all {
		if p == nil {
			continue
		}
		select {
		case <-p.done:
			continue
		case <-ctx.Done():
		}
		p.signal(os.Kill)
		<-p.done
		if hurry.Err() == nil {
			late = errors.Join(late, fmt.Errorf("%s took more than %v to stop and was killed", p.name, limit))
		}
	}
	return late
}

// output runs a program to its end, with its complaints and its progress on
// stderr, and returns what it printed, without the last newline.
func output(ctx context.Context, stderr io.Writer, binary string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Stderr = stderr
	cmd.SysProcAttr = childAttributes(syscall.SIGTERM) // it may have to clean up
	// It may have started others: they are of its group.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", binary, strings.Join(args, " "), err)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}
