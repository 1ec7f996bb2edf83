package http1

import "bytes"

// Expectation is what the Expect field asks for (RFC 9110 §10.1.1).
type Expectation uint8

const (
	// ExpectNothing is a request without an expectation.
	ExpectNothing Expectation = iota
	// ExpectContinue wants a 100 before the body is sent.
	ExpectContinue
	// ExpectUnknown wants what we don't know; a 417 answers it.
	ExpectUnknown
)

// Request is the head of a request. Its strings are views, as the package
// comment says.
type Request struct {
	Head
	// Method may be any token; that of a known method is in upper case.
	Method string
	// Target is as it came; Form says of which form it is.
	Target string
	Form   TargetForm
	// Path and Query are what is behind the authority, the query with its
	// question mark. One behind the other they are the target for the next
	// server. Path is never empty but in authority-form; it may be "*".
	Path, Query string
	// Host is where the request wants to go, by its target or else its Host
	// field (RFC 9112 §3.2.2). It is "" only in HTTP/1.0.
	Host string
	// Expect is what is to happen before the body is sent.
	Expect Expectation

	authority string // of the target
	blank     bool   // an empty line came before
}

// Parse reads the head at the beginning of b. It returns how many bytes the
// head has, or 0 where b does not hold all of it. An error is an [*Error]. After
// a whole head or an error, the next call begins another head.
func (r *Request) Parse(b []byte, l *Limits) (int, error) {
	resumed := r.scan.resumed()
	if !resumed {
		r.Reset()
	}
	done, err := r.lines(b, l)
	if done && resumed {
		// The fields of earlier calls are views of a place that the bytes may
		// have left.
		r.Reset()
		done, err = r.lines(b, l)
	}
	if done {
		err = r.rules()
	}
	return r.scan.end(done, err)
}

// Reset forgets the head, and what was read of one, but keeps the memory for
// fields.
func (r *Request) Reset() {
	*r = Request{Head: Head{Header: r.Header[:0]}}
}

func (r *Request) lines(b []byte, l *Limits) (done bool, err error) {
	for r.scan.fields == 0 {
		begin := r.scan.line
		line, err := r.scan.next(b, begin+l.Line+len(crlf), errRequestLong)
		if err == errRequestLong && bytes.IndexByte(b[begin:begin+l.Line], ' ') < 0 {
			err = errMethodLong // it is not the URI that is too long
		}
		switch {
		case line == nil:
			return false, err
		case len(line) > 0:
			if err := r.requestLine(line); err != nil {
				return false, err
			}
			r.scan.fields = r.scan.line
		case r.blank:
			return false, errBlank
		default:
			// §2.2: ignore at least one, that old clients send after a body
			r.blank = true
		}
	}
	r.Header, done, err = r.scan.section(r.Header, b, l)
	return done, err
}

// requestLine reads: method SP request-target SP HTTP-version (RFC 9112 §3).
// What stands between must be one space, though §3 allows to be lenient.
func (r *Request) requestLine(line []byte) error {
	n := 0
	for n < len(line) && fold[line[n]] != 0 {
		n++
	}
	if n == 0 || n == len(line) || line[n] != ' ' {
		return errMethod
	}
	r.Method = view(line[:n])
	rest := line[n+1:]
	n = bytes.LastIndexByte(rest, ' ')
	if n <= 0 {
		return errRequestLine // no version, as in HTTP/0.9, or no target
	}
	// Before the target: the preface of HTTP/2 is to be told that it is another
	// version (RFC 9113 §3.4).
	var err error
	if r.Minor, err = version(rest[n+1:]); err != nil {
		return err
	}
	r.Target = view(rest[:n])
	return r.target()
}

// version reads HTTP-version (RFC 9112 §2.3) and returns its minor.
func version(b []byte) (minor int, err error) {
	switch string(b) {
	case "HTTP/1.1":
		return 1, nil
	case "HTTP/1.0":
		return 0, nil
	}
	if len(b) == len("HTTP/1.1") && string(b[:5]) == "HTTP/" && isDigit(b[5]) && b[6] == '.' && isDigit(b[7]) {
		return 0, errUnsupported
	}
	return 0, errVersion
}

// rules holds the head as a whole to what the RFCs say of requests.
func (r *Request) rules() error {
	n := r.survey()
	switch {
	case n.hosts == 0 && r.Minor == 1:
		return errNoHost // §3.2
	case n.hosts > 1:
		return errHosts // §3.2, equal ones too
	case n.hosts == 1 && !validAuthority(n.host):
		// §3.2 has an empty one for targets without an authority; http and
		// https have none such.
		return errHost
	}
	switch r.Form {
	case AbsoluteForm:
		r.Host = r.authority // §3.2.2: the field is to be ignored
	case AuthorityForm:
		r.Host = r.Target
	default:
		r.Host = n.host
	}
	if err := r.frameRequest(&n); err != nil {
		return err
	}
	r.KeepAlive = r.persists(&n)
	r.Upgrade = r.protocol(&n)
	r.Expect = r.expectation()
	return nil
}

func (r *Request) expectation() (e Expectation) {
	if !r.Present.Has(Expect) {
		return ExpectNothing
	}
	for _, f := range r.Header {
		if f.ID != Expect {
			continue
		}
		for x, rest := member(f.Value); x != ""; x, rest = member(rest) {
			switch {
			case !equalFold(x, "100-continue"):
				return ExpectUnknown
			case r.Minor == 1: // RFC 9110 §10.1.1: HTTP/1.0 does not know it
				e = ExpectContinue
			}
		}
	}
	return e
}
