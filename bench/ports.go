package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are sought here: below what kernels use for the near end of outgoing
// connections, of which a run makes tens of thousands.
const (
	firstPort = 20000
	lastPort  = 29999
)

// freeAddresses returns n addresses on loopback that nobody listens on.
func freeAddresses(n int) ([]string, error) {
	return findAddresses(n, rand.IntN(lastPort-firstPort+1), net.Listen)
}

// findAddresses tries all ports in their order from the given one on.
func findAddresses(n, from int, listen func(network, address string) (net.Listener, error)) ([]string, error) {
	const all = lastPort - firstPort + 1
	var found []string
	var last error
	for i := 0; i < all && len(found) < n; i++ {
		port := firstPort + (from+i)%all
		l, err := listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			last = err
			continue
		}
		found = append(found, l.Addr().String())
		l.Close()
	}
	if len(found) < n {
		return nil, errors.Join(fmt.Errorf("no %d free ports from %d to %d", n, firstPort, lastPort), last)
	}
	return found, nil
}
