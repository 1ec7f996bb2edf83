package testkit

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"net"
	"path/filepath"
	"strconv"
	"testing"
)

// ports are the TCP (and for serf, UDP) ports of one agent.
type ports struct{ http, server, serf, wan int }

// config returns the agent's configuration. It is JSON, which Consul takes as
// it takes HCL.
func (c *Consul) config() []byte {
	conf := map[string]any{
		"node_name":            cmp.Or(c.set.name, "node"),
		"datacenter":           cmp.Or(c.set.datacenter, "dc1"),
		"bind_addr":            "127.0.0.1",
		"client_addr":          "127.0.0.1",
		"log_level":            "debug", // the lines of readiness are of this level
		"disable_update_check": true,
		"connect":              map[string]any{"enabled": false},
		"ports": map[string]int{
			"http": c.ports.http, "server": c.ports.server, "serf_lan": c.ports.serf,
			"serf_wan": -1, "dns": -1, "grpc": -1, "grpc_tls": -1,
		},
	}
	if c.set.datacenter != "" {
		conf["ports"].(map[string]int)["serf_wan"] = c.ports.wan
	}
	if c.set.keepData { // with a folder even a -dev agent remembers its services
		conf["data_dir"] = filepath.Join(c.dir, "data")
	}
	if c.set.join != nil {
		conf["retry_join"] = c.set.join
		conf["retry_interval"] = "1s"
	}
	if c.set.keepData && c.set.servers > 0 {
		conf["server"] = true
		conf["bootstrap_expect"] = c.set.servers
		// The shortest timings that Consul offers: an election within 2 s.
		conf["performance"] = map[string]int{"raft_multiplier": 1}
	}
	if c.set.acls {
		conf["acl"] = map[string]any{
			"enabled":        true,
			"default_policy": "deny",
			"token_ttl":      "1s", // for which an agent that is no server believes a token
			"tokens": map[string]string{
				"initial_management": managementToken,
				"agent":              managementToken,
			},
		}
	}
	text, err := json.MarshalIndent(conf, "", "  ")
	if err != nil {
		panic(err) // strings, numbers and maps of them always marshal
	}
	return text
}

// freePorts picks ports that nobody listens on. They lie below the range from
// which systems take the local ports of outgoing connections, so that an agent
// that is started again finds its ports free.
func freePorts(t testing.TB) ports {
	t.Helper()
	const first, last = 20000, 32000
	var found []int
	for range 1000 {
		port := first + rand.IntN(last-first)
		if isFree(port) {
			found = append(found, port)
		}
		if len(found) == 4 {
			return ports{http: found[0], server: found[1], serf: found[2], wan: found[3]}
		}
	}
	t.Fatalf("no four free ports between %d and %d", first, last)
	return ports{}
}

func isFree(port int) bool {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	tcp, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	tcp.Close()
	udp, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	udp.Close()
	return true
}
