package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
)

func names[T any](items []T, name func(T) string) string {
	var all []string
	for _, item := range items {
		all = append(all, name(item))
	}
	return strings.Join(all, " ")
}

func TestParseOptions(t *testing.T) {
	const everything = "get-128 get-16k get-1m post-16k new-conn idle"
	tests := []struct{ args, want string }{
		{"", "4 1s rota nginx haproxy twin bare full " + everything},
		{"-quick", "1 1s rota nginx haproxy twin full get-128"},
		{"-quick -rounds 3 -cases idle", "3 1s rota nginx haproxy twin full idle"},
		{"-seconds 2 -quick -variants bare,full", "1 2s rota nginx haproxy twin bare full get-128"},
		{"-proxies twin,rota -cases idle", "4 1s rota twin bare full idle"},
	}
	for _, tt := range tests {
		o, err := parseOptions(strings.Fields(tt.args), io.Discard)
		got := fmt.Sprintf("%d %v %s %s %s", o.rounds, o.each,
			names(o.programs, func(p program) string { return p.name }),
			names(o.variants, func(v variant) string { return v.name }),
			names(o.scenarios, func(s scenario) string { return s.name }))
		if err != nil || got != tt.want {
			t.Errorf("%q: got %q, %v, want %q", tt.args, got, err, tt.want)
		}
	}
}

func TestParseOptionsFails(t *testing.T) {
	tests := []struct{ args, want string }{
		{"-rounds 0", "1 at least"},
		{"-seconds 0", "1 at least"},
		{"-seconds 0.5", "invalid value"},
		{"-cases get", `no case "get"`},
		{"-proxies traefik", `no proxy "traefik"; there are rota, nginx, haproxy, twin`},
		{"-variants on -cases all", `no case "all"`},
		{"fast", `unexpected argument "fast"`},
		{"-x", "not defined"},
	}
	for _, tt := range tests {
		if _, err := parseOptions(strings.Fields(tt.args), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got the error %v, want %q", tt.args, err, tt.want)
		}
	}
	var help strings.Builder
	if _, err := parseOptions([]string{"-h"}, &help); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: got %v", err)
	}
	for _, s := range scenarios {
		if !strings.Contains(help.String(), s.name) {
			t.Errorf("the help does not name the case %s", s.name)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	o, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	o.trace = true
	want := "nginx wrk bin/rota nginx haproxy bin/twin strace"
	if got := strings.Join(missing(o.plan, "bin"), " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	err = run(t.Context(), o, io.Discard, io.Discard)
	if err == nil || !strings.HasPrefix(err.Error(), "missing: nginx, wrk") {
		t.Errorf("got the error %v", err)
	}
}
