package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a whole demo on ports of its own.
type running struct {
	ports
	cmd   *exec.Cmd
	lines *bufio.Scanner
	guide string
}

// startDemo runs the demo as make does and returns when it has said what to
// try.
func startDemo(t *testing.T) *running {
	t.Helper()
	if testing.Short() {
		t.Skip("starts everything")
	}
	binary := filepath.Join(t.TempDir(), "demo")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d := &running{ports: freePorts(t)}
	d.cmd = exec.Command(binary, "--port", strconv.Itoa(d.http), "--admin-port", strconv.Itoa(d.admin),
		"--consul-port", strconv.Itoa(d.consul), "--backend-port", strconv.Itoa(d.backend))
	d.cmd.Dir = "../.."
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdout, d.cmd.Stderr = w, w
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	t.Cleanup(func() {
		d.cmd.Process.Kill() // its children follow it
		d.cmd.Wait()
		os.Remove(d.written()) // which a demo that was shot could not
		r.Close()
	})
	d.lines = bufio.NewScanner(r)
	d.guide = d.awaitLine(t, "Ctrl-C stops")
	return d
}

// awaitLine reads the demo's output as far as a line with this text. A demo
// that hangs runs into the limit of the whole test.
func (d *running) awaitLine(t *testing.T, text string) string {
	t.Helper()
	var all strings.Builder
	for d.lines.Scan() {
		fmt.Fprintln(&all, d.lines.Text())
		if strings.Contains(d.lines.Text(), text) {
			return all.String()
		}
	}
	t.Fatalf("no %q in:\n%s", text, all.String())
	return ""
}

// pid returns the process that the guide has this command for.
func (d *running) pid(t *testing.T, command string) int {
	t.Helper()
	m := regexp.MustCompile(`(?m)^  ` + command + ` (\d+)`).FindStringSubmatch(d.guide)
	if m == nil {
		t.Fatalf("no %q in:\n%s", command, d.guide)
	}
	pid, _ := strconv.Atoi(m[1])
	return pid
}

// get returns which backend answers.
func (d *running) get(t *testing.T) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(fmt.Sprintf("http://localhost:%d/", d.http))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("got %s %q, %v", resp.Status, body, err)
	}
	name, _, _ := strings.Cut(string(body), ":")
	return name
}

// nothingLeft checks that the demo's ports are free again and that its copy of
// the configuration is gone.
func (d *running) nothingLeft(t *testing.T) {
	t.Helper()
	if err := d.ports.check(); err != nil {
		t.Errorf("left behind: %v", err)
	}
	if _, err := os.Stat(d.written()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %s, %v", d.written(), err)
	}
}

// written is the copy of the configuration with the demo's port.
func (d *running) written() string { return fmt.Sprintf("../../bin/demo-%d.hcl", d.http) }

// A visitor does what the guide says, and then presses Ctrl-C.
func TestDemo(t *testing.T) {
	d := startDemo(t)
	var seen []string
	for range 30 {
		if name := d.get(t); !slices.Contains(seen, name) {
			seen = append(seen, name)
		}
	}
	slices.Sort(seen)
	if want := []string{"web-1", "web-2", "web-3"}; !slices.Equal(seen, want) {
		t.Errorf("answers from %q, want %q", seen, want)
	}

	for _, command := range []string{"kill", "kill -9"} {
		signal := map[string]syscall.Signal{"kill": syscall.SIGTERM, "kill -9": syscall.SIGKILL}[command]
		if err := syscall.Kill(d.pid(t, command), signal); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			d.get(t)
		}
	}
	if name := d.get(t); name != "web-3" {
		t.Errorf("answer from %s, want the only one left", name)
	}

	if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	d.awaitLine(t, "stopping")
	if rest, err := d.rest(); err != nil {
		t.Errorf("%v:\n%s", err, rest)
	}
	d.nothingLeft(t)
}

// rest reads the output to its end and returns it with how the demo has ended.
func (d *running) rest() (string, error) {
	var all strings.Builder
	for d.lines.Scan() {
		fmt.Fprintln(&all, d.lines.Text())
	}
	return all.String(), d.cmd.Wait()
}

// Closing the terminal, or a kill from elsewhere, ends it as Ctrl-C does.
func TestDemoSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			d := startDemo(t)
			if err := d.cmd.Process.Signal(s); err != nil {
				t.Fatal(err)
			}
			if rest, err := d.rest(); err != nil {
				t.Errorf("%v:\n%s", err, rest)
			}
			d.nothingLeft(t)
		})
	}
}

// When somebody shoots the demo itself, the kernel takes its children down,
// each in its own time.
func TestDemoKilled(t *testing.T) {
	d := startDemo(t)
	d.cmd.Process.Kill()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(10 * time.Second); d.check() != nil && time.Now().Before(limit); {
		<-tick.C
	}
	if err := d.check(); err != nil {
		t.Errorf("children live on: %v", err)
	}
}

func TestTakenPortStartsNothing(t *testing.T) {
	d := startDemo(t)
	second := exec.Command(d.cmd.Path, d.cmd.Args[1:]...)
	second.Dir = d.cmd.Dir
	out, err := second.CombinedOutput()
	if err == nil {
		t.Fatal("a second demo on the same ports")
	}
	for _, l := range d.listeners() {
		_, port, _ := strings.Cut(l.address, ":")
		contains(t, string(out), "port "+port+", for "+l.owner+", can't be had")
	}
	if strings.Contains(string(out), "starting") {
		t.Errorf("it began all the same:\n%s", out)
	}
}
