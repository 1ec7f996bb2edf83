package proxy

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// noisy is what bodies are made of: the same again behind itself.
var noisy = func() []byte {
	b := make([]byte, noisySize)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return append(b, b...)
}()

const noisySize = 1<<20 + 7

// material returns n bytes of the body that belongs to seed, from off on.
func material(seed uint64, off int64, n int) []byte {
	start := (seed*0x9e3779b97f4a7c15>>24 + uint64(off)) % noisySize
	return noisy[start:][:n]
}

// breach is an error that must never be: what came is not what was sent.
type breach string

func (b breach) Error() string { return string(b) }

func breachf(format string, a ...any) error { return breach(fmt.Sprintf(format, a...)) }

// isBreach reports whether an error is more than an end of a connection.
func isBreach(err error) bool {
	var b breach
	return errors.As(err, &b)
}

// pause lasts d, or until stop is closed.
func pause(stop <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	}
}

// fork returns a source for another goroutine.
func fork(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }

// framing is how the end of a body is told.
type framing string

const (
	framedBodiless   framing = "none"
	framedSized      framing = "sized"
	framedChunked    framing = "chunked"
	framedUntilClose framing = "until close"
)

// ear reads from a connection, and takes nothing that is not strictly right.
type ear struct {
	conn *net.TCPConn
	rng  *rand.Rand
	in   *bufio.Reader
	stop <-chan struct{} // ends pauses
	slow bool            // it takes a little at a time, and its time
	left int64           // after so many bytes it stops listening; never if negative
}

var errEnough = errors.New("stopped listening")

func newEar(conn *net.TCPConn, rng *rand.Rand, stop <-chan struct{}) *ear {
	e := &ear{conn: conn, rng: rng, stop: stop, left: -1}
	e.in = bufio.NewReaderSize(e, 32<<10)
	return e
}

// Read is for the buffer alone.
func (e *ear) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, errEnough
	}
	if e.left > 0 {
		p = p[:min(int64(len(p)), e.left)]
	}
	if e.slow {
		p = p[:min(len(p), 1+e.rng.IntN(16<<10))]
		if e.rng.IntN(8) == 0 {
			pause(e.stop, time.Duration(e.rng.IntN(10))*time.Millisecond)
		}
	}
	n, err := e.conn.Read(p)
	if e.left > 0 {
		e.left -= int64(n)
	}
	return n, err
}

// parsed is the head of a message.
type parsed struct {
	line   string
	fields map[string]string // by names in lower case
}

func (p *parsed) number(name string) int64 {
	n, err := strconv.ParseInt(p.fields[name], 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func (p *parsed) id() uint64 { return uint64(p.number("x-id")) }

func (p *parsed) closes() bool { return p.fields["connection"] == "close" }

func (e *ear) line() (string, error) {
	s, err := e.in.ReadString('\n')
	switch {
	case err == io.EOF && s != "":
		return "", io.ErrUnexpectedEOF
	case err != nil:
		return "", err
	case !strings.HasSuffix(s, "\r\n") || strings.ContainsAny(s[:len(s)-2], "\r\x00"):
		return "", breachf("a line %.200q", s)
	}
	return s[:len(s)-2], nil
}

// head reads the head of a message. The error is [io.EOF] where none begins.
func (e *ear) head() (*parsed, error) {
	line, err := e.line()
	if err != nil {
		return nil, err
	}
	p := &parsed{line: line}
	p.fields, err = e.section()
	return p, unexpected(err)
}

func (e *ear) section() (map[string]string, error) {
	fields := map[string]string{}
	for {
		line, err := e.line()
		if line == "" || err != nil {
			return fields, err
		}
		name, value, ok := strings.Cut(line, ": ")
		key := strings.ToLower(name)
		_, twice := fields[key]
		if !ok || twice || strings.ContainsAny(name, " \t:") {
			return nil, breachf("a field %.200q", line)
		}
		fields[key] = value
	}
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// framed tells how the body behind a head is framed, where it may be.
func (p *parsed) framed(otherwise framing) (framing, error) {
	coding, coded := p.fields["transfer-encoding"]
	_, hasLength := p.fields["content-length"]
	switch {
	case coded && (hasLength || coding != "chunked"), hasLength && p.number("content-length") < 0:
		return "", breachf("framed by %v", p.fields)
	case coded:
		return framedChunked, nil
	case hasLength:
		return framedSized, nil
	default:
		return otherwise, nil
	}
}

// body reads a body, compares it with the one that belongs to seed, and returns
// how long it is, and its trailer. Without an error it came to its end.
func (e *ear) body(f framing, length int64, seed uint64) (n int64, sum string, err error) {
	switch f {
	case framedSized:
		n, err = e.compare(seed, 0, length)
		return n, "", unexpected(err)
	case framedUntilClose:
		if n, err = e.compare(seed, 0, -1); err == io.EOF {
			err = nil
		}
		return n, "", err
	case framedChunked:
		n, sum, err = e.chunks(seed)
		return n, sum, unexpected(err)
	}
	return 0, "", nil
}

func (e *ear) chunks(seed uint64) (n int64, sum string, err error) {
	for {
		line, err := e.line()
		if err != nil {
			return n, "", err
		}
		size, err := strconv.ParseInt(line, 16, 64) // extensions don't get through
		if err != nil || size < 0 {
			return n, "", breachf("a chunk's size %.200q after %d bytes", line, n)
		}
		if size == 0 {
			break
		}
		k, err := e.compare(seed, n, size)
		if n += k; err != nil {
			return n, "", err
		}
		if line, err = e.line(); line != "" {
			err = breachf("%.200q behind a chunk after %d bytes", line, n)
		}
		if err != nil {
			return n, "", err
		}
	}
	fields, err := e.section()
	return n, fields["x-sum"], err
}

// compare reads n bytes, or all if n is negative.
func (e *ear) compare(seed uint64, off, n int64) (done int64, err error) {
	for done != n {
		if _, err := e.in.Peek(1); err != nil {
			return done, err
		}
		k := e.in.Buffered()
		if n >= 0 {
			k = int(min(int64(k), n-done))
		}
		got, _ := e.in.Peek(k)
		if want := material(seed, off+done, k); !bytes.Equal(got, want) {
			i := 0
			for got[i] == want[i] {
				i++
			}
			return done, breachf("wrong bytes from %d on, of %d: %.60q", off+done+int64(i), n, got[i:])
		}
		_, _ = e.in.Discard(k)
		done += int64(k)
	}
	return done, nil
}
