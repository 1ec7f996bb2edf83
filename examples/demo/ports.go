package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
)

const (
	backendCount  = 3
	backendBinary = "bin/backend"
)

// ports are those that the demo serves on.
type ports struct {
	http    int // rota
	admin   int // rota's own pages
	consul  int // Consul's HTTP API and UI
	backend int // the first backend; the others follow it
}

func parsePorts(args []string, stderr io.Writer) (ports, error) {
	var p ports
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&p.http, "port", 8080, "`port` of rota")
	flags.IntVar(&p.admin, "admin-port", 9080, "`port` of rota's metrics and health")
	flags.IntVar(&p.consul, "consul-port", 8500, "`port` of Consul")
	flags.IntVar(&p.backend, "backend-port", 8081, "first `port` of the three backends")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("what is %q? There are only flags", flags.Arg(0))
		fmt.Fprintln(stderr, err)
		return p, err
	}
	if err := p.inRange(); err != nil {
		fmt.Fprintln(stderr, err)
		return p, err
	}
	return p, nil
}

// flagValue is a flag and the port that it sets.
type flagValue struct {
	flag string
	port *int
	last int // the highest that it may be
}

func (p *ports) flags() []flagValue {
	const highest = 65535
	return []flagValue{
		{"--port", &p.http, highest},
		{"--admin-port", &p.admin, highest},
		{"--consul-port", &p.consul, highest},
		{"--backend-port", &p.backend, highest + 1 - backendCount},
	}
}

// inRange names the ports that are none. Port 0 would be any: nobody could say
// beforehand what to try.
func (p ports) inRange() error {
	var wrong []error
	for _, f := range p.flags() {
		if *f.port < 1 || *f.port > f.last {
			wrong = append(wrong, fmt.Errorf("%s %d: give a number from 1 to %d", f.flag, *f.port, f.last))
		}
	}
	return errors.Join(wrong...)
}

// listener is one address that a program of the demo is going to serve on.
type listener struct {
	address string
	owner   string
	flag    string // the one that moves it elsewhere
}

func (p ports) listeners() []listener {
	all := []listener{
		{fmt.Sprintf(":%d", p.http), "rota", "--port"},
		{loopback(p.admin), "rota's admin pages", "--admin-port"},
		{loopback(p.consul), "Consul", "--consul-port"},
	}
	for i := range backendCount {
		all = append(all, listener{loopback(p.backend + i), backendName(i), "--backend-port"})
	}
	return all
}

// check names every address that can't be had, and what to do about them all.
func (p ports) check() error {
	taken, move := p.conflicts()
	if taken == nil {
		return nil
	}
	if other, ok := p.others(move); ok {
		taken = append(taken, fmt.Errorf("free what is taken, or use ports that are free just now:\n\tmake demo ARGS=%q", other.arguments()))
	}
	return errors.Join(taken...)
}

// conflicts returns what is wrong with each address that can't be had, and the
// flags that would move those elsewhere.
func (p ports) conflicts() (taken []error, move []string) {
	var owners []string
	for _, l := range p.listeners() {
		_, port, _ := net.SplitHostPort(l.address)
		if slices.Contains(owners, port) {
			taken = append(taken, fmt.Errorf("port %s is wanted twice: give %s another with %s", port, l.owner, l.flag))
			move = append(move, l.flag)
			continue
		}
		owners = append(owners, port)
		probe, err := net.Listen("tcp", l.address)
		if err != nil {
			taken = append(taken, fmt.Errorf("port %s, for %s, can't be had: %w", port, l.owner, reason(err)))
			move = append(move, l.flag)
			continue
		}
		probe.Close()
	}
	return taken, move
}

// others returns ports of which all can be had, by moving those of some flags
// up.
func (p ports) others(move []string) (other ports, ok bool) {
	const step, tries = 10, 100
	for range tries {
		for _, f := range p.flags() {
			if slices.Contains(move, f.flag) {
				*f.port += step
			}
		}
		if p.inRange() != nil {
			break
		}
		var taken []error
		if taken, move = p.conflicts(); taken == nil {
			return p, true
		}
	}
	return p, false
}

// arguments is how the ports are asked for.
func (p ports) arguments() string {
	var args []string
	for _, f := range p.flags() {
		args = append(args, f.flag, strconv.Itoa(*f.port))
	}
	return strings.Join(args, " ")
}

// reason is what the system said, without our own call around it.
func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// environment is base without what points to some other Consul, and with what
// leads every program to ours.
func (p ports) environment(base []string) []string {
	env := slices.DeleteFunc(slices.Clone(base), func(v string) bool {
		return strings.HasPrefix(v, "CONSUL_") || strings.HasPrefix(v, "ROTA_") || strings.HasPrefix(v, "BACKEND_")
	})
	return append(env, "CONSUL_HTTP_ADDR="+loopback(p.consul), "ROTA_ADMIN_ADDRESS="+loopback(p.admin))
}

// consulArgs starts an agent in memory that takes no port by habit: of those
// it needs among servers, any will do.
func (p ports) consulArgs() ([]string, error) {
	args := []string{"agent", "-dev", "-node=demo", "-bind=127.0.0.1", "-client=127.0.0.1",
		"-http-port=" + strconv.Itoa(p.consul),
		"-dns-port=-1", "-grpc-port=-1", "-grpc-tls-port=-1", "-serf-wan-port=-1"}
	for _, name := range []string{"-server-port", "-serf-lan-port"} {
		l, err := net.Listen("tcp", loopback(0))
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before both are known: they must differ
		args = append(args, fmt.Sprintf("%s=%d", name, l.Addr().(*net.TCPAddr).Port))
	}
	return args, nil
}

func (p ports) backendArgs(i int) []string {
	return []string{"-listen", loopback(p.backend + i), "-id", backendName(i)}
}

func backendName(i int) string { return fmt.Sprintf("web-%d", i+1) }

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
