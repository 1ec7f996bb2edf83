package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// The real /proc, and the real clock, of a child that does nothing and of
// ourselves, who do something.
func TestProcOfThisMachine(t *testing.T) {
	child := exec.Command("cat")
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer stdin.Close()
	own := os.Getpid()
	pids, err := tree(os.DirFS("/proc"), own)
	if err != nil || !slices.Contains(pids, child.Process.Pid) {
		t.Errorf("our tree is %v, %v, without our child %d", pids, err, child.Process.Pid)
	}
	if bytes, err := memory(os.DirFS("/proc"), []int{own}); err != nil || bytes < 1<<20 {
		t.Errorf("we have %d bytes, %v", bytes, err)
	}

	before, err := cpu([]int{own, child.Process.Pid})
	if err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 20*time.Millisecond; {
		_ = strings.Repeat("x", 1000)
	}
	after, err := cpu([]int{own, child.Process.Pid})
	// Others may have had the processor for most of it.
	if used := after - before; err != nil || used < time.Millisecond {
		t.Errorf("20 ms of work took %v of processor time, %v", used, err)
	}
	// Above the largest that Linux gives.
	if _, err := cpu([]int{1<<22 + 1}); err == nil {
		t.Error("a process that is not there has a processor time")
	}
}
