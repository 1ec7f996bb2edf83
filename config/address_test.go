package config

import (
	"strings"
	"testing"
)

func TestParseListenAddress(t *testing.T) {
	testParser(t, parseListenAddress, []parserTest{
		{in: ":8080", want: ":8080"},
		{in: ":0", want: ":0"},
		{in: "localhost:65535", want: "localhost:65535"},
		{in: "0.0.0.0:80", want: "0.0.0.0:80"},
		{in: "[::1]:80", want: "[::1]:80"},
		{in: "[fe80::1%eth0]:80", want: "[fe80::1%eth0]:80"},
		{in: "8080", wrong: "lacks the colon", fix: `":8080"`},
		{in: "localhost", wrong: "has no port", fix: "host:port"},
		{in: "localhost:", wrong: `port "" is not a number`},
		{in: "::1", wrong: "is not host:port", fix: "brackets"},
		{in: "*:80", wrong: "bad host", fix: `":8080"`},
		{in: "my host:80", wrong: "bad host", fix: "host:port"},
		{in: ":65536", wrong: "from 0 to 65535"},
		{in: ":-1", wrong: "from 0 to 65535"},
		{in: ":99999999999999999999", wrong: "from 0 to 65535"},
		{in: ":http", wrong: `port "http" is not a number`},
		{in: "http://:80", wrong: "is a URL", fix: `":80"`},
	})
}

func TestParseAdminAddress(t *testing.T) {
	testParser(t, parseAdminAddress, []parserTest{
		{in: "127.0.0.1:9080", want: "127.0.0.1:9080"},
		{in: ":9080", want: ":9080"},
		{in: "9080", wrong: "has no host", fix: `"127.0.0.1:9080"`},
		{in: "localhost", wrong: "has no port", fix: "host:port"},
	})
}

func TestParseConsulAddress(t *testing.T) {
	testParser(t, parseConsulAddress, []parserTest{
		{in: "127.0.0.1:8500", want: "127.0.0.1:8500"},
		{in: "http://consul:8500", want: "http://consul:8500"},
		{in: "https://consul.example.com/prefix", want: "https://consul.example.com/prefix"},
		{in: "unix:///run/consul.sock", want: "unix:///run/consul.sock"},
		{in: "consul", wrong: "has no port", fix: "host:port"},
		{in: "consul:0", wrong: "from 1 to 65535"},
		{in: "htp://consul:8500", wrong: `did you mean "http"?`, fix: "http, https or unix"},
		{in: "http://:8500", wrong: "bad host", fix: "host:port"},
		{in: "http://consul:85000", wrong: "from 1 to 65535"},
		{in: "http://consul:x", wrong: "bad host or port", fix: "host:port"},
	})
}

func TestParseBackend(t *testing.T) {
	testParser(t, parseBackend, []parserTest{
		{in: "http://localhost:8081", want: "localhost:8081"},
		{in: "http://LOCALHOST:8081/", want: "localhost:8081"},
		{in: "http://localhost", want: "localhost:80"},
		{in: "http://[::1]:8081", want: "[::1]:8081"},
		{in: "http://[::1]", want: "[::1]:80"},
		{in: "localhost:8081", wrong: "does not start with http://", fix: `"http://localhost:8081"`},
		{in: "https://localhost:8081", wrong: "TLS to backends is not available", fix: "speaks plain HTTP"},
		{in: "tcp://localhost:8081", wrong: "does not start with http://", fix: "http://host:port"},
		{in: "http://localhost:8081/app", wrong: "has a path", fix: `"http://localhost:8081"`},
		{in: "http://localhost:8081?a=b", wrong: "has a query", fix: `"http://localhost:8081"`},
		{in: "http://localhost:8081/?", wrong: "has a query", fix: `"http://localhost:8081"`},
		{in: "http://localhost:8081/#a", wrong: "query or fragment", fix: `"http://localhost:8081"`},
		{in: "http://localhost:0", wrong: "from 1 to 65535"},
		{in: "http://localhost:65536", wrong: "from 1 to 65535"},
		{in: "http://:8081", wrong: "not a URL of a backend", fix: "http://host:port"},
		{in: "http://a b:8081", wrong: "not a URL of a backend", fix: "http://host:port"},
		{in: "http://localhost:http", wrong: "not a URL of a backend", fix: "http://host:port"},
	})
}

// A password does not go from the file into a log.
func TestParseBackendPassword(t *testing.T) {
	_, err := parseBackend("http://user:secret@localhost:8081")
	checkFault(t, "user:secret", err, "user or password", `"http://localhost:8081"`)
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the password is in %q", err)
	}
}

func TestParseNetwork(t *testing.T) {
	testParser(t, parseNetwork, []parserTest{
		{in: "10.0.0.0/8", want: "10.0.0.0/8"},
		{in: "10.1.2.3/8", want: "10.0.0.0/8"},
		{in: "10.1.2.3", want: "10.1.2.3/32"},
		{in: "0.0.0.0/0", want: "0.0.0.0/0"},
		{in: "::1", want: "::1/128"},
		{in: "2001:DB8::1/32", want: "2001:db8::/32"},
		{in: "::ffff:10.0.0.1", want: "10.0.0.1/32"},
		{in: "::ffff:10.1.2.3/104", want: "10.0.0.0/8"},
		{in: "::ffff:0.0.0.0/95", want: "::fffe:0:0/95"},
		{in: "::/0", want: "::/0"},
		{in: "10.0.0.1:80", wrong: "has a port", fix: `"10.0.0.1"`},
		{in: "[2001:db8::1]:80", wrong: "has a port", fix: `"2001:db8::1"`},
		{in: "[2001:db8::]/32", wrong: "not an IP address", fix: `"10.0.0.0/8"`},
		{in: "[::1]", wrong: "brackets", fix: `"::1"`},
		{in: "fe80::1%eth0/64", wrong: "has a zone", fix: `"fe80::1/64"`},
		{in: "10.0.0.0/", wrong: `"" is not a number from 0 to 32`, fix: `"10.0.0.0/8"`},
		{in: "10.0.0.0/-1", wrong: `"-1" is not a number from 0 to 32`, fix: `"10.0.0.0/8"`},
		{in: "::/129", wrong: "from 0 to 128", fix: `"10.0.0.0/8"`},
		{in: "proxy:80", wrong: "not an IP address", fix: `"10.0.0.1"`},
		{in: "localhost", wrong: "not an IP address", fix: `"10.0.0.1"`},
		{in: "010.0.0.1", wrong: "not an IP address", fix: `"10.0.0.1"`},
		{in: "/8", wrong: "not an IP address", fix: `"10.0.0.1"`},
	})
}

func TestParseHost(t *testing.T) {
	testParser(t, parseHost, []parserTest{
		{in: "example.com", want: "example.com"},
		{in: "WWW.Example.COM", want: "www.example.com"},
		{in: "*.example.com", want: "*.example.com"},
		{in: "xn--bcher-kva.example.com", want: "xn--bcher-kva.example.com"},
		{in: "10.0.0.1", want: "10.0.0.1"},
		{in: "localhost", want: "localhost"},
		{in: "http://example.com", wrong: "is a URL", fix: "www.example.com"},
		{in: "example.com:8080", wrong: "has a port", fix: `"example.com"`},
		{in: "*", wrong: `a "*" can only be`, fix: "leave host out"},
		{in: "*.*.com", wrong: `a "*" can only be`, fix: `"*.example.com"`},
		{in: "www*.example.com", wrong: `a "*" can only be`, fix: `"*.example.com"`},
		{in: "*.", wrong: "not the name of a host", fix: "www.example.com"},
		{in: "example.com/app", wrong: "not the name of a host", fix: "www.example.com"},
		{in: "bücher.example.com", wrong: "not the name of a host", fix: "www.example.com"},
		{in: strings.Repeat("a", 64) + ".com", wrong: "not the name of a host", fix: "www.example.com"},
		{in: strings.Repeat("a.", 127) + "com", wrong: "not the name of a host", fix: "www.example.com"},
	})
}

// Nothing gets into a request's head that would end its line.
func TestParseHeader(t *testing.T) {
	testParser(t, parseHeader, []parserTest{
		{in: "", want: ""},
		{in: "web.example.com", want: "web.example.com"},
		{in: "web.example.com:8080", want: "web.example.com:8080"},
		{in: "a\r\nX-Admin: 1", wrong: "not the name of a host", fix: "www.example.com"},
		{in: "a b", wrong: "not the name of a host", fix: "www.example.com"},
		{in: "http://a", wrong: "not the name of a host", fix: "www.example.com"},
	})
}
