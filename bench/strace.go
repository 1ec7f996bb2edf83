package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// callCount is how often one system call was made.
type callCount struct {
	name  string
	count int
}

// parseStrace reads the table that strace -c writes, the most frequent call
// first:
//
//	% time     seconds  usecs/call     calls    errors syscall
//	------ ----------- ----------- --------- --------- ----------------
//	 52.30    0.012345           1     10000       120 read
//	100.00    0.023456           1     20000       120 total
//
// The column of errors is empty where there are none.
func parseStrace(table string) ([]callCount, error) {
	var calls []callCount
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[len(fields)-1] == "total" {
			continue
		}
		if n, err := strconv.Atoi(fields[3]); err == nil {
			calls = append(calls, callCount{fields[len(fields)-1], n})
		}
	}
	if calls == nil {
		return nil, fmt.Errorf("no system calls in %q", table)
	}
	slices.SortStableFunc(calls, func(a, b callCount) int { return b.count - a.count })
	return calls, nil
}

// perRequest renders counts as calls for each request: all of them, and those
// that are made in at least one of a hundred.
func perRequest(calls []callCount, requests int) string {
	total := 0
	var named []string
	for _, c := range calls {
		total += c.count
		if share := float64(c.count) / float64(requests); share >= 0.01 {
			named = append(named, fmt.Sprintf("%s %.2f", c.name, share))
		}
	}
	return fmt.Sprintf("%.2f: %s", float64(total)/float64(requests), strings.Join(named, ", "))
}

// systemCalls counts what an instance asks of the kernel under load. strace
// makes each call dear, so that this is apart from all other figures.
func (i *instance) systemCalls(ctx context.Context, c scenario, d time.Duration) (string, error) {
	table := filepath.Join(i.Dir, "strace")
	args := []string{"-c", "-f", "-o", table}
	for _, pid := range i.pids {
		args = append(args, "-p", strconv.Itoa(pid))
	}
	tracer, err := start("strace", i.Dir, exec.Command("strace", args...))
	if err != nil {
		return "", err
	}
	defer tracer.stop()
	err = tracer.await(ctx, startLimit, func() error {
		text, err := os.ReadFile(tracer.log)
		if err == nil && strings.Count(string(text), " attached") < len(i.pids) {
			err = errors.New("not attached yet")
		}
		return err
	})
	if err != nil {
		return "", err
	}
	seen, err := runWrk(ctx, i.Dir, i.Address, c, d)
	if err != nil {
		return "", err
	}
	// Interrupted, it lets go of the program and writes the table.
	if err := tracer.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return "", err
	}
	tracer.waiter.Wait()
	text, err := os.ReadFile(table)
	if err != nil {
		return "", tracer.failure(err)
	}
	calls, err := parseStrace(string(text))
	if err != nil {
		return "", tracer.failure(err)
	}
	return perRequest(calls, seen.requests), nil
}
