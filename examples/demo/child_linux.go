package main

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from a child, which is stopped in
// its turn, and has the kernel send it a signal should we end before it.
func childAttributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}
