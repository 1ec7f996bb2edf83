// Command bench compares rota's data path with those of its peers, nginx and
// HAProxy, and with a twin made of the standard library: all of them on this
// machine, in one run, in turns, with the same job. It prints tables; what they
// mean is told in docs/performance.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// options are what the command line says.
type options struct {
	plan
	bin string
}

func main() {
	o, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends us at once, and what we started with us
	if err := run(ctx, o, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	var seconds int
	var cases, proxies, kinds string
	var quick bool
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 4, "`times` that everything is measured")
	flags.IntVar(&seconds, "seconds", 1, "`length` of one measurement, whole seconds")
	flags.StringVar(&cases, "cases", "", "`names` with commas between, of get-128, get-16k, get-1m, post-16k, new-conn, idle (default all)")
	flags.StringVar(&proxies, "proxies", "", "`names` of rota, nginx, haproxy, twin (default all)")
	flags.StringVar(&kinds, "variants", "", "`names` of bare (access log off), full (everything on) (default all)")
	flags.BoolVar(&quick, "quick", false, "one round of small requests with everything on, unless other flags say otherwise")
	flags.BoolVar(&o.trace, "syscalls", false, "count system calls, too; needs strace")
	flags.StringVar(&o.bin, "bin", "bin/bench", "`folder` of the programs rota and twin")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if quick {
		for name, value := range map[string]string{"rounds": "1", "cases": scenarios[0].name, "variants": "full"} {
			if !given[name] {
				flags.Set(name, value)
			}
		}
	}
	if o.rounds < 1 || seconds < 1 {
		return o, errors.New("-rounds and -seconds are 1 at least")
	}
	o.each = time.Duration(seconds) * time.Second
	var errs [3]error
	o.scenarios, errs[0] = pick("case", scenarios, func(s scenario) string { return s.name }, cases)
	o.programs, errs[1] = pick("proxy", programs, func(p program) string { return p.name }, proxies)
	o.variants, errs[2] = pick("variant", variants, func(v variant) string { return v.name }, kinds)
	return o, errors.Join(errs[:]...)
}

// run measures and prints. It leaves nothing behind.
func run(ctx context.Context, o options, stdout, stderr io.Writer) (err error) {
	if names := missing(o.plan, o.bin); names != nil {
		return fmt.Errorf("missing: %s; make bench builds and installs them", strings.Join(names, ", "))
	}
	s, err := newStage(ctx, o.bin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := describe(ctx, o.plan, o.bin, stdout); err != nil {
		return err
	}
	r := newRunner(o.plan, s, stderr)
	if err := r.run(ctx); err != nil {
		return err
	}
	r.report(stdout)
	// The tables are printed all the same: they show how much is in doubt.
	if r.faults != nil {
		return errors.New("requests failed: some of the figures are doubtful")
	}
	return nil
}
