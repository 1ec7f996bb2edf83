package main

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the children, which are
// stopped in order, and lets none of them outlive us, however we end.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
