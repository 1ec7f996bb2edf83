package testkit

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// readyLines are the lines of which any one in its log says that an agent has
// a leader and has told it about itself: from then on registrations work.
var readyLines = []string{"agent: Synced node info", "agent: Node info in sync"}

// tailSize is how much of a log is shown, in bytes.
const tailSize = 32 << 10

// process is a running agent.
type process struct {
	cmd    *exec.Cmd
	log    *logBuffer
	exited chan struct{} // closed when the process is gone and its log is whole
}

func startProcess(binary string, args ...string) (*process, error) {
	p := &process{
		cmd:    exec.Command(binary, args...),
		log:    &logBuffer{ready: make(chan struct{})},
		exited: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", binary, err)
	}
	// Joined by awaitExit, which Consul's cleanup always calls.
	go func() {
		_ = p.cmd.Wait() // how it ended is in its log
		close(p.exited)
	}()
	return p, nil
}

func (p *process) awaitReady(limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.log.ready:
		return nil
	case <-p.exited:
		return fmt.Errorf("it exited at once:\n%s", p.log.tail())
	case <-timer.C:
		return errors.New("not ready after " + limit.String())
	}
}

// awaitExit reports whether the process was gone within the limit.
func (p *process) awaitExit(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}

// logBuffer keeps what an agent writes and closes ready at the first line that
// says so.
type logBuffer struct {
	ready chan struct{}

	mu      sync.Mutex
	text    bytes.Buffer
	scanned int // bytes of text, whole lines, that were looked at
	isReady bool
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	fresh := l.text.Bytes()[l.scanned:]
	whole := fresh[:bytes.LastIndexByte(fresh, '\n')+1]
	l.scanned += len(whole)
	for _, line := range readyLines {
		if !l.isReady && bytes.Contains(whole, []byte(line)) {
			l.isReady = true
			close(l.ready)
		}
	}
	return len(p), nil
}

func (l *logBuffer) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

// tail returns the end of the log.
func (l *logBuffer) tail() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := l.text.String()
	return text[max(0, len(text)-tailSize):]
}
