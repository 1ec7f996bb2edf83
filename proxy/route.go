package proxy

import (
	"cmp"
	"net"
	"path"
	"slices"
	"strings"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/upstream"
)

// Duty tells who is on duty: the pool of a service as it stands now. It is
// asked once for each attempt, and must be cheap and safe for concurrent use.
type Duty interface {
	Pool() *balancer.Pool
}

// Service is what the data path needs of a service.
type Service struct {
	Name     string
	Duty     Duty
	Upstream *upstream.Client
	stats    serviceStats
}

// Route sends the requests for a host and a path to a service.
type Route struct {
	Host       string // exact, or "*.example.com" for any name below it; "" is any
	PathPrefix string // whole segments: "/api" takes "/api" and "/api/x", not "/apix"
	Service    *Service
}

// Table finds the route of a request. It is immutable and safe for concurrent
// use.
type Table struct {
	routes   []Route // the most particular first
	services []*Service
	unrouted *Service // accounts for requests that no service gets
}

// NewTable returns a table of the given routes, whatever their order: an exact
// host goes before a wildcard, a longer one before a shorter, any host comes
// last; within a host the longest prefix goes first.
func NewTable(routes []Route) *Table {
	t := &Table{routes: slices.Clone(routes), unrouted: new(Service)}
	slices.SortStableFunc(t.routes, func(a, b Route) int {
		return cmp.Or(
			cmp.Compare(rank(b.Host), rank(a.Host)),
			cmp.Compare(len(b.Host), len(a.Host)),
			cmp.Compare(len(b.PathPrefix), len(a.PathPrefix)),
		)
	})
	for _, r := range t.routes {
		if !slices.Contains(t.services, r.Service) {
			t.services = append(t.services, r.Service)
		}
	}
	return t
}

// Services returns each service that a route leads to, once.
func (t *Table) Services() []*Service { return t.services }

// Match returns the service for a request, nil where no route takes it. host is
// that of the request, with or without a port; p is its path, percent-decoded.
func (t *Table) Match(host, p string) *Service {
	host, p = hostname(host), clean(p)
	for i := range t.routes {
		if r := &t.routes[i]; matchHost(r.Host, host) && matchPath(r.PathPrefix, p) {
			return r.Service
		}
	}
	return nil
}

func rank(host string) int {
	switch {
	case host == "":
		return 0
	case strings.HasPrefix(host, "*."):
		return 1
	default:
		return 2
	}
}

func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// clean resolves dot segments and empty ones, as a backend would, so that a
// route can't be had around by spelling a path another way.
func clean(p string) string {
	if p == "" || p[0] != '/' {
		return "/"
	}
	return path.Clean(p)
}

func matchHost(pattern, host string) bool {
	switch rank(pattern) {
	case 0:
		return true
	case 1:
		return len(host) > len(pattern)-1 && strings.HasSuffix(host, pattern[1:])
	default:
		return host == pattern
	}
}

func matchPath(prefix, p string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return strings.HasPrefix(p, prefix) && (len(p) == len(prefix) || p[len(prefix)] == '/')
}
