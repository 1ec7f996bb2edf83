package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
)

func TestSplice(t *testing.T) {
	for name, n := range map[string]int{"nothing": 0, "a byte": 1, "a pipe": pipeSize, "more": 3*pipeSize + 1} {
		for kinds, k := range map[string][2]kind{"from tcp": {accepted, tcp}, "to tcp": {tcp, accepted}} {
			t.Run(name+" "+kinds, func(t *testing.T) {
				to, from := newRig(t, k[0]), newRig(t, k[1])
				sent := pattern(n)
				for range 2 {
					from.peers.Go(func() { from.peer.Write(sent) })
					to.peers.Go(func() { equal(t, "the peer got", to.received(t, n), sent) })
					moved, readErr, writeErr := Splice(to.Conn, from.Conn, int64(n))
					if moved != int64(n) || readErr != nil || writeErr != nil {
						t.Fatalf("moved %d of %d, %v, %v", moved, n, readErr, writeErr)
					}
					to.peers.Wait()
				}
				if from.Peek() != Silent {
					t.Error("there is more to read than there was")
				}
			})
		}
	}
}

// Within a loop, as a response is spliced to a client.
func TestSpliceWithinALoop(t *testing.T) {
	to, from := newRig(t, accepted), newRig(t, tcp)
	sent := pattern(4 << 20)
	to.says("go")
	from.peers.Go(func() { from.peer.Write(sent) })
	to.peers.Go(func() { equal(t, "the peer got", to.received(t, len(sent)), sent) })
	err := to.loop(&handler{ready: func(p []byte) Next {
		if len(p) == 0 {
			return Wait
		}
		if n, readErr, writeErr := Splice(to.Conn, from.Conn, int64(len(sent))); n != int64(len(sent)) || readErr != nil || writeErr != nil {
			t.Errorf("moved %d, %v, %v", n, readErr, writeErr)
		}
		return Stop
	}})
	if err != nil {
		t.Error(err)
	}
	to.peers.Wait()
}

// Who has failed is told apart, and nothing of it reaches the next splice.
func TestSplicesThatFail(t *testing.T) {
	const size = 4 << 20
	tests := []struct {
		name        string
		do          func(t *testing.T, to, from *rig)
		read, write []error // any of them
	}{
		{"the source ends", func(t *testing.T, _, from *rig) {
			from.peers.Go(func() { from.peer.Write(make([]byte, 100)); from.peer.Close() })
		}, []error{io.EOF}, nil},
		{"the source is reset", func(t *testing.T, _, from *rig) { from.reset() }, []error{syscall.ECONNRESET}, nil},
		{"the source is interrupted", func(t *testing.T, _, from *rig) { from.Interrupt() }, []error{os.ErrDeadlineExceeded}, nil},
		{"the source is closed", func(t *testing.T, _, from *rig) { from.Close() }, []error{net.ErrClosed}, nil},
		{"the source stalls", func(t *testing.T, _, from *rig) { runs(t, from.clock) }, []error{os.ErrDeadlineExceeded}, nil},
		{"the target is reset", func(t *testing.T, to, from *rig) {
			from.peers.Go(func() { from.peer.Write(make([]byte, size)) })
			to.reset()
		}, nil, []error{syscall.ECONNRESET, syscall.EPIPE}},
		{"the target is interrupted", func(t *testing.T, to, from *rig) {
			from.peers.Go(func() { from.peer.Write(make([]byte, size)) })
			to.Interrupt()
		}, nil, []error{os.ErrDeadlineExceeded}},
		{"the target stalls", func(t *testing.T, to, from *rig) {
			from.peers.Go(func() { from.peer.Write(make([]byte, size)) })
			runs(t, to.clock)
		}, nil, []error{os.ErrDeadlineExceeded}},
		{"the target is closed", func(t *testing.T, to, from *rig) {
			from.peers.Go(func() { from.peer.Write(make([]byte, size)) })
			to.Close()
		}, nil, []error{net.ErrClosed}},
	}
	for _, tt := range tests {
		for name, k := range map[string]kind{"tcp": tcp, "accepted": accepted} {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				to, from := newRig(t, narrow(k)), newRig(t, k)
				tt.do(t, to, from)
				moved, readErr, writeErr := Splice(to.Conn, from.Conn, size)
				if moved >= size || !matches(readErr, tt.read) || !matches(writeErr, tt.write) {
					t.Errorf("moved %d, %v, %v; want %v, %v", moved, readErr, writeErr, tt.read, tt.write)
				}
				from.peer.Close()

				to, from = newRig(t, tcp), newRig(t, tcp)
				from.says("clean")
				if _, readErr, writeErr := Splice(to.Conn, from.Conn, 5); readErr != nil || writeErr != nil {
					t.Fatal(readErr, writeErr)
				}
				equal(t, "the next peer got", to.received(t, 5), []byte("clean"))
			})
		}
	}
}

func matches(err error, want []error) bool {
	return err == nil && want == nil || isAny(err, want)
}

// A splice that goes on slowly is not cut.
func TestASlowSpliceIsNotCut(t *testing.T) {
	to, from := newRig(t, narrow(tcp)), newRig(t, tcp)
	sent := pattern(16 << 20)
	from.peers.Go(func() { from.peer.Write(sent) })
	var splicing sync.WaitGroup
	splicing.Go(func() {
		n, readErr, writeErr := Splice(to.Conn, from.Conn, int64(len(sent)))
		if err := errors.Join(readErr, writeErr); n != int64(len(sent)) || err != nil {
			t.Errorf("moved %d, %v", n, err)
		}
	})
	eventually(t, "a limit of the write", func() bool { return to.writes.limit.due.Load() > 0 })
	var got []byte
	p := make([]byte, 4<<10)
	for range 10 {
		to.pass(stall)
		renewed := to.clock.spent.Load() + int64(stall+Tick)
		for to.writes.limit.due.Load() != renewed {
			n, err := to.peer.Read(p)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, p[:n]...)
		}
	}
	got = append(got, to.received(t, len(sent)-len(got))...)
	splicing.Wait()
	equal(t, "the peer got", got, sent)
}

// Without a pipe nobody has failed, and nothing is lost.
func TestWithoutAPipe(t *testing.T) {
	to, from := newRig(t, tcp), newRig(t, tcp)
	from.says("hello")
	for p := pipes.Get(); p != nil; p = pipes.Get() {
		p.(*pipe).close()
	}
	restore := noDescriptors(t)
	moved, readErr, writeErr := Splice(to.Conn, from.Conn, 5)
	restore()
	if moved != 0 || !errors.Is(readErr, ErrNoPipe) || !errors.Is(readErr, syscall.EMFILE) || writeErr != nil {
		t.Errorf("moved %d, %v, %v", moved, readErr, writeErr)
	}
	if !to.clock.IsShort() {
		t.Error("nobody is told that descriptors are short")
	}
	if _, readErr, writeErr = Splice(to.Conn, from.Conn, 5); readErr != nil || writeErr != nil {
		t.Fatal(readErr, writeErr)
	}
	equal(t, "the peer got", to.received(t, 5), []byte("hello"))
}

// noDescriptors has none left until restore is called.
func noDescriptors(t *testing.T) (restore func()) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}
}
