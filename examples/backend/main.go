// Command backend is a sample HTTP service that looks after its own place in
// Consul: it registers itself with a health check, registers again when Consul
// has forgotten it, and leaves the service before it stops, so that nobody is
// sent to a closed door.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hashicorp/consul/api"
)

// finishLimit is how long requests in flight may take once the listener is
// closed: what is left of the ten seconds that Docker grants.
const finishLimit = 8 * time.Second

// options is what the command line and the environment decide.
type options struct {
	listen    string
	id        string
	service   string
	advertise string        // the host that others reach us by; "" finds out
	drain     time.Duration // between leaving Consul and closing the listener
}

func main() {
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	opts, err := parseOptions(os.Args[1:], os.Getenv, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts, api.DefaultConfig(), log); err != nil {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func parseOptions(args []string, getenv func(string) string, stderr io.Writer) (options, error) {
	var o options
	env := func(name, otherwise string) string { return cmp.Or(getenv(name), otherwise) }
	flags := flag.NewFlagSet("backend", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.listen, "listen", env("BACKEND_LISTEN", ":8081"), "`address` to serve on; port 0 takes any that is free ($BACKEND_LISTEN)")
	flags.StringVar(&o.id, "id", env("BACKEND_ID", ""), "our `name`, also in Consul ($BACKEND_ID; default HOSTNAME-PORT)")
	flags.StringVar(&o.service, "service", env("BACKEND_SERVICE", "web"), "`name` of the service to join ($BACKEND_SERVICE)")
	flags.StringVar(&o.advertise, "advertise", env("BACKEND_ADVERTISE", ""), "`host` that others reach us by ($BACKEND_ADVERTISE; default the one to listen on, or else the one that reaches Consul)")
	flags.DurationVar(&o.drain, "drain", 500*time.Millisecond, "`time` to go on serving after leaving Consul")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("what is %q? There are only flags", flags.Arg(0))
		fmt.Fprintln(stderr, err)
		return o, err
	}
	return o, nil
}

// run serves until ctx ends and then leaves in order: first Consul, then, when
// those who watch it have had time to notice, the network.
func run(ctx context.Context, o options, consul *api.Config, log *slog.Logger) error {
	client, err := api.NewClient(consul)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	if o.id == "" {
		host, err := os.Hostname()
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		o.id = fmt.Sprintf("%s-%d", host, port)
	}
	member := &member{
		agent:   client.Agent(),
		id:      o.id,
		service: o.service,
		host:    func() (string, error) { return advertised(o, consul.Address) },
		port:    port,
		log:     log,
	}
	server := &http.Server{Handler: handler(o.id), ReadHeaderTimeout: 10 * time.Second}
	return serve(ctx, o.drain, listener, server, member, log)
}

// advertised is the host under which others can reach us.
func advertised(o options, consul string) (string, error) {
	if o.advertise != "" {
		return o.advertise, nil
	}
	host, _, err := net.SplitHostPort(o.listen)
	if ip := net.ParseIP(host); err == nil && host != "" && !ip.IsUnspecified() {
		return host, nil
	}
	return hostTowards(consul)
}
