package config

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// The files that are shipped load, and mean what they say.
func TestLoadShipped(t *testing.T) {
	for _, name := range []string{"CONSUL_HTTP_ADDR", "ROTA_ADMIN_ADDRESS"} {
		t.Setenv(name, "") // to be set back
		os.Unsetenv(name)
	}
	for _, path := range []string{"../config.hcl", "../examples/static.hcl"} {
		config, err := Load(path)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		golden(t, "testdata/shipped/"+filepath.Base(path)+".golden", effective(t, config))
	}
}

// A container opens admin and finds Consul without another file.
func TestLoadShippedInContainer(t *testing.T) {
	t.Setenv("ROTA_ADMIN_ADDRESS", ":9080")
	t.Setenv("CONSUL_HTTP_ADDR", "http://consul:8500")
	config, err := Load("../config.hcl")
	if err != nil {
		t.Fatal(err)
	}
	if got := config.Admin.Address; got != ":9080" {
		t.Errorf("admin address is %q", got)
	}
	if got := config.Consul.Address; got != "http://consul:8500" {
		t.Errorf("Consul address is %q", got)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret.hcl")
	if err := os.WriteFile(secret, []byte(`service "web" {}`), 0o000); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ path, want string }{
		{filepath.Join(dir, "none.hcl"), ": no such file\n      name the configuration file with --config FILE"},
		{dir, ": this is a directory, not a configuration file\n      name the file in it, such as " + dir + "/config.hcl"},
		{secret, ": can't read the configuration: permission denied"},
	}
	for _, tt := range tests {
		if tt.path == secret && os.Geteuid() == 0 {
			continue // root reads everything
		}
		config, err := Load(tt.path)
		if err == nil || config != nil {
			t.Errorf("%s: got %v, %v, want an error alone", tt.path, config, err)
			continue
		}
		if got, want := err.Error(), tt.path+tt.want; got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	}
}

// Two readings of one file are equal, whatever stands between its lines: that
// is what a reload goes by.
func TestParseComparable(t *testing.T) {
	a, errA := Parse("a.hcl", []byte(`service "web" {}`))
	b, errB := Parse("b.hcl", []byte("# moved\n\nservice \"web\" {\n}\n"))
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\ndiffers from\n%+v", a, b)
	}
}

// Relative paths start where the file is, not where rota was started.
func TestParsePaths(t *testing.T) {
	const src = `
		state_dir = "state"
		access_log { path = "../log/access.log" }
		consul { token_file = "/run/token" }
		service "web" {}`
	config, err := Parse("/etc/rota/config.hcl", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	got := []string{config.StateDir, config.AccessLog.Path, config.Consul.TokenFile}
	want := []string{"/etc/rota/state", "/etc/log/access.log", "/run/token"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzParse looks for a file that makes Parse panic, or return what its
// documentation rules out.
func FuzzParse(f *testing.F) {
	for _, dir := range []string{"testdata/bad", "testdata/good", "..", "../examples"} {
		for _, path := range inputs(f, dir) {
			src, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src, strings.HasSuffix(path, ".json"))
		}
	}
	f.Fuzz(func(t *testing.T, src []byte, isJSON bool) {
		filename := "fuzz.hcl"
		if isJSON {
			filename = "fuzz.json"
		}
		config, err := Parse(filename, src)
		if err == nil {
			sound(t, config)
			return
		}
		diags, ok := err.(Diagnostics)
		if !ok || len(diags) == 0 || config != nil {
			t.Fatalf("got %v and a %T: %v", config, err, err)
		}
		for _, d := range diags {
			if !strings.HasPrefix(d.String(), filename+":") || d.Message == "" {
				t.Errorf("diagnostic %+v", d)
			}
		}
	})
}

// sound checks what the documentation of Config and its parts promises.
func sound(t *testing.T, c *Config) {
	if len(c.Listens) == 0 || len(c.Services) == 0 || len(c.Routes) == 0 {
		t.Fatalf("something is missing: %+v", c)
	}
	positive := func(of string, ds ...time.Duration) {
		for _, d := range ds {
			if d <= 0 {
				t.Errorf("%s has a duration of %v", of, d)
			}
		}
	}
	for _, l := range c.Listens {
		positive(l.Name, l.ReadTimeout, l.WriteTimeout, l.IdleTimeout)
	}
	reached := map[string]bool{}
	for _, s := range c.Services {
		reached[s.Name] = false
		h := s.HealthCheck
		positive(s.Name, h.Interval, h.Timeout, s.Timeouts.Connect, s.Timeouts.Response, s.Timeouts.Stall)
		if h.Timeout > h.Interval || h.HealthyAfter < 1 || h.UnhealthyAfter < 1 || len(h.ExpectStatus) == 0 {
			t.Errorf("health check of %s: %+v", s.Name, h)
		}
		if s.Discover.Kind == DiscoverStatic && len(s.Discover.URLs) == 0 || s.Discover.Kind == DiscoverConsul && s.Discover.Name == "" {
			t.Errorf("discovery of %s: %+v", s.Name, s.Discover)
		}
	}
	for _, r := range c.Routes {
		if _, known := reached[r.Service]; !known || !strings.HasPrefix(r.PathPrefix, "/") || r.Host != strings.ToLower(r.Host) {
			t.Errorf("route %+v", r)
		}
		reached[r.Service] = true
	}
	for name, ok := range reached {
		if !ok {
			t.Errorf("no route leads to %s", name)
		}
	}
}
