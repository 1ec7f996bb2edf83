package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

// What the generator sends is HTTP as others read it, and asks for what the
// scenario says.
func TestRequest(t *testing.T) {
	for _, s := range scenarios {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(s.request("example.test"))))
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || len(body) != s.body {
			t.Errorf("%s: a body of %d bytes, %v, want %d", s.name, len(body), err, s.body)
		}
		if r.Method != s.method || r.URL.Path != s.path || r.Host != "example.test" || r.Close != s.fresh {
			t.Errorf("%s: got %s %s, host %s, close %v", s.name, r.Method, r.URL.Path, r.Host, r.Close)
		}
	}
}

func TestPick(t *testing.T) {
	tests := []struct{ list, want, wrong string }{
		{"", "get-128 get-16k get-1m post-16k new-conn idle", ""},
		{"idle", "idle", ""},
		{"new-conn,get-128", "get-128 new-conn", ""}, // in the order of the report
		{"get-128,get128", "", `no case "get128"; there are get-128, get-16k, get-1m, post-16k, new-conn, idle`},
		{"idle,idle", "", `no case "idle"`}, // the second one
		{"idle,", "", `no case ""`},
	}
	name := func(s scenario) string { return s.name }
	for _, tt := range tests {
		picked, err := pick("case", scenarios, name, tt.list)
		var names []string
		for _, s := range picked {
			names = append(names, s.name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.list, got, tt.want)
		}
		if (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%q: got the error %v, want %q", tt.list, err, tt.wrong)
		}
	}
}
