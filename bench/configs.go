package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// configs hold what each program is told, and why.
//
//go:embed configs
var configs embed.FS

// setup is one program in one variant, on its addresses.
type setup struct {
	Dir      string // its own folder
	Address  string
	Admin    string
	Backends []string
	Full     bool // everything on
	Workers  int  // processors that it may use
	Files    int  // descriptors that it may open
	Root     bool // whether we run as root
}

// Small is the body of the smallest answer, for the template.
func (setup) Small() string { return strings.Repeat("x", small) }

// write renders a template into the program's folder and returns the path.
func (s setup) write(name string) (string, error) {
	t, err := template.ParseFS(configs, "configs/"+name)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	if err := t.Execute(&text, s); err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	path := filepath.Join(s.Dir, name)
	return path, os.WriteFile(path, []byte(text.String()), 0o600)
}

// writeBodies puts the files there that a backend serves.
func (s setup) writeBodies() error {
	for name, size := range map[string]int{"16k": middle, "1m": large} {
		if err := os.WriteFile(filepath.Join(s.Dir, name), []byte(strings.Repeat("x", size)), 0o600); err != nil {
			return err
		}
	}
	return nil
}
