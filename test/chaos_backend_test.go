package test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// What makes this test binary an actor: a backend, in a process of its own, that
// behaves as it is told. It reports each request as soon as it has its head, so
// that even what it was asked before a kill -9 is known.
const (
	actorName    = "ROTA_TEST_ACTOR"
	actorAddress = "ROTA_TEST_ACTOR_ADDRESS"
)

// The moods of an actor. Its health check is answered in all of them.
const (
	moodWell  = "well"
	moodMute  = "mute"  // takes requests, and says nothing until it is well again
	moodReset = "reset" // ends the connection with a RST once it has the request
	moodSlow  = "slow"  // answers after slowness
	moodQuit  = "quit"  // takes no connection, finishes what it has, and exits
)

// slowness is how long a slow actor takes for each answer.
const slowness = 150 * time.Millisecond

// record is what an actor reports: the ID of a request and the time, in
// nanoseconds since 1970.
const recordSize = 16

// actor is such a process, seen from the test.
type actor struct {
	port    int
	cmd     *exec.Cmd
	stdin   io.Writer
	first   atomic.Int64 // time of its first request, in nanoseconds since 1970; 0: none yet
	last    atomic.Int64
	drained chan struct{} // closed when all its reports have been read
	ending  sync.Once
}

// startActor starts one on an address, where port 0 is any free one. What it
// reports goes to arrived.
func startActor(t *testing.T, name string, port int, arrived func(id uint64)) *actor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	reports, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), actorName+"="+name, fmt.Sprintf("%s=127.0.0.1:%d", actorAddress, port))
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirs.Close()
	a := &actor{cmd: cmd, stdin: stdin, drained: make(chan struct{})}
	go a.read(reports, arrived)
	t.Cleanup(a.kill)
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the backend %s never told its port: %v", name, err)
	}
	if a.port, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *actor) read(reports io.ReadCloser, arrived func(id uint64)) {
	defer close(a.drained)
	defer reports.Close()
	in := bufio.NewReaderSize(reports, 64<<10)
	for record := make([]byte, recordSize); ; {
		if _, err := io.ReadFull(in, record); err != nil {
			return
		}
		at := int64(binary.LittleEndian.Uint64(record[8:]))
		a.first.CompareAndSwap(0, at)
		a.last.Store(max(a.last.Load(), at))
		arrived(binary.LittleEndian.Uint64(record))
	}
}

// be changes its mood.
func (a *actor) be(mood string) { fmt.Fprintln(a.stdin, mood) }

// signal sends a signal: SIGSTOP freezes it, SIGCONT lets it go on.
func (a *actor) signal(s syscall.Signal) { _ = a.cmd.Process.Signal(s) }

// kill is kill -9. It returns once all that was reported is known.
func (a *actor) kill() {
	a.signal(syscall.SIGKILL)
	a.join()
}

// retire stops it as a good backend does.
func (a *actor) retire() {
	a.be(moodQuit)
	a.join()
}

func (a *actor) join() {
	a.ending.Do(func() {
		<-a.drained
		_ = a.cmd.Wait() // how it ended is of no interest
	})
}

// perform is the life of an actor's process.
func perform(name string) {
	runtime.GOMAXPROCS(1)
	l, err := net.Listen("tcp", os.Getenv(actorAddress))
	if err != nil {
		panic(err)
	}
	s := &stage{name: name, reports: os.NewFile(3, "reports"), mood: moodWell, changed: make(chan struct{}), idle: map[net.Conn]bool{}}
	go s.listen(l)
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := l.Accept()
		if err != nil {
			break
		}
		s.all.Go(func() { s.serve(conn) })
	}
	s.all.Wait()
	os.Exit(0)
}

// stage is what the connections of an actor share.
type stage struct {
	name    string
	reports *os.File
	all     sync.WaitGroup

	mu      sync.Mutex
	mood    string
	changed chan struct{} // closed and made anew with each change of the mood
	idle    map[net.Conn]bool
}

// listen takes orders until the test is gone.
func (s *stage) listen(l net.Listener) {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		s.mu.Lock()
		s.mood = lines.Text()
		close(s.changed)
		s.changed = make(chan struct{})
		if s.mood == moodQuit {
			l.Close()
			for conn := range s.idle {
				conn.Close()
			}
		}
		s.mu.Unlock()
	}
	os.Exit(1)
}

// rest notes whether a connection waits for its next request, and tells the mood.
func (s *stage) rest(conn net.Conn, idle bool) (mood string, changed <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if idle {
		s.idle[conn] = true
	} else {
		delete(s.idle, conn)
	}
	return s.mood, s.changed
}

func (s *stage) serve(conn net.Conn) {
	defer conn.Close()
	wire := testkit.NewWire(conn)
	for {
		if mood, _ := s.rest(conn, true); mood == moodQuit {
			return
		}
		m, err := wire.Request()
		mood, changed := s.rest(conn, false)
		if err != nil {
			return
		}
		id, isID := strings.CutPrefix(m.Target, "/id/")
		if isID {
			s.report(id)
		} else {
			mood = moodWell
		}
		if wire.Body(m) != nil || !s.answer(conn, mood, changed, id) {
			return
		}
	}
}

func (s *stage) report(id string) {
	n, err := strconv.ParseUint(id, 10, 64)
	if err != nil {
		panic(err)
	}
	record := binary.LittleEndian.AppendUint64(nil, n)
	record = binary.LittleEndian.AppendUint64(record, uint64(time.Now().UnixNano()))
	if _, err := s.reports.Write(record); err != nil {
		os.Exit(1) // the test is gone
	}
}

// answer does with a request what the mood is, and tells whether the connection
// can take another.
func (s *stage) answer(conn net.Conn, mood string, changed <-chan struct{}, id string) bool {
	switch mood {
	case moodReset:
		_ = conn.(*net.TCPConn).SetLinger(0)
		return false
	case moodMute:
		<-changed
	case moodSlow:
		timer := time.NewTimer(slowness)
		defer timer.Stop()
		<-timer.C
	}
	body := s.name + " " + id
	_, err := fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	return err == nil
}
