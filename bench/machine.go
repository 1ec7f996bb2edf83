package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// missing returns what the plan needs and this machine lacks.
func missing(p plan, bin string) (names []string) {
	needed := []string{backend.binary(bin), "wrk"}
	for _, program := range p.programs {
		needed = append(needed, program.binary(bin))
	}
	if p.trace {
		needed = append(needed, "strace")
	}
	for _, name := range needed {
		if _, err := exec.LookPath(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// describe writes what figures are worth little without: what ran, and where.
func describe(ctx context.Context, p plan, bin string, out io.Writer) error {
	cpuinfo, _ := os.ReadFile("/proc/cpuinfo")
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	fmt.Fprintf(out, "Processors: %d (%s, %s); Linux %s; rounds: %d; each measurement: %v.\n\n", runtime.NumCPU(),
		processorName(string(cpuinfo)), runtime.GOARCH, firstLine(string(kernel)), p.rounds, p.each)
	for _, program := range p.programs {
		version, err := program.tellVersion(ctx, bin)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "- %s\n", version)
	}
	fmt.Fprintln(out)
	return nil
}

// processorName returns the model that /proc/cpuinfo has first.
func processorName(cpuinfo string) string {
	for line := range strings.Lines(cpuinfo) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}
