package http1

// Response is the head of a response. Its strings are views, as the package
// comment says.
type Response struct {
	Head
	// Status is from 100 to 999. What it means by its first digit it means in
	// whole to those who don't know it (RFC 9110 §15).
	Status int
	// Reason may be empty.
	Reason string
}

// Parse reads the head at the beginning of b, that of a response to a request
// with the given method. It returns how many bytes the head has, or 0 where b
// does not hold all of it. An error is an [*Error]. After a whole head or an
// error, the next call begins another head.
func (r *Response) Parse(b []byte, method string, l *Limits) (int, error) {
	resumed := r.scan.resumed()
	if !resumed {
		r.Reset()
	}
	done, err := r.lines(b, l)
	if done && resumed {
		r.Reset() // as in Request.Parse
		done, err = r.lines(b, l)
	}
	if done {
		err = r.rules(method)
	}
	return r.scan.end(done, err)
}

// Reset forgets the head, and what was read of one, but keeps the memory for
// fields.
func (r *Response) Reset() {
	*r = Response{Head: Head{Header: r.Header[:0]}}
}

// Interim reports whether the final response is still to come (RFC 9110 §15.2).
// A 101 is final: what follows is another protocol.
func (r *Response) Interim() bool { return r.Status < 200 && r.Status != 101 }

func (r *Response) lines(b []byte, l *Limits) (done bool, err error) {
	if r.scan.fields == 0 {
		line, err := r.scan.next(b, l.Line+len(crlf), errStatusLong)
		if line == nil {
			return false, err
		}
		if err := r.statusLine(line); err != nil {
			return false, err
		}
		r.scan.fields = r.scan.line
	}
	r.Header, done, err = r.scan.section(r.Header, b, l)
	return done, err
}

// statusLine reads: HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112
// §4). Many servers leave out the last space with the reason.
func (r *Response) statusLine(line []byte) error {
	const version1, code = len("HTTP/1.1"), len("HTTP/1.1 200")
	if len(line) < code || line[version1] != ' ' || len(line) > code && line[code] != ' ' {
		return errStatusLine
	}
	var err error
	if r.Minor, err = version(line[:version1]); err != nil {
		return err
	}
	for _, c := range line[version1+1 : code] {
		if !isDigit(c) {
			return errStatusLine
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 {
		return errStatusLine // RFC 9110 §15: no class of responses
	}
	if len(line) > code {
		if !isText(line[code+1:]) {
			return errStatusLine
		}
		r.Reason = view(line[code+1:])
	}
	return nil
}

// rules holds the head as a whole to what the RFCs say of responses.
func (r *Response) rules(method string) error {
	n := r.survey()
	r.KeepAlive = r.persists(&n)
	r.Upgrade = r.protocol(&n)
	return r.frameResponse(&n, method, r.Status)
}
