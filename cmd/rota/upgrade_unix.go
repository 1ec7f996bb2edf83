//go:build unix

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// orderSignals are those that are orders, but for those to stop.
var orderSignals = []os.Signal{syscall.SIGHUP, syscall.SIGUSR2}

// startHeir starts the program anew, as it was called.
func (p *program) startHeir() (*heir, error) {
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return nil, err
	}
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	syscall.CloseOnExec(ends[0])
	syscall.CloseOnExec(ends[1])
	ours, theirs := os.NewFile(uintptr(ends[0]), "handover"), os.NewFile(uintptr(ends[1]), "handover")
	defer ours.Close()
	files := []*os.File{theirs}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	sockets, _ := p.stage.Load().sockets()
	for _, l := range sockets {
		file, err := duplicate(l)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", handoverVariable, 3))
	cmd.ExtraFiles = files
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		conn.Close()
		return nil, err
	}
	return &heir{cmd, conn}, nil
}

// duplicate returns another descriptor of a listening socket. What package net
// would return is made blocking for the other process, and so would be the socket
// that we share with it.
func duplicate(l net.Listener) (file *os.File, err error) {
	raw, err := l.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var fd int
	control := raw.Control(func(listening uintptr) {
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		if fd, err = syscall.Dup(int(listening)); err == nil {
			syscall.CloseOnExec(fd)
		}
	})
	if control != nil {
		return nil, control
	}
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	return os.NewFile(uintptr(fd), l.Addr().String()), nil
}
