package upstream

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// full returns an address whose queue of connections is full, so that Linux
// leaves the next one without an answer.
func full(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 16 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if err != nil {
			return address
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("this system accepts connections beyond the queue that it was asked for")
	return ""
}

func TestNoConnectionInTime(t *testing.T) {
	got := fail(t, newClient(t, hasty), full(t), post(untouched(t)))
	if want := (failure{ConnectTimeout, false, false}); got != want {
		t.Errorf("ended as %v, want %v", got, want)
	}
}

// Without a descriptor left, an attempt says that this is our own doing. A
// process of its own runs out of them.
func TestOutOfDescriptors(t *testing.T) {
	const marker = "ROTA_TEST_OUT_OF_DESCRIPTORS"
	if os.Getenv(marker) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v")
		child.Env = append(os.Environ(), marker+"=1")
		if out, err := child.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	address := dead
	limit := syscall.Rlimit{Cur: 32, Max: 32}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	var taken []*os.File
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			break
		}
		taken = append(taken, f)
	}
	c := newClient(t, patient)
	got := fail(t, c, address, post(untouched(t)))
	if want := (failure{OwnLimit, false, false}); got != want {
		t.Errorf("ended as %v, want %v", got, want)
	}
	for _, f := range taken {
		f.Close()
	}
	if _, body := answer(t, c, listen(t, says(hello)), get()); body != "hello" {
		t.Errorf("with descriptors again, answered %q", body)
	}
}
