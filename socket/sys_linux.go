package socket

import (
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// The calls below never wait, since Go's sockets are non-blocking. So the
// scheduler need not hear of them, which is what the plain ones of package
// syscall spend their time on.

// sysRead reads what is there. again means that nothing is; the end is io.EOF.
func sysRead(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		r, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch {
		case errno == syscall.EAGAIN:
			return 0, true, nil
		case errno == syscall.EINTR:
		case errno != 0:
			return 0, false, errno
		case r == 0 && len(p) > 0:
			return 0, false, io.EOF
		default:
			return int(r), false, nil
		}
	}
}

// sysWriteBoth writes what is taken of a and then b. again means that it was not
// all.
func sysWriteBoth(fd uintptr, a, b []byte) (n int, again bool, err error) {
	for {
		var r uintptr
		var errno syscall.Errno
		switch {
		case len(b) == 0:
			r, _, errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(a))), uintptr(len(a)))
		case len(a) == 0:
			r, _, errno = syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		default:
			v := [2]syscall.Iovec{{Base: unsafe.SliceData(a)}, {Base: unsafe.SliceData(b)}}
			v[0].SetLen(len(a))
			v[1].SetLen(len(b))
			r, _, errno = syscall.RawSyscall(syscall.SYS_WRITEV, fd, uintptr(unsafe.Pointer(&v)), uintptr(len(v)))
		}
		switch {
		case errno == syscall.EAGAIN:
			return 0, true, nil
		case errno == syscall.EINTR:
		case errno != 0:
			return 0, false, errno
		default:
			return int(r), int(r) < len(a)+len(b), nil
		}
	}
}

// sysAccept returns a connection that does not block.
func sysAccept(fd int) (int, net.Addr, error) {
	for {
		var from syscall.RawSockaddrAny
		size := uint32(syscall.SizeofSockaddrAny)
		r, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(&from)),
			uintptr(unsafe.Pointer(&size)), syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(r), address(&from), nil
		case syscall.EINTR:
		default:
			return -1, nil, errno
		}
	}
}

func address(from *syscall.RawSockaddrAny) net.Addr {
	switch from.Addr.Family {
	case syscall.AF_INET:
		a := (*syscall.RawSockaddrInet4)(unsafe.Pointer(from))
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), ntohs(a.Port)))
	case syscall.AF_INET6:
		a := (*syscall.RawSockaddrInet6)(unsafe.Pointer(from))
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), ntohs(a.Port)))
	}
	return &net.TCPAddr{}
}

// ntohs reads a port, which stands in memory with the high byte first.
func ntohs(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return binary.BigEndian.Uint16(b[:])
}

// sysClose does not wait either: nobody has asked for lingering.
func sysClose(fd int) error { return result("close", syscall.SYS_CLOSE, uintptr(fd), 0) }

func sysShutdown(fd int) error {
	return result("shutdown", syscall.SYS_SHUTDOWN, uintptr(fd), syscall.SHUT_WR)
}

func result(name string, call, a, b uintptr) error {
	if _, _, errno := syscall.RawSyscall(call, a, b, 0); errno != 0 {
		return os.NewSyscallError(name, errno)
	}
	return nil
}

// sysResetOnClose has the next close send a reset.
func sysResetOnClose(fd int) error {
	return os.NewSyscallError("setsockopt",
		syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1}))
}

func sysKeepAlive(fd int, every time.Duration) error {
	seconds := int(every / time.Second)
	return os.NewSyscallError("setsockopt", errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, seconds),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL, seconds),
		syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT, 3),
	))
}

// Descriptors returns how many descriptors this process may have, 0 where that is
// not known.
func Descriptors() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(limit.Cur, 1<<30))
}

// sysLowest returns the lowest number of a descriptor that is not taken; where
// all are, one that there is not.
func sysLowest(fd int) int {
	n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return math.MaxInt
	}
	_ = sysClose(int(n))
	return int(n)
}

// sysDuplicate returns another descriptor of the same.
func sysDuplicate(fd int) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("fcntl", errno)
	}
	return int(n), nil
}

// sysBell returns a descriptor of an event, -1 where there is none left.
func sysBell() int {
	n, _, errno := syscall.RawSyscall(syscall.SYS_EVENTFD2, 0, syscall.O_CLOEXEC|syscall.O_NONBLOCK, 0)
	if errno != 0 {
		return -1
	}
	return int(n)
}

// sysRing makes the event happen.
func sysRing(fd int) {
	one := uint64(1)
	_, _, _ = syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&one)), 8)
}

func sysPeek(fd uintptr) State {
	var p [1]byte
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p)), 1,
			syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
		switch {
		case errno == syscall.EAGAIN:
			return Silent
		case errno == syscall.EINTR:
		case errno != 0:
			return Broken
		case n == 0:
			return Ended
		default:
			return Readable
		}
	}
}
