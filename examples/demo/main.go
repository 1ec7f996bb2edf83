// Command demo shows rota at work on one machine: it builds what is missing,
// starts a Consul agent, three sample backends and rota in front of them, says
// what to try, and takes all of it down again.
//
// Usage: make demo [ARGS="--port 8090 ..."]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"syscall"
	"time"
)

// readyLimit is how long a program may take from its start to its ready line.
const readyLimit = 30 * time.Second

// The kernel ends our children when the thread that started them ends, and the
// main thread alone is sure to live as long as we do.
func init() { runtime.LockOSThread() }

func main() {
	p, err := parsePorts(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	// A reader that goes away, as in "make demo | head", stops us like Ctrl-C.
	ctx, stop := signal.NotifyContext(context.Background(),
		os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGPIPE)
	defer stop()
	d := &demo{ports: p, out: newTerminal(os.Stdout)}
	err = d.run(ctx)
	if err := errors.Join(err, d.stop()); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is what has been started so far.
type demo struct {
	ports    ports
	out      *terminal
	consul   *process
	backends []*process
	rota     *process
	written  string // a configuration to be removed at the end
}

// run builds, starts and shows everything, and returns when ctx ends or rota
// does. What it has started goes on; see stop.
func (d *demo) run(ctx context.Context) error {
	if _, err := os.Stat("examples/demo"); err != nil {
		return errors.New("start it in the top folder of the sources, with: make demo")
	}
	if err := d.ports.check(); err != nil {
		return err
	}
	d.out.say("looking for Consul; the first time, it may have to be built")
	consul, err := output(ctx, os.Stderr, "scripts/consul.sh")
	if err != nil {
		return interrupted(ctx, err)
	}
	d.out.say("building rota and the sample backend")
	// As everybody builds them: with the version in it, above all.
	if _, err := output(ctx, os.Stderr, "make", "-s", "build"); err != nil {
		return interrupted(ctx, err)
	}
	if err := d.start(ctx, consul); err != nil {
		return interrupted(ctx, err)
	}
	d.guide(d.out)
	select {
	case <-ctx.Done():
		return nil
	case <-d.rota.done:
		return fmt.Errorf("rota has ended by itself: %v", d.rota.cmd.ProcessState)
	}
}

// interrupted leaves out the error of a step that ctx has cut short.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// start brings up Consul, then the backends, then rota, each when those before
// it are ready.
func (d *demo) start(ctx context.Context, consul string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	env := d.ports.environment(os.Environ())
	args, err := d.ports.consulArgs()
	if err != nil {
		return err
	}

	d.out.say("starting Consul on port %d", d.ports.consul)
	d.consul = newProcess("consul", "cluster leadership acquired", io.Discard)
	if err := d.consul.start(env, consul, args...); err != nil {
		return err
	}
	if err := d.consul.awaitReady(ctx); err != nil {
		return err
	}

	for i := range backendCount {
		name := backendName(i)
		d.out.say("starting %s on port %d", name, d.ports.backend+i)
		b := newProcess(name, "msg=registered", d.out.prefixed(name))
		if err := b.start(env, backendBinary, d.ports.backendArgs(i)...); err != nil {
			return err
		}
		d.backends = append(d.backends, b)
	}
	for _, b := range d.backends {
		if err := b.awaitReady(ctx); err != nil {
			return err
		}
	}

	d.out.say("starting rota on port %d", d.ports.http)
	config, err := d.config()
	if err != nil {
		return err
	}
	d.rota = newProcess("rota", "rota: ready", d.out.prefixed("rota"))
	if err := d.rota.start(env, "bin/rota", "run", "--config", config); err != nil {
		return err
	}
	return d.rota.awaitReady(ctx)
}

// stop ends what runs, in the order in which nobody misses it: rota while its
// backends still answer, the backends while Consul still takes their leave.
// A second signal ends it all at once.
func (d *demo) stop() error {
	if d.consul == nil {
		return nil
	}
	signal.Ignore(syscall.SIGPIPE)
	hurry, release := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer release()
	d.out.say("stopping; once more Ctrl-C to do it at once")
	err := errors.Join(
		stopAll(hurry, 35*time.Second, d.rota), // it grants requests 30 s
		stopAll(hurry, 12*time.Second, d.backends...),
		stopAll(hurry, 5*time.Second, d.consul),
	)
	if d.written != "" {
		err = errors.Join(err, os.Remove(d.written))
	}
	return err
}

// shippedAddress is where the shipped configuration says that rota listens.
var shippedAddress = regexp.MustCompile(`(?m)^(\s*address\s*=\s*)":8080"`)

// config returns the path of the shipped configuration, or of a copy with our
// port.
func (d *demo) config() (string, error) {
	const shipped = "config.hcl"
	if d.ports.http == 8080 {
		return shipped, nil
	}
	text, err := os.ReadFile(shipped)
	if err != nil {
		return "", err
	}
	if len(shippedAddress.FindAll(text, -1)) != 1 {
		return "", fmt.Errorf("%s has not the one line that says address = \":8080\"; leave out --port", shipped)
	}
	text = shippedAddress.ReplaceAll(text, fmt.Appendf(nil, `${1}":%d"`, d.ports.http))
	d.written = fmt.Sprintf("bin/demo-%d.hcl", d.ports.http)
	return d.written, os.WriteFile(d.written, text, 0o644)
}
