package socket

import (
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
)

// awaitState returns once the connection is in a state of TCP's, as Linux counts
// them, and looks at nothing that would change by it.
func (r *rig) awaitState(t *testing.T, state int) {
	t.Helper()
	eventually(t, "the state of TCP", func() (is bool) {
		info, err := syscall.GetsockoptInt(r.fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
		is = err == nil && info&0xff == state // the state is the first byte
		return is
	})
}

const (
	tcpClosed    = 7
	tcpCloseWait = 8
)

// What is there before the loop begins is not awaited.
func TestLoopReadsWhatIsThere(t *testing.T) {
	r := newRig(t, tcp)
	io.WriteString(r.peer, "hello")
	eventually(t, "the bytes", func() bool { return r.Peek() == Readable })
	h, heard := hears(Wait, 5)
	if err := r.loop(h); err != nil {
		t.Error(err)
	}
	equal(t, "heard", heard.Bytes(), []byte("hello"))
}

// The end may come together with the last bytes. Who said that more is to come
// hears of it, and so does who did not.
func TestBytesAndTheEndAtOnce(t *testing.T) {
	tests := []struct {
		next Next
		size int
		want []error // any of them
	}{
		{More, 5, []error{io.EOF}},
		{More, 1 << 10, []error{io.EOF}}, // all of the room
		{More, 1<<10 + 1, []error{io.EOF}},
		{Wait, 1 << 10, []error{io.EOF}},
		{Wait, 5, []error{io.EOF}},
	}
	for _, tt := range tests {
		r := newRig(t, tcp)
		sent := pattern(tt.size)
		r.peer.Write(sent)
		r.peer.Close()
		r.awaitState(t, tcpCloseWait)
		h, heard := hears(tt.next, tt.size+1)
		if err := r.loop(h); !isAny(err, tt.want) {
			t.Errorf("%v of %d bytes: ended with %v, want %v", tt.next, tt.size, err, tt.want)
		}
		equal(t, "heard", heard.Bytes(), sent)
	}
}

// While a loop waits, the handler was told that there is nothing, so that it can
// give its memory back.
func TestLoopWaitsWithoutRoom(t *testing.T) {
	r := newRig(t, tcp)
	r.Join(nil)
	var did []string
	h := &handler{
		room: func() []byte {
			did = append(did, "room")
			return make([]byte, 5)
		},
		ready: func(p []byte) Next {
			if string(p) == "world" {
				return Stop
			}
			if did = append(did, string(p)); len(did) == 1 { // the loop is about to wait
				r.says("hello")
			}
			if len(did) == 5 {
				r.says("world")
			}
			return Wait
		},
	}
	if err := r.loop(h); err != nil {
		t.Fatal(err)
	}
	// It looks again after a read without room left.
	want := []string{"", "room", "hello", "room", "", "room"}
	if !slices.Equal(did, want) {
		t.Errorf("did %q, want %q", did, want)
	}
}

// Some say what they have to say without listening: that they are overloaded, or
// that they don't speak HTTP. Their answer may be here before the request is
// written, and nothing may come after it.
func TestAPeerThatAnswersFirst(t *testing.T) {
	tests := []struct {
		name string
		then func(peer *net.TCPConn)
	}{
		{"and listens", func(*net.TCPConn) {}},
		{"and says no more", func(peer *net.TCPConn) { peer.CloseWrite() }},
		{"and hangs up", func(peer *net.TCPConn) { peer.Close() }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, tcp)
			io.WriteString(r.peer, "busy")
			tt.then(r.peer.(*net.TCPConn))
			eventually(t, "the answer", func() bool { return r.Peek() == Readable })
			var b Buffer
			defer b.Release()
			n, err := r.Exchange([]byte("head"), []byte("body"), &b, false)
			if n != 8 || err != nil {
				t.Errorf("wrote %d, %v", n, err)
			}
			equal(t, "the answer", b.Bytes(), []byte("busy"))
		})
	}
}

// While a connection waits, an empty buffer holds no memory; one that has
// something keeps it.
func TestWaitingHoldsNoMemory(t *testing.T) {
	waits := map[string]func(r *rig, b *Buffer) error{
		"ReadInto": func(r *rig, b *Buffer) error { return r.ReadInto(b) },
		"Exchange": func(r *rig, b *Buffer) error { _, err := r.Exchange([]byte("hello"), nil, b, false); return err },
	}
	for name, wait := range waits {
		for _, held := range []string{"", "held"} {
			t.Run(name+" with "+held, func(t *testing.T) {
				r := newRig(t, tcp)
				var b Buffer
				put(&b, []byte(held))
				b.Skip(len(held))
				put(&b, []byte(held))
				waits := func() bool { return r.reads.state.Load() == waited }
				r.peers.Go(func() {
					eventually(t, "a wait", waits)
					if holds := b.memory != nil; holds != (held != "") {
						t.Errorf("it waits with memory: %v", holds)
					}
					r.reads.wake(r.Conn, nil) // for nothing
					eventually(t, "another wait", waits)
					io.WriteString(r.peer, "answer")
				})
				if err := wait(r, &b); err != nil {
					t.Error(err)
				}
				equal(t, "the buffer has", b.Bytes(), []byte(held+"answer"))
				b.Release()
			})
		}
	}
}
