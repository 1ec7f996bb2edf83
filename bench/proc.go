package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// procStat is what we want of /proc/PID/stat.
type procStat struct{ pid, parent int }

// parseStat reads a line of /proc/PID/stat. The name of the program stands in
// brackets and may hold anything, brackets and spaces too: what follows it
// starts behind the last bracket (proc_pid_stat(5)).
func parseStat(line []byte) (procStat, error) {
	bad := fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	open, close := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || close < open {
		return procStat{}, bad
	}
	rest := strings.Fields(string(line[close+1:])) // state, parent, …
	if len(rest) < 2 {
		return procStat{}, bad
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:open])))
	parent, err2 := strconv.Atoi(rest[1])
	if err != nil || err2 != nil {
		return procStat{}, bad
	}
	return procStat{pid, parent}, nil
}

// tree returns root and all that descend from it, by what proc, the file
// system that is mounted on /proc, says now.
func tree(proc fs.FS, root int) ([]int, error) {
	files, err := fs.Glob(proc, "[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	children := map[int][]int{}
	for _, name := range files {
		line, err := fs.ReadFile(proc, name)
		if err != nil {
			continue // it has ended since
		}
		s, err := parseStat(line)
		if err != nil {
			return nil, err
		}
		children[s.parent] = append(children[s.parent], s.pid)
	}
	pids := []int{root}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, slices.Sorted(slices.Values(children[pids[i]]))...)
	}
	return pids, nil
}

// parsePSS returns the proportional set size in a smaps_rollup file, in bytes:
// pages of its own, and its share of those that several processes have mapped,
// so that the workers of one program add up.
func parsePSS(text []byte) (int64, error) {
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "Pss:" && fields[2] == "kB" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("no Pss in %q", text)
}

// memory returns the proportional set size of the processes, in bytes.
func memory(proc fs.FS, pids []int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		text, err := fs.ReadFile(proc, path.Join(strconv.Itoa(pid), "smaps_rollup"))
		if err != nil {
			return 0, err
		}
		bytes, err := parsePSS(text)
		if err != nil {
			return 0, err
		}
		sum += bytes
	}
	return sum, nil
}

// cpu returns the processor time that the processes have had.
func cpu(pids []int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		t, err := processCPU(pid)
		if err != nil {
			return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
		}
		sum += t
	}
	return sum, nil
}
