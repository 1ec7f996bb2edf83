package config

import "testing"

func TestNearest(t *testing.T) {
	listen := []string{"address", "read_timeout", "write_timeout", "idle_timeout", "health_path"}
	tests := []struct {
		word  string
		known []string
		want  string
	}{
		{"adress", listen, "address"},
		{"Address", listen, "address"},
		{"addr", listen, "address"},
		{"read-timeout", listen, "read_timeout"},
		{"readtimeout", listen, "read_timeout"},
		{"path", listen, "health_path"},
		{"port", listen, ""},
		{"", listen, ""},
		{"x", listen, ""},
		{"wbe", []string{"web", "api"}, "web"},
		{"getenv", []string{"env", "file"}, "env"},
		{"warning", []string{"info", "warn"}, "warn"},
		{"lan", []string{"", "wan"}, "wan"},
		{"tcp", []string{"http", "unix"}, ""},
		{"wed", []string{"web", "wet"}, "web"}, // the first of equals
		{"we", []string{"web-api", "web"}, "web"},
		{"acess_log", []string{"log", "access_log"}, "access_log"},
		{"accesslog", []string{"log", "access_log"}, "access_log"},
		{"anything", nil, ""},
	}
	for _, tt := range tests {
		if got := nearest(tt.word, tt.known); got != tt.want {
			t.Errorf("%q among %q: got %q, want %q", tt.word, tt.known, got, tt.want)
		}
	}
}

func TestDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"abc", "xabc", 1},
		{"abc", "acb", 1},
		{"abcd", "badc", 2},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3}, // 2 if swapped letters could be parted again
	}
	for _, tt := range tests {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%q, %q: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
