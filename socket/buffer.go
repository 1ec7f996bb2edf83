package socket

import "sync"

const (
	small = 16 << 10 // holds the usual request
	large = 64 << 10 // holds every head within the codec's limits
)

var (
	smalls = sync.Pool{New: func() any { return new([small]byte) }}
	larges = sync.Pool{New: func() any { return new([large]byte) }}
)

// Large is how many bytes fit into a buffer at most.
const Large = large

// Buffer is a piece of memory that is borrowed as long as there is something in
// it. The zero Buffer is empty and holds none. It is for one goroutine.
type Buffer struct {
	// Wide makes the buffer large from the start, for those who expect much.
	Wide bool

	memory []byte // nil, small or large
	r, w   int
}

// Len returns how many bytes are in the buffer.
func (b *Buffer) Len() int { return b.w - b.r }

// Bytes returns what is in the buffer. It stays in place until Grow, Compact or
// Release.
func (b *Buffer) Bytes() []byte { return b.memory[b.r:b.w] }

// Room returns the memory behind what is in the buffer, and borrows some where
// it holds none. It is empty where the buffer is full.
func (b *Buffer) Room() []byte {
	if b.memory == nil {
		b.borrow()
	}
	return b.memory[b.w:]
}

func (b *Buffer) borrow() {
	if b.Wide {
		b.memory = larges.Get().(*[large]byte)[:]
	} else {
		b.memory = smalls.Get().(*[small]byte)[:]
	}
}

// Filled tells that n bytes of Room are used.
func (b *Buffer) Filled(n int) { b.w += n }

// Skip drops the first n bytes.
func (b *Buffer) Skip(n int) { b.r += n }

// Compact moves what is in the buffer to its beginning.
func (b *Buffer) Compact() {
	b.w = copy(b.memory, b.memory[b.r:b.w])
	b.r = 0
}

// Grow makes the buffer a large one.
func (b *Buffer) Grow() {
	if len(b.memory) == large {
		return
	}
	memory := larges.Get().(*[large]byte)[:]
	n := copy(memory, b.memory[b.r:b.w])
	b.Release()
	b.memory, b.w = memory, n
}

// Empty drops all that is in the buffer. It keeps a small memory, for whoever is
// about to use it again.
func (b *Buffer) Empty() {
	if b.r, b.w = 0, 0; len(b.memory) != small {
		b.Release()
	}
}

// Release gives the memory back with all that is in it.
func (b *Buffer) Release() {
	switch len(b.memory) {
	case small:
		smalls.Put((*[small]byte)(b.memory))
	case large:
		larges.Put((*[large]byte)(b.memory))
	}
	*b = Buffer{Wide: b.Wide}
}
