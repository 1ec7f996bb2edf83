//go:build unix && !linux

package main

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from a child, which is stopped in
// its turn. There is no signal for orphans here.
func childAttributes(syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
