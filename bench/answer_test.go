package main

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	tests := []struct {
		name, bytes string
		status      int
		length      int64
		wrong       error // errAny for one without a name
	}{
		{"a body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, 5, nil},
		{"another case, no space", "HTTP/1.1 200 OK\r\ncontent-LENGTH:5\r\nX: y\r\n\r\nhello", 200, 5, nil},
		{"an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, 0, nil},
		{"no reason", "HTTP/1.1 503\r\nContent-Length: 1\r\n\r\nx", 503, 1, nil},
		{"204", "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 204, 0, nil},
		{"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, 0, nil},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 200, 0, errFraming},
		{"a bad length", "HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", 200, 0, errAny},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n", 0, 0, errAny},
		{"not a number", "HTTP/1.1 OK!\r\n\r\n", 0, 0, errAny},
		{"nothing", "", 0, 0, io.EOF},
		{"cut in the head", "HTTP/1.1 200 OK\r\nContent-Le", 200, 0, io.ErrUnexpectedEOF},
		{"cut in the body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 200, 5, io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		status, length, err := readAnswer(bufio.NewReader(strings.NewReader(tt.bytes)))
		if tt.wrong == errAny && err != nil {
			continue
		}
		if status != tt.status || length != tt.length || !errors.Is(err, tt.wrong) {
			t.Errorf("%s: got %d, %d bytes, %v, want %d, %d bytes, %v",
				tt.name, status, length, err, tt.status, tt.length, tt.wrong)
		}
	}
}

var errAny = errors.New("any error")

// Exactly one answer is read: the next begins where it ends.
func TestReadAnswerStaysInStep(t *testing.T) {
	r := bufio.NewReaderSize(strings.NewReader(strings.Repeat(
		"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+strings.Repeat("HTTP/1.1 ", 111)+"x"+
			"HTTP/1.1 204 No Content\r\n\r\n", 50)), 64)
	for i := range 50 {
		for _, want := range []int{200, 204} {
			if status, _, err := readAnswer(r); status != want || err != nil {
				t.Fatalf("answer %d: got %d, %v, want %d", i, status, err, want)
			}
		}
	}
	if _, _, err := readAnswer(r); err != io.EOF {
		t.Errorf("after the last: got %v, want the end", err)
	}
}
