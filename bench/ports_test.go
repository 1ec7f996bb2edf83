package main

import (
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
)

// fakeListener is a listener that only has an address.
type fakeListener struct {
	net.Listener
	address string
	closed  *int
}

func (l fakeListener) Addr() net.Addr {
	a, _ := net.ResolveTCPAddr("tcp", l.address)
	return a
}

func (l fakeListener) Close() error { *l.closed++; return nil }

func TestFindAddresses(t *testing.T) {
	const last = lastPort - firstPort
	tests := []struct {
		name  string
		n     int
		from  int
		taken func(address string) bool
		want  []string
	}{
		{"all free", 2, 0, func(string) bool { return false }, []string{"127.0.0.1:20000", "127.0.0.1:20001"}},
		{"one taken", 2, 5, func(a string) bool { return a == "127.0.0.1:20006" }, []string{"127.0.0.1:20005", "127.0.0.1:20007"}},
		{"over the end", 2, last, func(string) bool { return false }, []string{"127.0.0.1:29999", "127.0.0.1:20000"}},
		{"one free", 1, 7, func(a string) bool { return a != "127.0.0.1:20003" }, []string{"127.0.0.1:20003"}},
		{"too few free", 2, 7, func(a string) bool { return a != "127.0.0.1:20003" }, nil},
	}
	for _, tt := range tests {
		opened, closed := 0, 0
		got, err := findAddresses(tt.n, tt.from, func(_, address string) (net.Listener, error) {
			if tt.taken(address) {
				return nil, syscall.EADDRINUSE
			}
			opened++
			return fakeListener{address: address, closed: &closed}, nil
		})
		if !slices.Equal(got, tt.want) || (err == nil) != (tt.want != nil) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("%s: the error %v does not say why", tt.name, err)
		}
		if opened != closed {
			t.Errorf("%s: %d ports are held still", tt.name, opened-closed)
		}
	}
}

func TestFreeAddresses(t *testing.T) {
	addresses, err := freeAddresses(5)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(addresses)
	if n := len(slices.Compact(addresses)); n != 5 {
		t.Errorf("%d different ones, want 5", n)
	}
	for _, a := range addresses {
		l, err := net.Listen("tcp", a)
		if err != nil {
			t.Error(err)
			continue
		}
		l.Close()
	}
}
