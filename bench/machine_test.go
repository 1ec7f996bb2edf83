package main

import (
	"strings"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	var out strings.Builder
	p := plan{rounds: 3, each: 2 * time.Second, programs: []program{{name: "go", version: "version"}}}
	if err := describe(t.Context(), p, "", &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Processors: ", "rounds: 3; each measurement: 2s.\n", "\n- go version go1."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %q", want, out.String())
		}
	}
	p.programs = append(p.programs, program{name: "no-such-program", own: true, version: "-v"})
	if err := describe(t.Context(), p, t.TempDir(), &out); err == nil {
		t.Error("no error though a program does not tell its version")
	}
}

func TestProcessorName(t *testing.T) {
	tests := []struct{ cpuinfo, want string }{
		{"processor\t: 0\nmodel name\t: One of: them\nprocessor\t: 1\nmodel name\t: Other\n", "One of: them"},
		{"processor\t: 0\n", "unknown"}, // as on some arm64
		{"", "unknown"},
	}
	for _, tt := range tests {
		if got := processorName(tt.cpuinfo); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.cpuinfo, got, tt.want)
		}
	}
}
