package main

import (
	"fmt"
	"slices"
	"strings"
)

// connections is how many connections load a proxy at once. It keeps every
// proxy busy, and is far below what would make one queue for descriptors.
const connections = 64

// idleConnections is how many connections are held open to see what one costs.
const idleConnections = 4000

// scenario is one kind of traffic.
type scenario struct {
	name   string // on the command line
	title  string // in the report
	method string
	path   string
	body   int  // bytes of the request's body
	fresh  bool // a new connection for each request
	idle   bool // no traffic: what connections cost that wait
	status int
	answer int // bytes of the answer's body
}

// The sizes: a small answer, where all cost is per request; one that fits
// socket buffers; and one that doesn't, where all cost is in moving bytes.
const (
	small  = 128
	middle = 16 << 10
	large  = 1 << 20
)

var scenarios = []scenario{
	{name: "get-128", title: "GET, 128 B", method: "GET", path: "/128", status: 200, answer: small},
	{name: "get-16k", title: "GET, 16 KB", method: "GET", path: "/16k", status: 200, answer: middle},
	{name: "get-1m", title: "GET, 1 MB", method: "GET", path: "/1m", status: 200, answer: large},
	{name: "post-16k", title: "POST, 16 KB", method: "POST", path: "/post", body: middle, status: 204},
	{name: "new-conn", title: "GET, 128 B, a new connection for each", method: "GET", path: "/128", fresh: true,
		status: 200, answer: small},
	{name: "idle", title: fmt.Sprintf("Memory, %d idle connections", idleConnections), method: "GET", path: "/128",
		idle: true, status: 200, answer: small},
}

// request returns the bytes that ask for the scenario's answer.
func (s scenario) request(host string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", s.method, s.path, host)
	if s.fresh {
		b.WriteString("Connection: close\r\n")
	}
	if s.body > 0 {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", s.body)
	}
	b.WriteString("\r\n")
	b.WriteString(strings.Repeat("x", s.body))
	return []byte(b.String())
}

// variant is how much a proxy does beside forwarding.
type variant struct {
	name  string // on the command line
	title string // in the report
	full  bool
}

var variants = []variant{
	{name: "bare", title: "access log off"},
	{name: "full", title: "everything on", full: true},
}

// pick returns the items that a list of names on the command line asks for, in
// their own order; "" asks for all.
func pick[T any](what string, all []T, name func(T) string, list string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	var picked []T
	wanted := strings.Split(list, ",")
	for _, item := range all {
		if i := slices.Index(wanted, name(item)); i >= 0 {
			picked = append(picked, item)
			wanted = slices.Delete(wanted, i, i+1)
		}
	}
	if len(wanted) > 0 {
		var names []string
		for _, item := range all {
			names = append(names, name(item))
		}
		return nil, fmt.Errorf("no %s %q; there are %s", what, wanted[0], strings.Join(names, ", "))
	}
	return picked, nil
}
