//go:build unix

package main

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// The socket that is handed over stays non-blocking for whoever still has it: an
// accept that finds nothing must not wait. And it stays open for the one when the
// other closes it.
func TestWhatIsHandedOverIsNotSpoiled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := duplicate(l)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("true")
	child.ExtraFiles = []*os.File{file}
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var flags uintptr
	if err := raw.Control(func(fd uintptr) { flags, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_GETFL, 0) }); err != nil {
		t.Fatal(err)
	}
	if flags&syscall.O_NONBLOCK == 0 {
		t.Errorf("the socket waits now: its flags are %#x", flags)
	}
	other, err := net.FileListener(file)
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	l.Close()
	client, err := net.Dial("tcp", other.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if conn, err := other.Accept(); err != nil {
		t.Error(err)
	} else {
		conn.Close()
	}
}
