package upstream

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
)

// What a failed attempt tells is exact: which fault, whether a byte of the
// request may have reached the backend, and whether its body can be sent again.
func TestFaults(t *testing.T) {
	const sent, touched = true, true
	hello := func() *Request { return post(strings.NewReader("hello")) }
	tests := []struct {
		name    string
		serve   func(*peer) // nil: nobody listens
		options Options
		request *Request
		want    failure
	}{
		{"refused", nil, patient, get(), failure{Unreachable, false, false}},
		{"refused with a body", nil, patient, post(untouched(t)), failure{Unreachable, false, false}},

		{"reset before the head is read", func(p *peer) { p.in.Peek(1); p.reset() }, patient, get(), failure{Reset, sent, false}},
		{"reset after the head is read", func(p *peer) { p.head(); p.reset() }, patient, get(), failure{Reset, sent, false}},
		{"closed after the head is read", says(""), patient, get(), failure{Reset, sent, false}},
		{"closed after the body is read", func(p *peer) { p.head(); p.in.Discard(15) }, patient, hello(), failure{Reset, sent, touched}},
		{"closed within the status line", says("HTTP/1.1 20"), patient, get(), failure{Reset, sent, false}},
		{"closed within the head", says("HTTP/1.1 200 OK\r\nContent-Le"), patient, get(), failure{Reset, sent, false}},

		{"no head in time", (*peer).hang, hasty, get(), failure{Late, sent, false}},
		{"no head in time with a body", (*peer).hang, hasty, hello(), failure{Late, sent, touched}},
		{"half a head in time", func(p *peer) { p.head(); p.say("HTTP/1.1 200 OK\r\n"); p.hang() }, hasty, get(), failure{Late, sent, false}},
		{"the body is not taken", func(p *peer) { p.head(); p.hang() }, hasty, post(endless()), failure{Stalled, sent, touched}},

		{"not HTTP", says("220 mail.example.com ESMTP\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},
		{"no status", says("HTTP/1.1 OK\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},
		{"a status below 100", says("HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},
		{"a line without a colon", says("HTTP/1.1 200 OK\r\nhello\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},
		{"two lengths", says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), patient, get(), failure{Malformed, sent, false}},
		{"an unknown coding", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},
		{"a head without end", says("HTTP/1.1 200 OK\r\nA: " + strings.Repeat("a", maxResponseHead) + "\r\n\r\n"), patient, get(), failure{Malformed, sent, false}},

		{"closed within the body", says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), patient, get(), failure{Reset, sent, touched}},
		{"closed within a chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello"), patient, get(), failure{Reset, sent, touched}},
		{"a malformed chunk", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello\r\n"), patient, get(), failure{Malformed, sent, touched}},
		{"the body stalls", func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
			p.hang()
		}, hasty, get(), failure{Stalled, sent, touched}},

		{"the client's body breaks off", (*peer).hang, patient, post(broken(io.ErrUnexpectedEOF)), failure{ClientBody, sent, touched}},
		{"the client's body is malformed", (*peer).hang, patient, post(broken(errors.New("bad chunk"))), failure{ClientBody, sent, touched}},
		{"the client's body stalls", (*peer).hang, patient, post(broken(os.ErrDeadlineExceeded)), failure{ClientStalled, sent, touched}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address := dead
			if tt.serve != nil {
				address = listen(t, tt.serve)
			}
			if got := fail(t, newClient(t, tt.options), address, tt.request); got != tt.want {
				t.Errorf("ended as %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAClientThatLeaves(t *testing.T) {
	const sent, touched = true, true
	tests := []struct {
		name   string
		answer string // of the backend before the client leaves
		want   failure
	}{
		{"before the head", "", failure{ClientGone, sent, touched}},
		{"within the head", "HTTP/1.1 200 OK\r\n", failure{ClientGone, sent, touched}},
		// Whose doing this is, the carrier's context tells.
		{"within the body", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", failure{Reset, sent, touched}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			ended := make(chan struct{})
			address := listen(t, func(p *peer) {
				defer close(ended)
				p.head()
				p.in.Discard(len("5\r\nhello\r\n0\r\n\r\n"))
				p.say(tt.answer)
				if tt.want.fault == ClientGone {
					leave()
				}
				_, _ = p.in.ReadByte() // the backend hears of it
			})
			response, err := newClient(t, patient).Send(ctx, address, post(strings.NewReader("hello")))
			if err == nil {
				leave()
				_, err = io.ReadAll(response.Body)
				response.Body.Close()
			}
			if got := failed(t, err); got != tt.want {
				t.Errorf("ended as %v, want %v", got, tt.want)
			}
			<-ended
		})
	}
	t.Run("before the connection", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		leave()
		_, err := newClient(t, patient).Send(ctx, dead, post(untouched(t)))
		if got, want := failed(t, err), (failure{ClientGone, false, false}); got != want {
			t.Errorf("ended as %v, want %v", got, want)
		}
	})
}

func TestAResetWithinTheBody(t *testing.T) {
	begun := make(chan struct{})
	address := listen(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		<-begun
		p.reset()
	})
	response, err := newClient(t, patient).Send(t.Context(), address, get())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	close(begun)
	_, err = io.ReadAll(response.Body)
	if got, want := failed(t, err), (failure{Reset, true, true}); got != want {
		t.Errorf("ended as %v, want %v", got, want)
	}
}

// The time that the client takes between reads is not the backend's stall.
func TestASlowClientIsNotAStalledBackend(t *testing.T) {
	c := newClient(t, hasty)
	released := make(chan struct{})
	address := listen(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")
		<-released
		p.say("late")
	})
	response, err := c.Send(t.Context(), address, get())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.ReadFull(response.Body, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	// As long as a stall would take, and then some.
	fail(t, c, listen(t, (*peer).hang), get())
	fail(t, c, listen(t, (*peer).hang), get())
	close(released)
	if rest, err := io.ReadAll(response.Body); err != nil || string(rest) != "late" {
		t.Errorf("went on with %q, %v", rest, err)
	}
}

// A transport may go on reading a body after it has given up; the next attempt
// has it for itself all the same.
func TestABodyIsTakenBack(t *testing.T) {
	source := strings.NewReader("hello")
	lent := &attemptBody{source: source}
	e := &Error{Fault: Reset, Err: errors.New("reset")}
	lent.settle(e)
	if n, err := lent.Read(make([]byte, 9)); n != 0 || !errors.Is(err, errDetached) {
		t.Errorf("read %d bytes of a body that was taken back, %v", n, err)
	}
	if e.Touched || e.Fault != Reset || source.Len() != 5 {
		t.Errorf("ended as %v with %d bytes left", e, source.Len())
	}
}
