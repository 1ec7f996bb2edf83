package proxy

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nowhere is an address where connections are neither accepted nor refused, as
// with a host that is gone: a listener whose queue is full.
func nowhere(t *testing.T) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		t.Cleanup(func() { syscall.Close(fd) })
		err = errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)
	for range 100 {
		conn, err := net.DialTimeout("tcp", address, 100*time.Millisecond)
		if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
			return address
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
	t.Skip("the queue of a listener has no end here")
	return ""
}

// A connection that goes nowhere is given up, and any request goes elsewhere,
// since nothing of it was sent; with nobody left it is told as what it was.
func TestAConnectionThatGoesNowhere(t *testing.T) {
	gone, short := nowhere(t), limits
	short.Connect = 100 * time.Millisecond
	for _, method := range []string{"GET", "POST"} {
		r := newRig(t, Options{}, short, gone, backend(t, ok("fine")))
		if response, body := r.do(t, method, "/", strings.NewReader("a body")); response.StatusCode != 200 || body != "fine" {
			t.Errorf("%s: answered %d %q", method, response.StatusCode, body)
		}
		if left := r.service.stats.budget.left.Load(); left < 100*price-price/2 {
			t.Errorf("%s: it was paid for: %d left", method, left/price)
		}
		r.finish(t)
		if _, failures := nth(r.service, 0).Totals(); failures != 1 {
			t.Errorf("%s: %d failures", method, failures)
		}
		r = newRig(t, Options{}, short, gone)
		if response, body := r.do(t, method, "/", nil); response.StatusCode != 504 || !strings.Contains(body, "could be reached in time") {
			t.Errorf("%s: answered %d %q with nobody left", method, response.StatusCode, body)
		}
	}
}

// While a connection goes nowhere, a request that may be hedged is.
func TestAConnectionThatGoesNowhereIsHedged(t *testing.T) {
	long := limits
	long.Connect = time.Minute
	r := newRigOf(t, Options{}, long, hedged(onDuty(nowhere(t), backend(t, ok("fine")))))
	if response, body := r.do(t, "GET", "/", nil); response.StatusCode != 200 || body != "fine" {
		t.Errorf("answered %d %q", response.StatusCode, body)
	}
	r.finish(t) // nor does anybody go on waiting for it
	if won := r.service.stats.hedgesWon.Load(); won != 1 {
		t.Errorf("%d hedges were won", won)
	}
}
