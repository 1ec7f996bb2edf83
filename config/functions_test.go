package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// stateDir parses a file in dir with that expression, and gives its value.
func stateDir(dir, expression string) (string, error) {
	config, err := Parse(filepath.Join(dir, "config.hcl"), []byte("state_dir = "+expression+"\nservice \"web\" {}\n"))
	if err != nil {
		return "", err
	}
	return config.StateDir, nil
}

func TestEnv(t *testing.T) {
	t.Setenv("ROTA_TEST_SET", "/set")
	t.Setenv("ROTA_TEST_EMPTY", "")
	tests := []struct{ expression, want, wrong string }{
		{`env("ROTA_TEST_SET")`, "/set", ""},
		{`env("ROTA_TEST_SET", "/default")`, "/set", ""},
		{`env("ROTA_TEST_UNSET", "/default")`, "/default", ""},
		{`env("ROTA_TEST_UNSET", "")`, "", ""},
		{`env("ROTA_TEST_EMPTY", "/default")`, "", ""}, // "" is a value
		{`env("ROTA_TEST_UNSET", env("ROTA_TEST_SET"))`, "/set", ""},
		{`"${env("ROTA_TEST_SET")}/more"`, "/set/more", ""},
		{`env("ROTA_TEST_UNSET")`, "", "the environment variable ROTA_TEST_UNSET is not set"},
		{`env("ROTA_TEST_SET", "a", "b")`, "", "not 3 values"},
		{`env()`, "", "not enough function arguments"},
		{`env(null)`, "", "invalid function argument"},
	}
	for _, tt := range tests {
		got, err := stateDir("/etc", tt.expression)
		switch {
		case tt.wrong == "" && (err != nil || got != tt.want):
			t.Errorf("%s: got %q, %v, want %q", tt.expression, got, err, tt.want)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: got %q, %v, want the error %q", tt.expression, got, err, tt.wrong)
		}
	}
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"plain":   "/content",
		"newline": "/content\n",
		"two":     "/content\n\n",
		"windows": "/content\r\n",
		"empty":   "",
		"binary":  "\xff\xfe",
		"large":   strings.Repeat("x", maxFile+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever opened this one would wait for a writer.
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, want, wrong string }{
		{"plain", "/content", ""},
		{"newline", "/content", ""},
		{"two", "/content\n", ""},
		{"windows", "/content", ""},
		{"empty", "", ""},
		{filepath.Join(dir, "plain"), "/content", ""},
		{"none", "", "can't read " + dir + "/none: no such file or directory"},
		{".", "", "not a file"},
		{"pipe", "", "not a file"},
		{"binary", "", "does not hold text in UTF-8"},
		{"large", "", "is larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		got, err := stateDir(dir, `file("`+tt.name+`")`)
		switch {
		case tt.wrong == "" && (err != nil || got != tt.want):
			t.Errorf("%s: got %q, %v, want %q", tt.name, got, err, tt.want)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: got %q, %v, want the error %q", tt.name, got, err, tt.wrong)
		}
	}
}
