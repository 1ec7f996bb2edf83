//go:build !linux

package socket

import (
	"errors"
	"time"
)

// Elsewhere the plain way is good enough.

func sysRead(uintptr, []byte) (n int, again bool, err error) { return 0, false, errors.ErrUnsupported }

func sysWriteBoth(uintptr, []byte, []byte) (n int, again bool, err error) {
	return 0, false, errors.ErrUnsupported
}

func sysClose(int) error { return errors.ErrUnsupported }

func sysShutdown(int) error { return nil }

func sysResetOnClose(int) error { return nil }

func sysKeepAlive(int, time.Duration) error { return nil }

// Descriptors returns how many descriptors this process may have, 0 where that is
// not known.
func Descriptors() int { return 0 }

func sysPeek(uintptr) State { return Silent }
