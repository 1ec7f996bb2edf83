//go:build !unix

package main

import (
	"errors"
	"os"
	"syscall"
)

var orderSignals = []os.Signal{syscall.SIGHUP}

func (*program) startHeir() (*heir, error) { return nil, errors.ErrUnsupported }
