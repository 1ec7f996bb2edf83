package config

import (
	"strings"
	"testing"
)

// One mistake is told once: what follows from it is not another.
func TestOneMistakeOneMessage(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"a service misspelt is not a missing one",
			`servce "web" {}`, `unknown block "servce"`},
		{"nor does its route lead nowhere",
			"servce \"web\" {}\nroute {\n service = \"web\"\n}", `unknown block "servce"`},
		{"a service without a name is there",
			"service {}\n", "service lacks its name"},
		{"a route misspelt may be the one that a service lacks",
			"service \"a\" {}\nservice \"b\" {}\nrout {\n service = \"a\"\n}", `unknown block "rout"`},
		{"so may one to an unknown service",
			"service \"a\" {}\nservice \"b\" {}\nroute {\n service = \"a\"\n}\nroute {\n path_prefix = \"/b\"\n service = \"c\"\n}", `there is no service "c"`},
		{"an argument misspelt is not a missing one",
			"service \"a\" {}\nroute {\n servce = \"a\"\n}", `unknown argument "servce"`},
		{"an address of no use takes none",
			"listen \"a\" {}\nlisten \"b\" {\n address = 8080\n}\nservice \"a\" {}", "must be a string"},
		{"nor does one from an unset variable",
			"listen \"a\" {\n address = env(\"ROTA_TEST_UNSET\")\n}\nadmin {\n address = \":8080\"\n}\nservice \"a\" {}", "is not set"},
		{"an interval of no use is not too short",
			"service \"a\" {\n health_check {\n  interval = \"1\"\n  timeout = \"1m\"\n }\n}", `"1" has no unit`},
		{"a prefix of no use is not there twice",
			"service \"a\" {}\nroute {\n service = \"a\"\n}\nroute {\n path_prefix = \"api\"\n service = \"a\"\n}", `does not start with "/"`},
		{"a list with one bad element is not empty",
			"service \"a\" {\n discover \"static\" {\n  urls = [\"ftp://a\"]\n }\n}", "does not start with http://"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("config.hcl", []byte(tt.src))
			diags, _ := err.(Diagnostics)
			if len(diags) != 1 || !strings.Contains(diags[0].Message, tt.want) {
				t.Errorf("got:\n%v\nwant only: %s", err, tt.want)
			}
		})
	}
}

// Routes may be told in any way that leaves no request and no service in
// doubt.
func TestRoutes(t *testing.T) {
	tests := []struct {
		name, src string
		want      int // routes
	}{
		{"none, one service", `service "a" {}`, 1},
		{"one", "service \"a\" {}\nroute {\n host = \"a.com\"\n service = \"a\"\n}", 1},
		{"two to one service", "service \"a\" {}\nroute {\n host = \"a.com\"\n service = \"a\"\n}\nroute {\n host = \"b.com\"\n service = \"a\"\n}", 2},
		{"before the service", "route {\n service = \"a\"\n}\nservice \"a\" {}", 1},
		{"one prefix, two hosts", "service \"a\" {}\nroute {\n service = \"a\"\n}\nroute {\n host = \"*.a.com\"\n service = \"a\"\n}", 2},
	}
	for _, tt := range tests {
		config, err := Parse("config.hcl", []byte(tt.src))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if len(config.Routes) != tt.want {
			t.Errorf("%s: got %+v", tt.name, config.Routes)
		}
	}
}
