package socket

import "testing"

// put puts bytes behind what is in the buffer, as far as they fit.
func put(b *Buffer, p []byte) int {
	n := copy(b.Room(), p)
	b.Filled(n)
	return n
}

func TestAnEmptyBufferHoldsNoMemory(t *testing.T) {
	var b Buffer
	if b.memory != nil || b.Len() != 0 || len(b.Bytes()) != 0 {
		t.Errorf("the zero buffer holds %d bytes of %d", b.Len(), len(b.memory))
	}
	b.Compact()
	b.Release()
	if b.memory != nil {
		t.Error("memory was borrowed for nothing")
	}
	if len(b.Room()) != small {
		t.Errorf("there is room for %d bytes, want %d", len(b.Room()), small)
	}
	if b.Release(); b.memory != nil {
		t.Error("memory is held after its release")
	}
}

func TestBuffer(t *testing.T) {
	text := pattern(Large + 1)
	tests := []struct {
		name string
		do   func(b *Buffer)
		want []byte
		room int
	}{
		{"filled", func(b *Buffer) { put(b, text[:100]) }, text[:100], small - 100},
		{"filled twice", func(b *Buffer) { put(b, text[:100]); put(b, text[100:150]) }, text[:150], small - 150},
		{"full", func(b *Buffer) { put(b, text) }, text[:small], 0},
		{"skipped", func(b *Buffer) { put(b, text[:100]); b.Skip(40) }, text[40:100], small - 100},
		{"skipped to the end", func(b *Buffer) { put(b, text); b.Skip(small) }, nil, 0},
		{"compacted", func(b *Buffer) { put(b, text); b.Skip(40); b.Compact() }, text[40:small], 40},
		{"compacted over itself", func(b *Buffer) { put(b, text); b.Skip(1); b.Compact() }, text[1:small], 1},
		{"compacted to nothing", func(b *Buffer) { put(b, text); b.Skip(small); b.Compact() }, nil, small},
		{"compacted and filled", func(b *Buffer) { put(b, text); b.Skip(40); b.Compact(); put(b, text[small:]) }, text[40 : small+40], 0},
		{"grown from nothing", func(b *Buffer) { b.Grow() }, nil, large},
		{"grown", func(b *Buffer) { put(b, text[:100]); b.Skip(40); b.Grow() }, text[40:100], large - 60},
		{"grown when full", func(b *Buffer) { put(b, text); b.Grow(); put(b, text[small:]) }, text[:Large], 0},
		{"grown twice", func(b *Buffer) { put(b, text[:100]); b.Grow(); b.Skip(40); b.Grow() }, text[40:100], large - 100},
		{"wide", func(b *Buffer) { b.Wide = true; put(b, text) }, text[:Large], 0},
		{"wide, released", func(b *Buffer) { b.Wide = true; put(b, text); b.Release() }, nil, large},
		{"released", func(b *Buffer) { put(b, text); b.Skip(40); b.Release() }, nil, small},
		{"emptied", func(b *Buffer) { put(b, text[:100]); b.Skip(40); b.Empty() }, nil, small},
		{"emptied when grown", func(b *Buffer) { b.Grow(); put(b, text); b.Empty() }, nil, small},
		{"released when grown", func(b *Buffer) { b.Grow(); put(b, text); b.Release() }, nil, small},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b Buffer
			defer b.Release()
			tt.do(&b)
			equal(t, "the buffer has", b.Bytes(), tt.want)
			if b.Len() != len(tt.want) || len(b.Room()) != tt.room {
				t.Errorf("%d bytes and room for %d, want %d and %d", b.Len(), len(b.Room()), len(tt.want), tt.room)
			}
		})
	}
}

// Memory that is given back twice would be lent to two.
func TestMemoryIsReleasedOnce(t *testing.T) {
	for _, wide := range []bool{false, true} {
		a, b, c := Buffer{Wide: wide}, Buffer{Wide: wide}, Buffer{Wide: wide}
		a.Room()
		a.Release()
		a.Release()
		if &b.Room()[0] == &c.Room()[0] {
			t.Errorf("wide %v: two buffers share their memory", wide)
		}
		b.Release()
		c.Release()
	}
}

func TestBuffersDoNotAllocate(t *testing.T) {
	skipUnderRace(t)
	var b Buffer
	if n := testing.AllocsPerRun(100, func() {
		put(&b, []byte("hello"))
		b.Grow()
		b.Release()
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
