package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rota-lb/rota/config"
)

// sample is a setup with everything set.
func sample(t *testing.T, full bool) setup {
	t.Helper()
	return setup{
		Dir: t.TempDir(), Address: "127.0.0.1:20001", Admin: "127.0.0.1:20002",
		Backends: []string{"127.0.0.1:20003", "127.0.0.1:20004"}, Full: full, Workers: 3, Files: files,
		Root: os.Geteuid() == 0,
	}
}

func render(t *testing.T, s setup, name string) string {
	t.Helper()
	path, err := s.write(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What makes the variants different, and what must never be.
func TestConfigs(t *testing.T) {
	tests := []struct {
		name         string
		always, full []string
	}{
		{"rota.hcl",
			[]string{`address = "127.0.0.1:20001"`, `urls = ["http://127.0.0.1:20003", "http://127.0.0.1:20004", ]`, `"60s"`},
			[]string{`format = "combined"`, `/access.log"`, `address = "127.0.0.1:20002"`, `path     = "/health"`, `interval = "2s"`}},
		{"nginx.conf",
			[]string{"worker_processes 3;", "listen 127.0.0.1:20001 ", "server 127.0.0.1:20003;", "server 127.0.0.1:20004;",
				"keepalive 256;", "X-Forwarded-For ", "X-Forwarded-Proto ", "X-Forwarded-Host ", "Via "},
			[]string{"/access.log combined", "stub_status", "listen 127.0.0.1:20002;"}},
		{"haproxy.cfg",
			[]string{"nbthread 3 ", "bind 127.0.0.1:20001 ", "backend0 127.0.0.1:20003", "backend1 127.0.0.1:20004",
				"http-reuse always", "X-Forwarded-For ", "X-Forwarded-Proto ", "X-Forwarded-Host ", "Via "},
			[]string{"log stdout", "log-format", "check inter 2s", "httpchk GET /health", "bind 127.0.0.1:20002", "prometheus-exporter"}},
		{"backend.conf",
			[]string{"worker_processes 1;", "listen 127.0.0.1:20001 ", `"` + strings.Repeat("x", small) + `"`, "access_log off;"}, nil},
	}
	for _, tt := range tests {
		bare, full := render(t, sample(t, false), tt.name), render(t, sample(t, true), tt.name)
		for _, want := range tt.always {
			if !strings.Contains(bare, want) || !strings.Contains(full, want) {
				t.Errorf("%s: %q is not in both variants", tt.name, want)
			}
		}
		for _, want := range tt.full {
			if !strings.Contains(full, want) {
				t.Errorf("%s: %q is not there with everything on:\n%s", tt.name, want, full)
			}
			if strings.Contains(bare, want) {
				t.Errorf("%s: %q is there though it should be off:\n%s", tt.name, want, bare)
			}
		}
	}
}

func TestConfigOfRotaIsValid(t *testing.T) {
	for _, full := range []bool{false, true} {
		text := render(t, sample(t, full), "rota.hcl")
		c, err := config.Parse("rota.hcl", []byte(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if (c.AccessLog != nil) != full || (c.Admin.Address != "") != full {
			t.Errorf("full is %v: access log %v, admin %q", full, c.AccessLog, c.Admin.Address)
		}
	}
}

// The peers read their configurations without a complaint.
func TestConfigsOfPeersAreValid(t *testing.T) {
	tests := []struct {
		program, config string
		args            func(dir, config string) []string
	}{
		{"nginx", "nginx.conf", func(dir, config string) []string {
			return []string{"-t", "-q", "-p", dir, "-e", "stderr", "-c", config}
		}},
		{"nginx", "backend.conf", func(dir, config string) []string {
			return []string{"-t", "-q", "-p", dir, "-e", "stderr", "-c", config}
		}},
		{"haproxy", "haproxy.cfg", func(_, config string) []string { return []string{"-c", "-q", "-f", config} }},
	}
	for _, tt := range tests {
		for _, full := range []bool{false, true} {
			t.Run(tt.config, func(t *testing.T) {
				if _, err := exec.LookPath(tt.program); err != nil {
					t.Skip(err)
				}
				s := sample(t, full)
				path, err := s.write(tt.config)
				if err != nil {
					t.Fatal(err)
				}
				said, err := output(t.Context(), tt.program, tt.args(s.Dir, path)...)
				if err != nil || regexp.MustCompile(`(?i)warn|alert|emerg`).MatchString(said) {
					t.Errorf("full is %v: %v, %s", full, err, said)
				}
			})
		}
	}
}

// Each line that is not plain in a configuration of a peer has its reason.
func TestConfigsGiveReasons(t *testing.T) {
	for _, name := range []string{"backend.conf", "nginx.conf", "haproxy.cfg", "rota.hcl"} {
		text, err := configs.ReadFile("configs/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "# "); n < 3 {
			t.Errorf("%s has %d comments", name, n)
		}
	}
}

func TestBodies(t *testing.T) {
	s := sample(t, false)
	if err := s.writeBodies(); err != nil {
		t.Fatal(err)
	}
	for _, c := range scenarios {
		info, err := os.Stat(filepath.Join(s.Dir, c.path))
		if c.answer > small && (err != nil || info.Size() != int64(c.answer)) {
			t.Errorf("%s: %v, %v, want a file of %d bytes", c.path, info, err, c.answer)
		}
	}
	s.Dir = filepath.Join(s.Dir, "missing")
	if err := s.writeBodies(); err == nil {
		t.Error("no error though the folder is missing")
	}
	if _, err := s.write("rota.hcl"); err == nil {
		t.Error("no error though the folder is missing")
	}
	if _, err := s.write("missing.conf"); err == nil {
		t.Error("no error though there is no such template")
	}
}

func TestTellVersion(t *testing.T) {
	if got, err := (program{name: "go", version: "version"}).tellVersion(t.Context(), ""); err != nil || !strings.HasPrefix(got, "go version go1.") {
		t.Errorf("got %q, %v", got, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (program{name: "go", version: "version"}).tellVersion(ctx, ""); err == nil {
		t.Error("no error though it was interrupted")
	}
	if got := (program{name: "rota", own: true}).binary("folder"); got != filepath.Join("folder", "rota") {
		t.Errorf("ours is %q", got)
	}
}
