// Command rota is a load balancer that always knows who is on duty.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/rota-lb/rota/config"
	"github.com/rota-lb/rota/socket"
)

// version is set at build time: -ldflags "-X main.version=1.2.3".
var version = "dev"

// Exit codes, as the contract has them.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

const usage = `rota is a load balancer that always knows who is on duty.

Usage:
  rota [run] [--config FILE]        serve until SIGTERM or SIGINT; SIGHUP reloads,
                                    SIGUSR2 hands over to the program anew
  rota reload [--admin ADDR]        have the rota at ADDR take its file anew
  rota validate [--config FILE]     check a configuration and say what is wrong
  rota healthcheck [--admin ADDR]   exit 0 when the rota at ADDR is ready
  rota version                      print the version

FILE is ./config.hcl unless given, ADDR 127.0.0.1:9080.
`

func main() { os.Exit(command(os.Args[1:], os.Stdout, os.Stderr)) }

// command runs one command line and returns its exit code.
func command(args []string, stdout, stderr io.Writer) int {
	name := "run"
	if len(args) > 0 && (args[0] == "" || args[0][0] != '-') {
		name, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("rota "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprint(stderr, usage) }
	var action func() int
	switch name {
	case "run":
		file := flags.String("config", "config.hcl", "configuration `file`")
		action = func() int { return run(*file, stderr) }
	case "validate":
		file := flags.String("config", "config.hcl", "configuration `file`")
		action = func() int { return validate(*file, stdout, stderr) }
	case "reload":
		address := flags.String("admin", "127.0.0.1:9080", "`address` of the admin listener")
		action = func() int { return reload(*address, stdout, stderr) }
	case "healthcheck":
		address := flags.String("admin", "127.0.0.1:9080", "`address` of the admin listener")
		action = func() int { return healthcheck(*address, stderr) }
	case "version":
		action = func() int { fmt.Fprintln(stdout, "rota", version); return exitDone }
	case "help":
		action = func() int { fmt.Fprint(stdout, usage); return exitDone }
	default:
		fmt.Fprintf(stderr, "rota: unknown command %q\n\n%s", name, usage)
		return exitUsage
	}
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitDone
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "rota %s: unexpected argument %q\n\n%s", name, flags.Arg(0), usage)
		return exitUsage
	}
	return action()
}

func run(file string, stderr io.Writer) int {
	// Before anything else, since such a signal ends a process that does not
	// expect it.
	orders := make(chan os.Signal, 8)
	signal.Notify(orders, orderSignals...)
	defer signal.Stop(orders)
	h, err := inherit()
	if err != nil {
		fmt.Fprintln(stderr, "rota:", err)
		return exitFailed
	}
	c, err := config.Load(file)
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	logger := newLogs(c.Log, stderr)
	adoptStandardLog(logger)
	tellLimits(socket.Descriptors(), socket.Gathers(), logger)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	p, err := wire(ctx, file, c, logger, h)
	if err != nil {
		fmt.Fprintln(stderr, "rota:", err)
		return exitFailed
	}
	if err := p.run(ctx, orders); err != nil {
		logger.Error("stopped", "error", err)
		return exitFailed
	}
	logger.Info("stopped")
	return exitDone
}

func validate(file string, stdout, stderr io.Writer) int {
	if _, err := config.Load(file); err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	fmt.Fprintf(stdout, "%s is valid\n", file)
	return exitDone
}

func healthcheck(address string, stderr io.Writer) int {
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get(adminURL(address, "/health/ready"))
	if err != nil {
		fmt.Fprintln(stderr, "rota healthcheck:", unanswered(address, err))
		return exitFailed
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		_, _ = io.Copy(stderr, io.LimitReader(response.Body, 64<<10))
		return exitFailed
	}
	return exitDone
}

// adminURL returns the URL of a path on admin, whose address people give as host:port
// or copy from a browser.
func adminURL(address, path string) string {
	return "http://" + strings.TrimSuffix(strings.TrimPrefix(address, "http://"), "/") + path
}

// unanswered says what to do where nobody answers on admin.
func unanswered(address string, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("nobody answers at %s (connection refused): is rota running? where its admin block has another address, give that with --admin", address)
	}
	return err
}
