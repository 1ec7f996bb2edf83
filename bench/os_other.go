//go:build unix && !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

// childAttributes makes a child the head of a process group. There is no signal
// for orphans here.
func childAttributes(syscall.Signal) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// processCPU is not to be had: the comparison needs Linux.
func processCPU(int) (time.Duration, error) { return 0, errors.ErrUnsupported }

// sleeper sleeps as precisely as the runtime does.
type sleeper struct{}

func newSleeper() (*sleeper, error) { return &sleeper{}, nil }

// until sleeps until a moment.
func (*sleeper) until(t time.Time) error { time.Sleep(time.Until(t)); return nil }

func (*sleeper) close() {}
