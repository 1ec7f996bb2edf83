package http1_test

import (
	"fmt"
	"io"
	"strings"
	"testing/iotest"

	"github.com/rota-lb/rota/http1"
)

// A connection reads into one buffer. What is read and not yet used is
// buffer[:filled]; here it moves to the front after each step.
func Example() {
	conn := iotest.OneByteReader(strings.NewReader("POST /sum?of=all HTTP/1.1\r\nHost: example.com\r\n" +
		"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;a=b\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"))
	limits := http1.DefaultLimits()
	buffer, filled := make([]byte, limits.Head()), 0
	use := func(n int) { filled = copy(buffer, buffer[n:filled]) }
	more := func() {
		n, err := io.ReadAtLeast(conn, buffer[filled:], 1)
		if filled += n; err != nil {
			panic(err)
		}
	}

	var request http1.Request
	for {
		n, err := request.Parse(buffer[:filled], &limits)
		if err != nil {
			panic(err) // answer with err.(*http1.Error).Status, and close
		}
		if n > 0 {
			// The strings are views: they are of use only until the buffer is.
			fmt.Println(request.Method, request.Path, request.Query, request.Host)
			use(n)
			break
		}
		more()
	}

	var body http1.ChunkDecoder // request.Framing is http1.Chunked
	var wire []byte
	for !body.Done() {
		span, n, err := body.Relay(buffer[:filled], &limits)
		if err != nil {
			panic(err)
		}
		wire = append(wire, span...)
		if body.Done() {
			wire = http1.AppendLastChunk(wire, body.Trailer)
		}
		if use(n); n == 0 {
			more()
		}
	}
	fmt.Printf("%q\n", wire)
	// Output:
	// POST /sum ?of=all example.com
	// "5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 42\r\n\r\n"
}
