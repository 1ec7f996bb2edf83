package testkit

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Malformed says what a [Wire] found that is not HTTP/1.1.
type Malformed string

func (m Malformed) Error() string { return "malformed: " + string(m) }

// Field is one field line, as it was spelled.
type Field struct{ Name, Value string }

// Framing is how a message says where its body ends (RFC 9112 §6.3).
type Framing string

// The ways to frame a body.
const (
	Unframed   Framing = "" // there is none
	Sized      Framing = "sized"
	Chunked    Framing = "chunked"
	UntilClose Framing = "until close"
)

// Message is one HTTP/1.1 message as it was on the wire.
type Message struct {
	Method, Target string // of a request
	Status         int    // of a response
	Version        string
	Fields         []Field
	Framing        Framing
	Length         int64 // that a sized body is to have
	Body           string
	Trailers       []Field
}

// All returns the values of a field, in order.
func (m *Message) All(name string) (values []string) {
	for _, f := range m.Fields {
		if strings.EqualFold(f.Name, name) {
			values = append(values, f.Value)
		}
	}
	return values
}

// Get returns the values of a field as one list.
func (m *Message) Get(name string) string { return strings.Join(m.All(name), ", ") }

// Wire reads messages by the letter: what a lenient reader forgives is what
// another makes a second message of. It takes nothing that a proxy has no need
// to send, chunk extensions among it. Its errors are [Malformed], io.EOF between
// two messages, and whatever else ends a connection within one.
type Wire struct{ in *bufio.Reader }

// NewWire returns a reader of what r has.
func NewWire(r io.Reader) *Wire { return &Wire{bufio.NewReader(r)} }

// Request reads the head of a request.
func (w *Wire) Request() (*Message, error) {
	line, err := w.line(io.EOF)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || !isToken(parts[0]) || parts[2] != "HTTP/1.1" || !isTarget(parts[0], parts[1]) {
		return nil, malformed("request line %q", line)
	}
	m := &Message{Method: parts[0], Target: parts[1], Version: parts[2]}
	if m.Fields, err = w.fields(); err != nil {
		return m, err
	}
	if n := len(m.All("Host")); n != 1 {
		return m, malformed("%d Host fields", n)
	}
	return m, m.frame(Unframed)
}

// Response reads the head of a response to a request of the given method.
func (w *Wire) Response(method string) (*Message, error) {
	line, err := w.line(io.EOF)
	if err != nil {
		return nil, err
	}
	version, rest, _ := strings.Cut(line, " ")
	code, _, found := strings.Cut(rest, " ")
	status, err := strconv.Atoi(code)
	if version != "HTTP/1.1" && version != "HTTP/1.0" || len(code) != 3 || err != nil || status < 100 || !found {
		return nil, malformed("status line %q", line)
	}
	m := &Message{Status: status, Version: version}
	if m.Fields, err = w.fields(); err != nil {
		return m, err
	}
	if err := m.frame(UntilClose); err != nil {
		return m, err
	}
	bare := status < 200 || status == 204
	if bare && (m.Framing != UntilClose) { // RFC 9110 §8.6, RFC 9112 §6.1
		return m, malformed("a %d with a %s body", status, m.Framing)
	}
	if bare || status == 304 || method == "HEAD" {
		m.Framing = Unframed
	}
	return m, nil
}

// Body reads the body of a message, all of it before it says why that ended.
func (w *Wire) Body(m *Message) error {
	var body strings.Builder
	defer func() { m.Body = body.String() }()
	switch m.Framing {
	case Sized:
		return w.copy(&body, m.Length)
	case UntilClose:
		_, err := io.Copy(&body, w.in)
		return err
	case Chunked:
		for {
			size, err := w.chunkSize()
			switch {
			case err != nil:
				return err
			case size == 0:
				m.Trailers, err = w.fields()
				return err
			}
			if err := w.copy(&body, size); err != nil {
				return err
			}
			switch line, err := w.line(io.ErrUnexpectedEOF); {
			case err != nil:
				return err
			case line != "":
				return malformed("%q behind a chunk", line)
			}
		}
	}
	return nil
}

func (w *Wire) copy(to io.Writer, n int64) error {
	_, err := io.CopyN(to, w.in, n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (w *Wire) chunkSize() (int64, error) {
	line, err := w.line(io.ErrUnexpectedEOF)
	if err != nil {
		return 0, err
	}
	if line == "" || strings.Trim(line, "0123456789abcdefABCDEF") != "" {
		return 0, malformed("chunk size %q", line)
	}
	n, err := strconv.ParseInt(line, 16, 64)
	if err != nil {
		return 0, malformed("chunk size %q", line)
	}
	return n, nil
}

// line reads a line without its end. Where there is none at all, it ends with
// atEnd.
func (w *Wire) line(atEnd error) (string, error) {
	line, err := w.in.ReadString('\n')
	text, ended := strings.CutSuffix(line, "\r\n")
	if err != nil {
		text = strings.TrimSuffix(line, "\r") // the LF might have come
	}
	switch {
	case strings.ContainsAny(text, "\r\n\x00"):
		return "", malformed("line %q", line)
	case err == io.EOF && line != "":
		return "", io.ErrUnexpectedEOF
	case err == io.EOF:
		return "", atEnd
	case err != nil:
		return "", err
	case !ended:
		return "", malformed("line %q", line)
	}
	return text, nil
}

// fields reads field lines and the empty line behind them.
func (w *Wire) fields() (fields []Field, err error) {
	for {
		line, err := w.line(io.ErrUnexpectedEOF)
		if err != nil || line == "" {
			return fields, err
		}
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || !isToken(name) || strings.ContainsFunc(value, isControl) {
			return fields, malformed("field line %q", line)
		}
		fields = append(fields, Field{name, value})
	}
}

// frame finds the framing that the fields tell, otherwise that without any.
func (m *Message) frame(otherwise Framing) error {
	lengths, codings := m.All("Content-Length"), m.All("Transfer-Encoding")
	switch {
	case len(lengths)+len(codings) > 1:
		return malformed("framing by %q and %q", lengths, codings)
	case len(codings) == 1:
		if codings[0] != "chunked" || m.Version != "HTTP/1.1" {
			return malformed("Transfer-Encoding %q in %s", codings[0], m.Version)
		}
		m.Framing = Chunked
	case len(lengths) == 1:
		n, err := strconv.ParseInt(lengths[0], 10, 64)
		if err != nil || n < 0 || strconv.FormatInt(n, 10) != lengths[0] {
			return malformed("Content-Length %q", lengths[0])
		}
		m.Framing, m.Length = Sized, n
	default:
		m.Framing = otherwise
	}
	return nil
}

func malformed(format string, args ...any) error { return Malformed(fmt.Sprintf(format, args...)) }

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	const others = "!#$%&'*+-.^_`|~"
	return s != "" && !slices.ContainsFunc([]byte(s), func(c byte) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(others, c) >= 0)
	})
}

// isTarget tells whether a gateway may send a target on (RFC 9112 §3.2).
func isTarget(method, target string) bool {
	visible := !slices.ContainsFunc([]byte(target), func(c byte) bool { return c <= ' ' || c >= 0x7f || c == '#' })
	return visible && (strings.HasPrefix(target, "/") || target == "*" && method == "OPTIONS")
}
