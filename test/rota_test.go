package test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. Only a failure takes
// as long.
const patience = time.Minute

// rota is a running rota process. Its log is the events that tests wait for.
type rota struct {
	t      *testing.T
	url    string // of the listener
	admin  string
	file   string // of the configuration
	cmd    *exec.Cmd
	exited chan error
	heir   *os.Process // to which it has handed over; nil while there is none

	mu      sync.Mutex
	changed *sync.Cond
	log     []logLine
	ended   bool
}

// logLine is one line of the log, and when it was read.
type logLine struct {
	at     time.Time
	text   string
	fields map[string]any
}

// startRota runs rota with the given services and routes; the listeners are on
// free ports. It returns once both of them are taken.
func startRota(t *testing.T, config string, env ...string) *rota {
	t.Helper()
	return startRotaIn(t, nil, config, env...)
}

// startRotaIn is startRota by way of another command, which runs its arguments.
func startRotaIn(t *testing.T, command []string, config string, env ...string) *rota {
	t.Helper()
	binary, err := buildRota()
	if err != nil {
		t.Fatal(err)
	}
	r := &rota{t: t, file: filepath.Join(t.TempDir(), "config.hcl"), exited: make(chan error, 1)}
	r.configure(config)
	r.changed = sync.NewCond(&r.mu)
	command = append(command, binary, "run", "--config", r.file)
	r.cmd = exec.Command(command[0], command[1:]...)
	r.cmd.Env = append(os.Environ(), env...)
	stderr, err := r.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go r.read(stderr)
	t.Cleanup(r.cleanup)
	r.url = "http://" + r.await("listening").fields["address"].(string)
	r.admin = "http://" + r.await("admin listening").fields["address"].(string)
	return r
}

// configure writes the configuration: the given services and routes, with what is
// the same in all tests.
func (r *rota) configure(config string) {
	r.t.Helper()
	config = "listen \"http\" { address = \"127.0.0.1:0\" }\nadmin { address = \"127.0.0.1:0\" }\n" +
		"log {\n  level = \"debug\"\n  format = \"json\"\n}\n" + config
	if err := os.WriteFile(r.file, []byte(config), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// signal sends rota a signal.
func (r *rota) signal(s os.Signal) {
	r.t.Helper()
	if err := r.process().Signal(s); err != nil {
		r.t.Fatal(err)
	}
}

// process is the one that serves.
func (r *rota) process() *os.Process {
	if r.heir != nil {
		return r.heir
	}
	return r.cmd.Process
}

// reload has rota take a configuration, and waits until it has.
func (r *rota) reload(config string) {
	r.t.Helper()
	r.configure(config)
	began := time.Now()
	r.signal(syscall.SIGHUP)
	r.awaitAfter(began, "reloaded")
}

// startReadyRota is startRota that waits until rota says that it is ready.
func startReadyRota(t *testing.T, config string, env ...string) *rota {
	t.Helper()
	r := startRota(t, config, env...)
	r.await("ready")
	return r
}

func (r *rota) read(stderr io.Reader) {
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		line := logLine{at: time.Now(), text: lines.Text()}
		_ = json.Unmarshal(lines.Bytes(), &line.fields) // a panic is not JSON
		r.mu.Lock()
		r.log = append(r.log, line)
		r.mu.Unlock()
		r.changed.Broadcast()
	}
	err := r.cmd.Wait()
	r.mu.Lock()
	r.ended = true
	r.mu.Unlock()
	r.changed.Broadcast()
	r.exited <- err
}

// await waits for the first line whose message begins like that, with values
// that contain these: "id", "web-1", and so on.
func (r *rota) await(message string, pairs ...string) logLine {
	r.t.Helper()
	return r.awaitAfter(time.Time{}, message, pairs...)
}

// awaitAfter is await for lines that came after a moment.
func (r *rota) awaitAfter(after time.Time, message string, pairs ...string) logLine {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	alarm := time.AfterFunc(patience, r.changed.Broadcast)
	defer alarm.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	for next := 0; ; {
		for ; next < len(r.log); next++ {
			if l := r.log[next]; l.at.After(after) && l.says(message, pairs) {
				return l
			}
		}
		if r.ended || time.Now().After(deadline) {
			r.t.Fatalf("rota never said %q %v", message, pairs)
		}
		r.changed.Wait()
	}
}

// said counts the lines of that message so far.
func (r *rota) said(message string, pairs ...string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.log {
		if l.says(message, pairs) {
			n++
		}
	}
	return n
}

// stamp returns when rota wrote the line.
func (l logLine) stamp() time.Time {
	text, _ := l.fields["@timestamp"].(string)
	at, _ := time.Parse(time.RFC3339Nano, text) // a panic has none
	return at
}

func (l logLine) says(message string, pairs []string) bool {
	if text, _ := l.fields["@message"].(string); !strings.HasPrefix(text, message) {
		return false
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(fmt.Sprint(l.fields[pairs[i]]), pairs[i+1]) {
			return false
		}
	}
	return true
}

// stop asks rota to stop and returns how it exited.
func (r *rota) stop() error {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	err := <-r.exited
	r.exited <- err
	return err
}

// cleanup asserts that rota stops as it should, whatever a test did to it.
func (r *rota) cleanup() {
	_ = r.process().Signal(syscall.SIGTERM) // it may have ended
	alarm := time.AfterFunc(patience, func() { _ = r.process().Kill() })
	defer alarm.Stop()
	if err := <-r.exited; err != nil {
		r.t.Errorf("rota exited with %v", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.log {
		if strings.Contains(l.text, "DATA RACE") || strings.HasPrefix(l.text, "panic:") {
			r.t.Errorf("rota printed %q", l.text)
		}
		if r.t.Failed() {
			r.t.Log(l.at.Format("15:04:05.000 ") + l.text)
		}
	}
}

// healthReport is what /health says.
type healthReport struct {
	Status             int
	Total, Alive, Dead int
	Backends           []struct {
		URL, ID, State, Service string
		Alive                   bool
		Reasons                 []string
	}
	Discovery []struct {
		Service, Source, Error string
		AgeMS                  *int64 `json:"age_ms"`
		Fresh, Snapshot        bool
		Held                   int
	}
}

// health asks the listener for /health.
func (r *rota) health() healthReport {
	r.t.Helper()
	status, body := r.get(r.url + "/health")
	h := healthReport{Status: status}
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		r.t.Fatalf("/health says %q: %v", body, err)
	}
	return h
}

// awaitFresh waits until /health says that what is known of the first service is
// fresh: the log of a source may be a moment ahead of the pool.
func (r *rota) awaitFresh() {
	r.t.Helper()
	r.awaitHealth("fresh", func(h healthReport) bool { return h.Discovery[0].Fresh && h.Discovery[0].Error == "" })
}

// awaitHealth waits until /health is so: right after an upgrade the process before may
// still answer.
func (r *rota) awaitHealth(what string, is func(healthReport) bool) {
	r.t.Helper()
	for began := time.Now(); !is(r.health()); {
		if time.Since(began) > patience {
			r.t.Fatalf("/health still says %+v, want %s", r.health(), what)
		}
	}
}

// awaitTotal waits until /health counts so many: who drains is counted until
// nothing is in flight to it.
func (r *rota) awaitTotal(n int) {
	r.t.Helper()
	for began := time.Now(); r.health().Total != n; {
		if time.Since(began) > patience {
			r.t.Fatalf("/health still has %+v, want %d", r.health().Backends, n)
		}
	}
}

// counts asserts the counts of /health.
func (r *rota) counts(total, alive, dead int) {
	r.t.Helper()
	if h := r.health(); h.Total != total || h.Alive != alive || h.Dead != dead {
		r.t.Errorf("/health counts %d, %d alive and %d dead, want %d, %d and %d: %+v",
			h.Total, h.Alive, h.Dead, total, alive, dead, h.Backends)
	}
}

func (r *rota) get(url string) (status int, body string) {
	r.t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(url)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}
