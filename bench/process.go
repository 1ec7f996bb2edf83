package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopLimit is how long a program may take to end after SIGTERM.
const stopLimit = 5 * time.Second

// process is a program in the background, with whatever it starts itself: they
// are one process group, and end when we do, however we end.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    string // the file with its standard error, for when it fails
	waiter sync.WaitGroup
	exited chan struct{}
}

// start runs a command in the background. Its standard error, and its standard
// output too unless that leads elsewhere, go to NAME.log in dir.
func start(name, dir string, cmd *exec.Cmd) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has it
	if cmd.Stdout == nil {
		cmd.Stdout = log
	}
	cmd.Stderr = log
	// SIGTERM, not SIGKILL: the master process of nginx has workers to end.
	cmd.SysProcAttr = childAttributes(syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log.Name(), exited: make(chan struct{})}
	p.waiter.Go(func() {
		cmd.Wait() // how it ended is told by ProcessState
		close(p.exited)
	})
	return p, nil
}

// pid returns the process at the root of the program's tree.
func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the program and all that it started, and joins it.
func (p *process) stop() { p.stopWithin(stopLimit) }

func (p *process) stopWithin(limit time.Duration) {
	group := -p.pid()
	syscall.Kill(group, syscall.SIGTERM)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
	case <-timer.C:
	}
	syscall.Kill(group, syscall.SIGKILL) // what is left of the group, if anything is
	p.waiter.Wait()
}

// await asks again and again whether the program is ready, until it is, it
// ends, or the limit is over.
func (p *process) await(ctx context.Context, limit time.Duration, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return p.failure(errors.New(p.cmd.ProcessState.String()))
		case <-ctx.Done():
			return p.failure(errors.Join(ctx.Err(), err))
		}
	}
}

// failure adds the end of the program's log to an error.
func (p *process) failure(err error) error {
	const shown = 4 << 10
	text, readErr := os.ReadFile(p.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	text = text[max(0, len(text)-shown):]
	return fmt.Errorf("%s: %w; the end of its log:\n%s", p.name, err, bytes.TrimSpace(text))
}

// output runs a program to its end and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.SysProcAttr = childAttributes(syscall.SIGKILL)
	cmd.WaitDelay = stopLimit
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", cmd, errors.Join(err, ctx.Err()), strings.TrimSpace(stderr.String()))
	}
	return stdout.String() + stderr.String(), nil
}
