package consul

import (
	"strings"
	"testing"

	"github.com/hashicorp/consul/api"
)

func TestAddressOf(t *testing.T) {
	tagged := map[string]api.ServiceAddress{
		"wan": {Address: "203.0.113.1", Port: 8443},
		"lan": {Address: "10.9.9.9"},
		"bad": {Port: 8443},
	}
	for _, tt := range []struct {
		name    string
		service service
		node    node
		tag     string
		want    string
	}{
		{name: "of the service", service: service{Address: "10.0.0.1", Port: 80}, node: node{Address: "10.0.0.2"}, want: "10.0.0.1:80"},
		{name: "of the node", service: service{Port: 80}, node: node{Address: "10.0.0.2"}, want: "10.0.0.2:80"},
		{name: "default of several ports", service: service{Address: "10.0.0.1", Ports: api.ServicePorts{{Name: "a", Port: 1}, {Name: "b", Port: 2, Default: true}}}, want: "10.0.0.1:2"},
		{name: "tagged, not asked for", service: service{Address: "10.0.0.1", Port: 80, TaggedAddresses: tagged}, want: "10.0.0.1:80"},
		{name: "tagged, with its port", service: service{Address: "10.0.0.1", Port: 80, TaggedAddresses: tagged}, tag: "wan", want: "203.0.113.1:8443"},
		{name: "tagged, without port", service: service{Address: "10.0.0.1", Port: 80, TaggedAddresses: tagged}, tag: "lan", want: "10.9.9.9:80"},
		{name: "tagged, without address", service: service{Address: "10.0.0.1", Port: 80, TaggedAddresses: tagged}, tag: "bad", want: "10.0.0.1:80"},
		{name: "tagged, absent", service: service{Address: "10.0.0.1", Port: 80}, tag: "wan", want: "10.0.0.1:80"},
		{
			name: "tagged, of the node", service: service{Port: 80}, tag: "wan",
			node: node{Address: "10.0.0.2", TaggedAddresses: map[string]string{"wan": "203.0.113.2"}}, want: "203.0.113.2:80",
		},
		{
			name: "the service's own before the node's tagged", service: service{Address: "10.0.0.1", Port: 80}, tag: "wan",
			node: node{Address: "10.0.0.2", TaggedAddresses: map[string]string{"wan": "203.0.113.2"}}, want: "10.0.0.1:80",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := addressOf(&entry{Node: &tt.node, Service: &tt.service}, tt.tag)
			if err != nil || got != tt.want {
				t.Errorf("address %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestJoinAddress(t *testing.T) {
	for _, tt := range []struct {
		host string
		port int
		want string // "" if it is wrong
		why  string // part of what is said then
	}{
		{host: "10.0.0.1", port: 1, want: "10.0.0.1:1"},
		{host: "10.0.0.1", port: 65535, want: "10.0.0.1:65535"},
		{host: "web.example.com", port: 80, want: "web.example.com:80"},
		{host: "web_1", port: 80, want: "web_1:80"},
		{host: "2001:db8::1", port: 80, want: "[2001:db8::1]:80"},
		{host: "[2001:db8::1]", port: 80, want: "[2001:db8::1]:80"},
		{host: "fe80::1%eth0", port: 80, want: "[fe80::1%eth0]:80"},
		{host: "", port: 80, why: "neither the service nor its node has an address"},
		{host: "10.0.0.1", port: 0, why: "port 0 is not between 1 and 65535"},
		{host: "10.0.0.1", port: -1, why: "port -1 is not"},
		{host: "10.0.0.1", port: 65536, why: "port 65536 is not"},
		{host: "0.0.0.0", port: 80, why: "0.0.0.0 stands for all addresses"},
		{host: "::", port: 80, why: ":: stands for all addresses"},
		{host: "10.0.0.1:80", port: 80, why: `"10.0.0.1:80" is neither`},
		{host: "http://web", port: 80, why: `"http://web" is neither`},
		{host: "web ", port: 80, why: `"web " is neither`},
		{host: "web\x00", port: 80, why: `"web\x00" is neither`},
		{host: "[web", port: 80, why: `"[web" is neither`},
		{host: "fe80::1%]x", port: 80, why: `"fe80::1%]x" is neither`},
		{host: "[]", port: 80, why: `"" is neither`},
		{host: strings.Repeat("a", 254), port: 80, why: "is neither"},
		{host: strings.Repeat("/", 1<<20), port: 80, why: "is neither"},
	} {
		got, err := joinAddress(tt.host, tt.port)
		if got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("joinAddress(%.40q, %d) = %q, %v; want %q", tt.host, tt.port, got, err, tt.want)
		}
		if err != nil && (!strings.Contains(err.Error(), tt.why) || len(err.Error()) > 300) {
			t.Errorf("joinAddress(%.40q, %d) says %.400q, want %q in it", tt.host, tt.port, err, tt.why)
		}
	}
}
