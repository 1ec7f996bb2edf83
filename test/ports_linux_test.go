package test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// inNamespace names the variable that says that this process has a network of
// its own.
const inNamespace = "ROTA_TEST_NAMESPACE"

// Ports for connections to a backend have run out: another backend gets the
// requests, then they get 503, at once, and no backend is blamed. The test runs
// itself once more, in a network of its own with few ports.
func TestPortsUsedUp(t *testing.T) {
	if os.Getenv(inNamespace) == "" {
		again(t)
		return
	}
	loopbackUp(t)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("50000 50019"), 0); err != nil {
		t.Skip(err)
	}
	c := newCrowd(t)
	c.rota = startRotaIn(t, nil, c.config)
	c.rota.await("ready")
	c.come(50)
	arrived, refused := c.rush(c.clients)
	t.Logf("%d arrived, %d were refused", arrived, refused)
	if arrived <= 20 || refused == 0 {
		t.Errorf("%d arrived, and %d were refused; one backend has no more than 20 ports", arrived, refused)
	}
	c.served(c.clients)
	c.blameless()
}

// again runs the test that calls it in a network of its own.
func again(t *testing.T) {
	t.Helper()
	program, err := buildRota()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1", builtBefore+"="+program)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch text := string(out); {
	case len(out) == 0 && err != nil:
		t.Skipf("no network of one's own here: %v", err)
	case strings.Contains(text, "--- SKIP"):
		t.Skip(text)
	case err != nil:
		t.Errorf("%v\n%s", err, text)
	default:
		t.Log(text)
	}
}

// loopbackUp has the only device of a new network work.
func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		_     [22]byte
	}{flags: syscall.IFF_UP}
	copy(request.name[:], "lo")
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request))); errno != 0 {
		t.Fatal(errno)
	}
}
