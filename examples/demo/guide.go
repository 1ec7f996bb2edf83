package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/template"
)

// guideText is what to try once everything runs. Its commands are meant to be
// pasted into a second terminal.
const guideText = `
rota is ready: http://localhost:{{.HTTP}} is spread over three backends that Consul lists.
Try, in another terminal in this folder:

  # each backend in its turn; who is on duty, and why; the same in numbers
  curl localhost:{{.HTTP}}
  curl localhost:{{.HTTP}}/health
  curl localhost:{{.Admin}}/metrics

  # keep this running in a third terminal, and watch what the rest does to it
  while sleep 0.2; do curl -s localhost:{{.HTTP}}; done

  # a fourth backend registers itself and is in at once
  {{.Env}}bin/backend -listen {{.Next}} -id web-4 &

  # {{.Stop.Name}} leaves in good order: no request is lost
  kill {{.Stop.PID}}

  # {{.Kill.Name}} just dies: its requests go elsewhere; and then it comes back
  kill -9 {{.Kill.PID}}
  {{.Env}}bin/backend {{.Kill.Args}} &

  # Consul hangs for a minute: no client notices
  kill -STOP {{.Consul}}; sleep 60; kill -CONT {{.Consul}}

Consul's own view, in a browser: http://localhost:{{.UI}}/ui
BACKEND_PID is one of{{range .Backends}} {{.PID}} ({{.Name}}){{end}}; CONSUL_PID is {{.Consul}}.
What you start yourself, you stop yourself: the two backends above with
  kill %1 %2
Ctrl-C stops everything that was started here.

`

var guideTemplate = template.Must(template.New("guide").Parse(guideText))

// guide prints what to try.
func (d *demo) guide(w io.Writer) {
	type backend struct {
		Name, Args string
		PID        int
	}
	describe := func(i int) backend {
		return backend{d.backends[i].name, strings.Join(d.ports.backendArgs(i), " "), d.backends[i].cmd.Process.Pid}
	}
	var all []backend
	for i := range d.backends {
		all = append(all, describe(i))
	}
	env := ""
	if _, other := os.LookupEnv("CONSUL_HTTP_ADDR"); other || d.ports.consul != 8500 {
		env = "CONSUL_HTTP_ADDR=" + loopback(d.ports.consul) + " "
	}
	guideTemplate.Execute(w, map[string]any{
		"Backends": all,
		"HTTP":     d.ports.http,
		"Admin":    d.ports.admin,
		"UI":       d.ports.consul,
		"Env":      env,
		"Next":     loopback(d.ports.backend + backendCount),
		"Stop":     describe(0),
		"Kill":     describe(1),
		"Consul":   d.consul.cmd.Process.Pid,
	})
}

// terminal is shared by all that have something to say, line by line.
type terminal struct {
	mu sync.Mutex
	w  io.Writer
}

func newTerminal(w io.Writer) *terminal { return &terminal{w: w} }

// Write prints b as a whole.
func (t *terminal) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.w.Write(b)
}

func (t *terminal) say(format string, args ...any) {
	fmt.Fprintf(t, "demo   | "+format+"\n", args...)
}

// prefixed returns a writer of lines under the name of a program.
func (t *terminal) prefixed(name string) io.Writer { return prefixWriter{t, name} }

type prefixWriter struct {
	t    *terminal
	name string
}

func (p prefixWriter) Write(line []byte) (int, error) {
	if _, err := fmt.Fprintf(p.t, "%-6s | %s", p.name, line); err != nil {
		return 0, err
	}
	return len(line), nil
}
