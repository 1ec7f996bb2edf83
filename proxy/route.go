package proxy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/http1"
	"github.com/rota-lb/rota/upstream"
)

// Duty tells who is on duty: the pool of a service as it stands now. It is
// asked once for each attempt, and must be cheap and safe for concurrent use.
type Duty interface {
	Pool() *balancer.Pool
}

// Service is what the data path needs of a service. It belongs to one [Table]
// and does not change; what is counted and learned outlives it.
type Service struct {
	Name     string
	Duty     Duty
	Upstream *upstream.Client
	Timeout  time.Duration // for a request as a whole, but for an upgraded one; 0 is none
	Retry    Retry
	Hedge    Hedge
	Breaker  *Breaker      // nil has no limit
	stats    *serviceStats // from the table
}

// tick looks at what has been counted.
func (s *Service) tick(now time.Duration) {
	// Of very many services most are not asked at the moment.
	if asked := s.stats.asked.Load(); asked {
		s.stats.asked.Store(false)
	} else if now > 0 && now-s.stats.looked < time.Second {
		return
	}
	s.stats.looked = now
	s.stats.budget.refill(&s.Retry, s.stats.answered(), now)
	s.judge(now)
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
//
// A service that has counted nothing goes on where the one of the same name in
// before is, which may be nil. So does what no service gets.
func NewTable(routes []Route, before *Table) *Table {
	t := &Table{routes: slices.Clone(routes), unrouted: new(Service)}
	for i := range t.routes {
		t.routes[i].PathPrefix = normalPrefix(t.routes[i].PathPrefix)
	}
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
	t.inherit(before)
	return t
}

func (t *Table) inherit(before *Table) {
	stats := map[string]*serviceStats{}
	if before != nil {
		for _, s := range before.accounts() {
			stats[s.Name] = s.stats
		}
	}
	for _, s := range t.accounts() {
		if s.stats == nil {
			s.stats = stats[s.Name]
		}
		if s.stats == nil {
			s.stats = new(serviceStats)
			s.tick(0)
		}
	}
}

// accounts returns all services that count requests. The one for those that no
// other gets has no name.
func (t *Table) accounts() []*Service { return append(slices.Clone(t.services), t.unrouted) }

// tick is to be called at each tick of the clock, by its goroutine.
func (t *Table) tick(now time.Duration) {
	for _, s := range t.services {
		s.tick(now)
	}
}

// Services returns each service that a route leads to, once.
func (t *Table) Services() []*Service { return t.services }

// normalPrefix returns a prefix as it stands in normal paths, without a slash at
// its end.
func normalPrefix(prefix string) string {
	if normal, err := http1.NormalPath(prefix); err == nil {
		prefix = normal
	}
	return strings.TrimSuffix(prefix, "/")
}

// Match returns the service for a request, nil where no route takes it. host is
// that of the request, with or without a port; path is its path as
// [http1.NormalPath] has it.
func (t *Table) Match(host, path string) *Service {
	host = hostname(host)
	if path == "" || path[0] != '/' { // "*" speaks of the server as a whole
		path = "/"
	}
	for i := range t.routes {
		if r := &t.routes[i]; matchHost(r.Host, host) && matchPath(r.PathPrefix, path) {
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

// hostname takes the port off a host that the codec has found valid.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
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

func matchPath(prefix, path string) bool {
	return strings.HasPrefix(path, prefix) && (len(path) == len(prefix) || path[len(prefix)] == '/')
}
