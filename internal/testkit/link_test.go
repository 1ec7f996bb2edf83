package testkit

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// ask sends a request and tells whether an answer came while a moment passed.
func answered(c *Client) bool {
	_ = c.SetDeadline(time.Now().Add(clientLimit))
	c.Say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	_, err := c.Answer("GET")
	return err == nil
}

// silent tells whether nothing comes for a moment, not even an end.
func silent(c *Client) bool {
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	_, err := c.wire.in.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

func TestLink(t *testing.T) {
	b := StartBackend(t)
	k := StartLink(t, b.Addr())
	old := Dial(t, k.Addr())
	if !answered(old) {
		t.Fatal("no answer through an open link")
	}
	if flows := k.Flows(time.Time{}); len(flows) != 1 || flows[0].Bytes == 0 || flows[0].Ended.Before(flows[0].Began) {
		t.Errorf("after one answer there are %+v", flows)
	}
	k.Cut()
	k.Cut()
	const request = "GET /held HTTP/1.1\r\nHost: x\r\n\r\n"
	old.Say(request)
	late := Dial(t, k.Addr())
	late.Say(request)
	if !silent(old) || !silent(late) {
		t.Fatal("something came through a link that is cut")
	}
	if n := len(b.Seen()); n != 1 {
		t.Fatalf("%d requests came through, want the first alone", n)
	}
	k.Mend(false)
	for _, c := range []*Client{old, late} {
		_ = c.SetDeadline(time.Now().Add(clientLimit))
		if m, err := c.Answer("GET"); err != nil || m.Body != "GET /held" {
			t.Errorf("what was held back is answered by %v, %v", m, err)
		}
	}
}

func TestLinkForgets(t *testing.T) {
	b := StartBackend(t)
	k := StartLink(t, b.Addr())
	old := Dial(t, k.Addr())
	if !answered(old) {
		t.Fatal("no answer through an open link")
	}
	k.Cut()
	old.Say("GET /lost HTTP/1.1\r\nHost: x\r\n\r\n")
	if !silent(old) {
		t.Fatal("something came through a link that is cut")
	}
	k.Mend(true)
	if !silent(old) {
		t.Error("a forgotten connection says something")
	}
	if c := Dial(t, k.Addr()); !answered(c) {
		t.Error("a new connection has no answer")
	}
	for _, s := range b.Seen() {
		if s.Target == "/lost" {
			t.Error("what was said on a forgotten connection arrived")
		}
	}
}

func TestLinkToNobody(t *testing.T) {
	b := StartBackend(t)
	address := b.Addr()
	b.listener.Close()
	c, err := net.Dial("tcp", StartLink(t, address).Addr())
	if err == nil { // else it ended before that was told
		defer c.Close()
		if err = c.SetDeadline(time.Now().Add(clientLimit)); err != nil {
			t.Fatal(err)
		}
		_, err = c.Read(make([]byte, 1))
	}
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want an end (%v or a reset)", err, io.EOF)
	}
}
