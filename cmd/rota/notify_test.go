package main

import (
	"net"
	"path/filepath"
	"testing"
	"time"
)

// systemd is told when rota serves, though there be no Consul, and when it stops.
func TestSystemdIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Skipf("no such sockets here: %v", err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	told := func(want string) {
		t.Helper()
		var text [64]byte
		_ = systemd.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := systemd.Read(text[:]); string(text[:n]) != want {
			t.Errorf("systemd was told %q, %v; want %q", text[:n], err, want)
		}
	}
	r := start(t, addresses+"consul { address = \"127.0.0.1:1\" }\nservice \"web\" {}\n")
	told("READY=1")
	r.end(nil)
	told("STOPPING=1")
}
