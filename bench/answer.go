package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// errFraming says that an answer can't be told from what follows it. The load
// generator is not a client for all of HTTP: it must cost little, and knows the
// answers that it asks for.
var errFraming = errors.New("an answer without Content-Length")

// readAnswer reads one answer and returns its status and the length of its
// body, which is thrown away.
func readAnswer(r *bufio.Reader) (status int, length int64, err error) {
	line, err := r.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if status, err = parseStatus(line); err != nil {
		return 0, 0, err
	}
	length = -1
	for {
		if line, err = r.ReadSlice('\n'); err != nil {
			return status, 0, unexpected(err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			length, err = strconv.ParseInt(string(bytes.TrimSpace(value)), 10, 64)
			if err != nil {
				return status, 0, err
			}
		}
	}
	switch {
	case status == 204 || status == 304:
		return status, 0, nil // have no body whatever the fields say (RFC 9112 §6.3)
	case length < 0:
		return status, 0, errFraming
	}
	_, err = r.Discard(int(length))
	return status, length, unexpected(err)
}

func parseStatus(line []byte) (int, error) {
	const prefix = "HTTP/1.1 "
	if !bytes.HasPrefix(line, []byte(prefix)) || len(line) < len(prefix)+3 {
		return 0, fmt.Errorf("not a status line: %q", line)
	}
	return strconv.Atoi(string(line[len(prefix) : len(prefix)+3]))
}

// unexpected tells an end in the middle from one between answers.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
