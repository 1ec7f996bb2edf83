package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// program is something that forwards requests.
type program struct {
	name string // on the command line and in the report
	peer bool   // all are compared with it
	own  bool   // it is built here, and not on the PATH
	// args writes what the program needs into its folder and returns the
	// arguments that make it do the job.
	args    func(setup) ([]string, error)
	version string // the argument that makes it tell its version
}

var programs = []program{
	{name: "rota", own: true, args: rotaArgs, version: "version"},
	{name: "nginx", peer: true, args: nginxArgs("nginx.conf"), version: "-v"},
	{name: "haproxy", peer: true, args: haproxyArgs, version: "-v"},
	{name: "twin", own: true, args: twinArgs, version: "-version"},
}

// backend is what they all forward to.
var backend = program{name: "nginx", args: nginxArgs("backend.conf")}

// binary is how the program is called. bin is the folder of our own.
func (p program) binary(bin string) string {
	if p.own {
		return filepath.Join(bin, p.name)
	}
	return p.name
}

// tellVersion returns the first line of what the program says that it is.
func (p program) tellVersion(ctx context.Context, bin string) (string, error) {
	text, err := output(ctx, p.binary(bin), p.version)
	return firstLine(text), err
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(line)
}

// launch starts the program in its setup.
func (p program) launch(bin string, s setup) (*process, error) {
	args, err := p.args(s)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.binary(bin), args...)
	if p.name == "haproxy" && s.Full {
		// It writes no files: its lines come on standard output.
		log, err := os.OpenFile(accessLog(s.Dir), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
		defer log.Close() // the child has it
		cmd.Stdout = log
	}
	return start(p.name, s.Dir, cmd)
}

func rotaArgs(s setup) ([]string, error) {
	config, err := s.write("rota.hcl")
	return []string{"run", "--config", config}, err
}

func nginxArgs(template string) func(setup) ([]string, error) {
	return func(s setup) ([]string, error) {
		config, err := s.write(template)
		return []string{"-p", s.Dir, "-e", "stderr", "-c", config}, err
	}
}

func haproxyArgs(s setup) ([]string, error) {
	config, err := s.write("haproxy.cfg")
	return []string{"-db", "-f", config}, err // -db: stay in the foreground
}

func twinArgs(s setup) ([]string, error) {
	args := []string{"-listen", s.Address, "-backends", strings.Join(s.Backends, ",")}
	if s.Full {
		args = append(args, "-access-log", accessLog(s.Dir), "-admin", s.Admin)
	}
	return args, nil
}

// accessLog is where every program writes its lines.
func accessLog(dir string) string { return filepath.Join(dir, "access.log") }
