package main

import (
	"slices"
	"strings"
	"testing"
)

const straceTable = `% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 52.30    0.012345           1      1000       120 read
 40.00    0.012300           1      2100           write
  7.69    0.000010           5         9         2 futex
  0.01    0.000000           0        10           epoll_wait
------ ----------- ----------- --------- --------- ----------------
100.00    0.023456           1      3119       122 total
`

func TestParseStrace(t *testing.T) {
	got, err := parseStrace(straceTable)
	want := []callCount{{"write", 2100}, {"read", 1000}, {"epoll_wait", 10}, {"futex", 9}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	for _, bad := range []string{"", "strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted\n", straceTable[:130]} {
		if got, err := parseStrace(bad); err == nil || !strings.Contains(err.Error(), "no system calls") {
			t.Errorf("%q: got %v, %v, want an error", bad, got, err)
		}
	}
}

func TestPerRequest(t *testing.T) {
	calls := []callCount{{"write", 2100}, {"read", 1000}, {"epoll_wait", 10}, {"futex", 9}}
	if got, want := perRequest(calls, 1000), "3.12: write 2.10, read 1.00, epoll_wait 0.01"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
