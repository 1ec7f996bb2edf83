package main

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// childAttributes makes a child the head of a process group, out of reach of
// the terminal's Ctrl-C, and has the kernel send it a signal should we end
// before it.
func childAttributes(orphaned syscall.Signal) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: orphaned}
}

// processCPU returns the time that a process has had a processor for, all its
// threads together: what /proc/PID/stat tells as utime and stime, but to the
// nanosecond, where those count in ticks of 10 ms. Within a second that is the
// difference between telling 2 % apart and not.
func processCPU(pid int) (time.Duration, error) {
	const schedClock = 2 // CPUCLOCK_SCHED of the kernel's posix-timers.h
	clock := ^int32(pid)<<3 | schedClock
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, uintptr(uint32(clock)), uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, errno
	}
	return time.Duration(t.Nano()), nil
}

// sleeper sleeps to the microsecond. A timer of the runtime may be a whole
// millisecond late where nothing else goes on, which is ten times what we want
// to measure; and a thread that sleeps in the kernel has to hand its goroutines
// over to others. A timer that is read like a socket has neither fault.
type sleeper struct {
	file *os.File
	conn syscall.RawConn
}

func newSleeper() (*sleeper, error) {
	const monotonic = 1 // CLOCK_MONOTONIC
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, monotonic, syscall.O_NONBLOCK|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("timerfd_create", errno)
	}
	s := &sleeper{file: os.NewFile(fd, "timer")}
	var err error
	if s.conn, err = s.file.SyscallConn(); err != nil {
		s.file.Close()
		return nil, err
	}
	return s, nil
}

// until sleeps until a moment, or not at all if that is over.
func (s *sleeper) until(t time.Time) error {
	left := time.Until(t)
	if left <= 0 {
		return nil
	}
	// struct itimerspec: an interval, of which we want none, and a time.
	timer := [2]syscall.Timespec{1: syscall.NsecToTimespec(int64(left))}
	var errno syscall.Errno
	err := s.conn.Control(func(fd uintptr) {
		_, _, errno = syscall.RawSyscall6(syscall.SYS_TIMERFD_SETTIME, fd, 0, uintptr(unsafe.Pointer(&timer)), 0, 0, 0)
	})
	if errno != 0 {
		err = os.NewSyscallError("timerfd_settime", errno)
	}
	if err != nil {
		return err
	}
	var expirations [8]byte
	_, err = s.file.Read(expirations[:])
	return err
}

func (s *sleeper) close() { s.file.Close() }
