package socket

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
)

// pipeSize is how much a pipe is asked to hold, in bytes. The kernel may hold
// less, page by page.
const pipeSize = 256 << 10

const (
	setPipeSize    = 1031 // F_SETPIPE_SZ
	spliceMove     = 1    // SPLICE_F_MOVE
	spliceNonblock = 2    // SPLICE_F_NONBLOCK
)

// pipe is what bytes go through that never leave the kernel.
type pipe struct{ r, w int }

var pipes sync.Pool

func newPipe() (*pipe, error) {
	if p, ok := pipes.Get().(*pipe); ok {
		return p, nil
	}
	var fds [2]int
	if err := syscall.Pipe2(fds[:], syscall.O_CLOEXEC|syscall.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe2", err)
	}
	p := &pipe{fds[0], fds[1]}
	// Refused to users with too many of them; the size there is will do.
	_, _, _ = syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(p.w), setPipeSize, pipeSize)
	runtime.SetFinalizer(p, (*pipe).close) // the pool forgets
	return p, nil
}

func (p *pipe) close() {
	runtime.SetFinalizer(p, nil)
	_ = sysClose(p.r)
	_ = sysClose(p.w)
}

// CanSplice reports whether [Splice] can do anything with the connection.
func (c *Conn) CanSplice() bool { return c.fd >= 0 }

// Splice moves n bytes from one connection to another without a copy. It
// returns how many it has moved, with the error of the side that failed:
// [io.EOF] of reading, where that ends before; or [ErrNoPipe]. Both must be able
// to.
func Splice(to, from *Conn, n int64) (moved int64, readErr, writeErr error) {
	p, err := newPipe()
	if err != nil {
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
			to.clock.Short()
		}
		return 0, fmt.Errorf("%w: %w", ErrNoPipe, err), nil
	}
	for moved < n {
		from.LimitRead(from.stall)
		k, err := p.fill(from, n-moved)
		if err == nil {
			writeErr = p.drain(to, k)
		}
		if err != nil || writeErr != nil {
			p.close() // there may be something in it
			return moved, err, writeErr
		}
		moved += int64(k)
		from.moves(k)
	}
	pipes.Put(p)
	return moved, nil, nil
}

// fill waits for something to read, and takes up to n bytes of it.
func (p *pipe) fill(from *Conn, n int64) (k int, err error) {
	for {
		k, again, err := sysSplice(from.fd, p.w, int(min(n, pipeSize)))
		switch {
		case err != nil:
			return 0, from.opError("splice", err)
		case again:
			if err := from.wait(&from.reads); err != nil {
				return 0, err
			}
		case k == 0:
			return 0, io.EOF
		default:
			from.more = true // there is no saying whether that was all
			return k, nil
		}
	}
}

// drain writes all that is in the pipe, k bytes.
func (p *pipe) drain(to *Conn, k int) error {
	defer to.limitWrite(0)
	to.limitWrite(to.stall)
	for k > 0 {
		n, again, err := sysSplice(p.r, to.fd, k)
		if err != nil {
			return to.opError("splice", err)
		}
		if again {
			err = to.wait(&to.writes)
		}
		if err != nil {
			return err
		}
		if n > 0 {
			k -= n
			to.limitWrite(to.stall)
		}
	}
	return nil
}

func sysSplice(from, to, n int) (k int, again bool, err error) {
	for {
		r, _, errno := syscall.RawSyscall6(syscall.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0,
			uintptr(n), spliceMove|spliceNonblock)
		switch errno {
		case 0:
			return int(r), false, nil
		case syscall.EAGAIN:
			return 0, true, nil
		case syscall.EINTR:
		default:
			return 0, false, errno
		}
	}
}
