package proxy

import (
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"github.com/rota-lb/rota/internal/testkit"
)

// A client that uses a connection again at the very moment of a stop is answered,
// and told that this was the last time.
func TestAStopMeetsTheNextRequest(t *testing.T) {
	r := newRig(t, Options{IdleTimeout: time.Minute}, limits, backend(t, ok("fine")))
	client := testkit.Dial(t, r.Addr().String())
	client.Say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if m, err := client.Answer("GET"); err != nil || m.Body != "fine" {
		t.Fatalf("answered %+v, %v", m, err)
	}
	down := make(chan error, 1)
	go func() { down <- r.Shutdown(t.Context(), atOnce) }()
	for { // until the order is known
		conn, err := net.Dial("tcp", r.Addr().String())
		if err != nil {
			break
		}
		conn.Close()
	}
	client.Say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	if m, err := client.Answer("POST"); err != nil || m.Status != 200 || m.Get("Connection") != "close" {
		t.Errorf("answered %+v, %v", m, err)
	}
	if rest, err := client.Rest(); rest != "" || err != nil {
		t.Errorf("then comes %q, %v", rest, err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// Where nobody is in a hurry, a client that is silent for longer than a second may ask
// once more. When all have, the stop is over.
func TestAStopInNoHurry(t *testing.T) {
	r := newRig(t, Options{IdleTimeout: time.Minute}, limits, backend(t, ok("fine")))
	client, other := testkit.Dial(t, r.Addr().String()), testkit.Dial(t, r.Addr().String())
	for _, c := range []*testkit.Client{client, other} {
		c.Say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		if m, err := c.Answer("GET"); err != nil || m.Get("Connection") != "" {
			t.Fatalf("answered %+v, %v", m, err)
		}
	}
	down := make(chan error, 1)
	go func() { down <- r.Shutdown(t.Context(), t.Context()) }()
	_ = client.SetReadDeadline(time.Now().Add(2 * lingering))
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("while it is silent: %v", err)
	}
	_ = client.SetReadDeadline(time.Time{})
	for _, c := range []*testkit.Client{client, other} {
		c.Say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
		if m, err := c.Answer("POST"); err != nil || m.Status != 200 || m.Get("Connection") != "close" {
			t.Errorf("answered %+v, %v", m, err)
		}
		if rest, err := c.Rest(); rest != "" || err != nil {
			t.Errorf("then comes %q, %v", rest, err)
		}
		c.Close()
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// Who is at the door of a listener that is given up before it has served anybody is
// answered like anybody at a stop.
func TestAStopBeforeTheStart(t *testing.T) {
	served := newRig(t, Options{}, limits, backend(t, ok("fine")))
	o := *served.options()
	server, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	client := testkit.Dial(t, server.Addr().String())
	client.Say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	down := make(chan error, 1)
	go func() { down <- server.Shutdown(t.Context(), atOnce) }()
	if m, err := client.Answer("GET"); err != nil || m.Body != "fine" || m.Get("Date") == "" {
		t.Errorf("answered %+v, %v", m, err)
	}
	if err := <-down; err != nil {
		t.Error(err)
	}
}

// Who stays silent does not hold up a stop for long.
func TestAStopDoesNotWaitForTheSilent(t *testing.T) {
	r := newRig(t, Options{IdleTimeout: time.Minute}, limits, backend(t, ok("fine")))
	fresh, used := testkit.Dial(t, r.Addr().String()), testkit.Dial(t, r.Addr().String())
	used.Say("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if m, err := used.Answer("GET"); err != nil || m.Body != "fine" {
		t.Fatalf("answered %+v, %v", m, err)
	}
	if err := r.Shutdown(t.Context(), atOnce); err != nil {
		t.Error(err)
	}
	for _, c := range []*testkit.Client{fresh, used} {
		if rest, err := c.Rest(); rest != "" || err != nil {
			t.Errorf("there comes %q, %v", rest, err)
		}
	}
}
