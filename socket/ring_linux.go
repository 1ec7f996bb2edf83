//go:build linux && !no_io_uring

package socket

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// ring is an io_uring instance (io_uring(7)) that looks at many connections, or sends
// on them, in one system call. It is for one goroutine at a time.
type ring struct {
	fd     int
	memory [2][]byte // what is shared with the kernel
	sqes   []sqe
	cqes   []cqe
	head   *uint32 // of the completions, ours to move
	tail   *uint32 // of the submissions, ours to move
	done   *uint32 // the tail of the completions, the kernel's
	peeked [1]byte // nobody wants to know what it is
}

// sqe and cqe are the kernel's struct io_uring_sqe and io_uring_cqe.
type (
	sqe struct {
		opcode uint8
		_      [3]uint8
		fd     int32
		_      uint64
		addr   uint64
		len    uint32
		flags  uint32 // of send(2)
		data   uint64
		_      [3]uint64
	}
	cqe struct {
		data   uint64
		result int32
		_      uint32
	}
)

// ringParams is the kernel's struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, threadCPU, threadIdle, features, wqFD uint32
	_                                                                  [3]uint32
	sq                                                                 struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, cqes, flags, _ uint32
		_                                                   uint64
	}
}

const (
	sysRingSetup = 425
	sysRingEnter = 426

	ringSingleMap = 1 << 0 // IORING_FEAT_SINGLE_MMAP
	ringFastPoll  = 1 << 5 // IORING_FEAT_FAST_POLL: Linux 5.7, which can send
	ringSQEs      = 0x10000000
	ringEvents    = 1 << 0 // IORING_ENTER_GETEVENTS
	opSend        = 26
	opReceive     = 27

	ringSize = 128 // sends at a time, a power of two
)

// newRing returns nil where the kernel has none, or none for us: containers are
// often denied it.
func newRing() *ring {
	var p ringParams
	n, _, errno := syscall.RawSyscall(sysRingSetup, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil
	}
	r := &ring{fd: int(n)}
	const needed = ringSingleMap | ringFastPoll
	if p.features&needed != needed || !r.mapMemory(&p) {
		r.close()
		return nil
	}
	return r
}

func (r *ring) mapMemory(p *ringParams) bool {
	size := max(p.sq.array+4*p.sqEntries, p.cq.cqes+uint32(unsafe.Sizeof(cqe{}))*p.cqEntries)
	for i, m := range [...]struct {
		offset int64
		size   uint32
	}{{0, size}, {ringSQEs, p.sqEntries * uint32(unsafe.Sizeof(sqe{}))}} {
		memory, err := syscall.Mmap(r.fd, m.offset, int(m.size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_POPULATE)
		if err != nil {
			return false
		}
		r.memory[i] = memory
	}
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.memory[0][offset])) }
	r.head, r.tail, r.done = at(p.cq.head), at(p.sq.tail), at(p.cq.tail)
	r.sqes = unsafe.Slice((*sqe)(unsafe.Pointer(&r.memory[1][0])), p.sqEntries)
	r.cqes = unsafe.Slice((*cqe)(unsafe.Pointer(&r.memory[0][p.cq.cqes])), p.cqEntries)
	for i, array := uint32(0), unsafe.Slice(at(p.sq.array), p.sqEntries); i < p.sqEntries; i++ {
		array[i] = i // each submission has its place
	}
	return true
}

func (r *ring) close() {
	for _, memory := range r.memory {
		if memory != nil {
			_ = syscall.Munmap(memory)
		}
	}
	_ = sysClose(r.fd)
}

// do does a step with each mail, without waiting. It reports whether it could; else
// some are not done.
func (r *ring) do(mails []*mail, s step) bool {
	for len(mails) > 0 {
		n := min(len(mails), len(r.sqes))
		if !r.submit(mails[:n], s) {
			return false
		}
		mails = mails[n:]
	}
	return true
}

func (r *ring) submit(mails []*mail, s step) bool {
	tail := *r.tail
	for i, m := range mails {
		e := sqe{opcode: opSend, flags: syscall.MSG_DONTWAIT | syscall.MSG_NOSIGNAL, fd: int32(m.conn.fd), data: uint64(i)}
		p := m.bytes
		if s == look {
			e.opcode, e.flags, p = opReceive, syscall.MSG_DONTWAIT|syscall.MSG_PEEK, r.peeked[:]
		}
		e.addr, e.len = uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p)))), uint32(len(p))
		r.sqes[(tail+uint32(i))&uint32(len(r.sqes)-1)] = e
	}
	atomic.StoreUint32(r.tail, tail+uint32(len(mails)))
	for left, open := len(mails), len(mails); open > 0; {
		wait := 0 // none of them waits for anything; but that is the kernel's to say
		if left == 0 {
			wait = open
		}
		n, _, errno := syscall.RawSyscall6(sysRingEnter, uintptr(r.fd), uintptr(left), uintptr(wait), ringEvents, 0, 0)
		switch errno {
		case 0:
			left -= int(n)
		case syscall.EINTR, syscall.EAGAIN, syscall.EBUSY: // it is short of memory for a moment
		default:
			if left < len(mails) {
				lose(mails, errno)
			}
			return false
		}
		open -= r.take(mails, s)
	}
	return true
}

// lose is for mails of which some may have gone out, and nobody can tell which.
func lose(mails []*mail, err error) {
	for _, m := range mails {
		if !m.done {
			m.done, m.n, m.err = true, len(m.bytes), err
		}
	}
}

// take notes what has become of some, and returns of how many.
func (r *ring) take(mails []*mail, s step) int {
	head, done := *r.head, atomic.LoadUint32(r.done)
	for at := head; at != done; at++ {
		c := &r.cqes[at&uint32(len(r.cqes)-1)]
		mails[c.data].went(s, int(c.result))
	}
	atomic.StoreUint32(r.head, done)
	return int(done - head)
}
