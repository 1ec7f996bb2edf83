package consul

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// addressOf returns host:port of an instance. tagged selects one of its tagged
// addresses, and then of its node's, where they have one; the plain address of
// the service comes before that of the node.
func addressOf(e *entry, tagged string) (string, error) {
	host, port := e.Service.Address, e.Service.defaultPort()
	if t, ok := e.Service.TaggedAddresses[tagged]; ok && tagged != "" && t.Address != "" {
		host = t.Address
		if t.Port != 0 {
			port = t.Port
		}
	}
	if host == "" && tagged != "" {
		host = e.Node.TaggedAddresses[tagged]
	}
	if host == "" {
		host = e.Node.Address
	}
	return joinAddress(host, port)
}

// defaultPort returns the port that was marked so where there are several.
func (s *service) defaultPort() int {
	for _, p := range s.Ports {
		if p.Default {
			return p.Port
		}
	}
	return s.Port
}

// joinAddress puts host and port together, or says what is wrong with them.
func joinAddress(host string, port int) (string, error) {
	if host == "" {
		return "", errors.New("neither the service nor its node has an address")
	}
	if port < 1 || port > 65535 {
		return "", fmt.Errorf("its port %d is not between 1 and 65535", port)
	}
	// Somebody may have registered an IPv6 address as it stands in a URL.
	if inner, ok := strings.CutPrefix(host, "["); ok && strings.HasSuffix(inner, "]") {
		host = strings.TrimSuffix(inner, "]")
	}
	ip, err := netip.ParseAddr(host)
	isIP := err == nil && (ip.Zone() == "" || isHostName(ip.Zone()))
	switch {
	case isIP && ip.IsUnspecified():
		return "", fmt.Errorf("its address %s stands for all addresses of a host and can't be connected to", host)
	case !isIP && !isHostName(host):
		return "", fmt.Errorf("its address %.100q is neither an IP address nor a host name", host)
	}
	return net.JoinHostPort(host, strconv.Itoa(port)), nil
}

// isHostName reports whether a text can be a name in DNS (RFC 1035 §2.3.4, with
// the underscores that are in use).
func isHostName(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '-', c == '.', c == '_':
		default:
			return false
		}
	}
	return true
}
