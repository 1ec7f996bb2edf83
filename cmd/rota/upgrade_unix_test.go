//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/config"
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

// What another version can't make sense of costs the memory of that service, and not
// the takeover.
func TestAWillOfAnotherVersion(t *testing.T) {
	h := new(heritage)
	web := config.Service{Discover: config.Discover{Kind: config.DiscoverConsul, Name: "web", Tags: []string{"v1"}}}
	text := `{"listeners": [], "of the future": 1, "services": {
		"good":     {"looks_for": ` + strconv.Quote(looksFor(web.Discover)) + `, "told": {"instances": [{"ID": "a"}]}, "endpoints": {"a": {"address": "h:1", "verdict": "healthy", "mood": 3}}},
		"verdict":  {"endpoints": {"a": {"address": "h:1", "verdict": 2}}},
		"duration": {"endpoints": {"a": {"address": "h:1", "outlier": {"cause": "latency", "left": "5s"}}}},
		"status":   {"told": {"instances": [{"Status": "passing"}]}},
		"null":     null
	}}`
	if err := json.Unmarshal([]byte(text), &h.will); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	h.read(hclog.New(&hclog.LoggerOptions{Output: &log}))
	for _, name := range []string{"good", "of another name"} {
		if l := h.legacy(name, looksFor(web.Discover)); len(l.Endpoints) != 1 || len(l.Told.Instances) != 1 {
			t.Errorf("what is good becomes %+v for %s", l, name)
		}
	}
	web.Discover.Name = "other"
	for _, name := range []string{"good", "verdict", "duration", "status", "null", "unknown"} {
		if l := h.legacy(name, looksFor(web.Discover)); l.Endpoints != nil || l.Told != nil {
			t.Errorf("%s becomes %+v", name, l)
		}
		bad := name == "verdict" || name == "duration" || name == "status"
		if strings.Contains(log.String(), "begins anew: service="+name) != bad {
			t.Errorf("of %s is told %s", name, &log)
		}
	}
}
