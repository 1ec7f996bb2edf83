package config

import (
	"path/filepath"
	"slices"
	"time"
)

// A draft is a Config while its file is read. It remembers where the parts
// stand that are judged together once all of them are known.
type draft struct {
	dir      string // where relative paths start
	cfg      Config
	admin    *section
	listens  []*placed[Listen]
	services []*placed[Service]
	routes   []*placed[Route]
	statics  []*placed[*Discover]
}

// placed is a value and the section that it comes from.
type placed[T any] struct {
	value T
	at    *section
}

func newDraft(filename string) *draft {
	return &draft{dir: filepath.Dir(filename), admin: new(section)}
}

// config is the finished draft.
func (d *draft) config() *Config {
	d.cfg.Listens = values(d.listens)
	d.cfg.Services = values(d.services)
	d.cfg.Routes = values(d.routes)
	return &d.cfg
}

func values[T any](from []*placed[T]) []T {
	to := make([]T, len(from))
	for i, p := range from {
		to[i] = p.value
	}
	return to
}

// path makes relative paths start in the folder of the file, all of them.
func (d *draft) path(s string) (string, error) {
	return within(d.dir, s), nil
}

// root describes a file. A block that may occur once is bound to its part of
// the Config from the start, so that the defaults hold without it; one that may
// occur more often is bound to a new part each time it is opened.
func (d *draft) root() *body {
	admin, log, consul := d.adminBody(), logBody(&d.cfg.Log), d.consulBody()
	return &body{
		fields: []field{
			text("state_dir", &d.cfg.StateDir, "", d.path, `folder for the last list of each service from Consul, which is made if missing; a start without Consul serves from there; "" keeps none`),
			durationOrZero("shutdown_timeout", &d.cfg.ShutdownTimeout, 30*time.Second, "how long requests in flight may take to finish at a shutdown"),
			duration("upgrade_timeout", &d.cfg.UpgradeTimeout, 30*time.Second, "how long another process may take to get ready, to which SIGUSR2 hands over"),
		},
		blocks: []block{
			{name: "listen", form: named, open: d.listen,
				doc: "An address that takes requests. Without any such block there is one, `listen \"http\"`, with these defaults. The timeouts are for progress, not for whole requests: a long download is not cut."},
			{name: "admin", form: once, open: func(s *section) *body { d.admin = s; return admin },
				doc: "The address for operators: health, metrics and the API. It has no access control, so keep it private."},
			{name: "log", form: once, open: func(*section) *body { return log },
				doc: "The log of what rota does, on standard error."},
			{name: "access_log", form: once, open: d.accessLog,
				doc: "A log with one line for each request. Without this block there is none."},
			{name: "consul", form: once, open: func(*section) *body { return consul },
				doc: "How the Consul agent is reached. What is empty here is left to the environment variables of Consul's own tools: `CONSUL_HTTP_ADDR`, `CONSUL_HTTP_TOKEN`, `CONSUL_HTTP_TOKEN_FILE`, `CONSUL_CACERT` and the rest."},
			{name: "service", form: named, open: d.service,
				doc: "A set of interchangeable backends. There is at least one."},
			{name: "route", form: many, open: d.route,
				doc: "Which requests go to which service. The order of routes does not matter, the most particular one wins: an exact host before one with `*`, that before any host; then the longest prefix. With one service the block may be left out: it gets every request."},
		},
		elsewhere: map[string]string{
			"discover": inService, "balance": inService, "health_check": inService, "timeouts": inService,
			"trusted_proxies": "a listen block",
		},
		instead: map[string]string{"upstream": asService, "backend": asService, "server": asService},
	}
}

// Where people who know other programs look for what a service block has.
const (
	inService = "a service block"
	asService = `backends are described in a service block: service "NAME" { … }`
)

func (d *draft) listen(s *section) *body {
	p := &placed[Listen]{at: s}
	d.listens = append(d.listens, p)
	l := &p.value
	l.Name = s.label
	return &body{
		fields: []field{
			text("address", &l.Address, ":8080", parseListenAddress, "host and port; without a host, every interface; port 0 is any free one"),
			duration("read_timeout", &l.ReadTimeout, 15*time.Second, "longest wait for the whole head of a request, and for the next bytes of its body"),
			duration("write_timeout", &l.WriteTimeout, 15*time.Second, "longest wait for the client to take the next bytes of a response"),
			duration("idle_timeout", &l.IdleTimeout, time.Minute, "longest wait for the next request on a connection"),
			text("health_path", &l.HealthPath, "/health", orEmpty(parseHealthPath), `path that rota answers itself with the health of the backends; "" leaves it to the backends`),
			list("trusted_proxies", &l.TrustedProxies, parseNetwork, "IP addresses and networks of proxies in front, such as `\"10.0.0.0/8\"`: what they send as `X-Forwarded-*`, `X-Real-IP` and `Forwarded` is kept and added to; from everybody else it is dropped"),
		},
		later: []string{"tls"},
	}
}

func (d *draft) adminBody() *body {
	return &body{fields: []field{
		text("address", &d.cfg.Admin.Address, "127.0.0.1:9080", orEmpty(parseAdminAddress), `host and port; "" turns it off`),
	}}
}

func logBody(l *Log) *body {
	return &body{fields: []field{
		choice("level", &l.Level, "info", []string{"trace", "debug", "info", "warn", "error"}, "what is worth a line"),
		choice("format", &l.Format, "text", []string{"text", "json"}, "form of a line"),
	}}
}

func (d *draft) accessLog(*section) *body {
	l := new(AccessLog)
	d.cfg.AccessLog = l
	return &body{fields: []field{
		choice("format", &l.Format, "json", []string{"json", "combined"}, "form of a line"),
		text("path", &l.Path, "", d.path, `file that lines are added to; "" is standard output`),
	}}
}

func (d *draft) consulBody() *body {
	c := &d.cfg.Consul
	const token = "write it into a file and name that with token_file, or set CONSUL_HTTP_TOKEN"
	return &body{instead: map[string]string{"token": token}, fields: []field{
		text("address", &c.Address, "", orEmpty(parseConsulAddress), "host and port of the agent, or its URL: http, https or unix"),
		text("token_file", &c.TokenFile, "", d.path, "file that holds the ACL token; it is read again when it changes"),
		text("datacenter", &c.Datacenter, "", nil, "datacenter to ask for; the agent's own if empty"),
	}}
}

func (d *draft) route(s *section) *body {
	p := &placed[Route]{at: s}
	d.routes = append(d.routes, p)
	r := &p.value
	return &body{fields: []field{
		text("host", &r.Host, "", orEmpty(parseHost), "host that is asked for, in any case; `*.example.com` is every name below it; \"\" is any host"),
		text("path_prefix", &r.PathPrefix, "/", parsePrefix, "how the path begins, in whole segments: `/api` takes `/api/x` and not `/apix`"),
		mandatory(text("service", &r.Service, "", nil, "name of the service block that gets the requests")),
	}}
}

func (d *draft) service(s *section) *body {
	p := &placed[Service]{at: s}
	d.services = append(d.services, p)
	v := &p.value
	v.Name = s.label
	static := func(at *section) *body {
		d.statics = append(d.statics, &placed[*Discover]{&v.Discover, at})
		return viaStatic(&v.Discover)
	}
	consul := func(*section) *body { return viaConsul(&v.Discover, s.label) }
	consul(nil) // what holds unless there is a discover block
	elsewhere := map[string]string{"urls": `discover "static"`, "name": `discover "consul"`, "tags": `discover "consul"`}
	// Bound from the start, so that the defaults hold without the block.
	settings := []block{
		only("health_check", healthCheckBody(&v.HealthCheck), "How each instance is probed. Without this block, by a TCP connect."),
		only("timeouts", timeoutsBody(&v.Timeouts), "How long the backend may take to get on. But for `request`, these are for progress, not for whole requests: a long download is not cut."),
		only("retry", retryBody(&v.Retry), "When a request that failed is tried again: [the rules](../ARCHITECTURE.md#retries)."),
		only("hedge", hedgeBody(&v.Hedge), "When a `GET`, `HEAD` or `OPTIONS` goes to a second backend as well, because the first is silent for longer than it is with 99 in 100 requests. The first answer counts. It is paid for from the budget of `retry`."),
		only("slow_start", slowStartBody(&v.SlowStart), "How an instance gets to its full weight that is new, or back from an ejection, from maintenance or from being critical. Those that are there when rota starts have it at once."),
		only("locality", localityBody(&v.Locality), "Which instances are near. They get all requests while 72 % of them serve, and pass on the more of them the fewer do. A retry goes further when all that are near have been tried."),
		only("circuit_breaker", circuitBody(&v.CircuitBreaker), "How much the service may be asked, and when it is asked nothing. What is beyond gets 503 with `Retry-After` and the reason. The limits are those of this process."),
		only("outlier", outlierBody(&v.Outlier), "When an instance is taken out for how the requests of clients fare on it, whatever the health checks say. This holds without the block, too."),
	}
	for _, k := range settings {
		for _, f := range k.open(nil).fields {
			if elsewhere[f.name] == "" {
				elsewhere[f.name] = k.name
			}
		}
	}
	return &body{
		fields: []field{
			text("balance", &v.Balance, "round_robin", parseBalance, "how a backend is picked: "+alternatives(balances)),
			number("panic_below", &v.PanicBelow, 0, 0, 100, "when fewer of the instances serve than this, in percent of those that are registered, have a weight, are not in maintenance and have been checked once, the others of these are tried too, once a second each, and get their share when they answer, though they be unhealthy: the few would be buried under the traffic; where none serves, this is always so"),
			durationOrZero("drain_timeout", &v.DrainTimeout, 0, "how long requests in flight, and upgraded connections, may take to finish on an instance that gets no more of them; 0 is as long as they like"),
		},
		blocks: append([]block{
			{name: "discover", form: ofKind, kind: DiscoverConsul, open: consul,
				doc: "The instances are those of a service in Consul. This is so without any `discover` block, too."},
			{name: "discover", form: ofKind, kind: DiscoverStatic, open: static,
				doc: "The instances are listed here."},
		}, settings...),
		elsewhere: elsewhere,
		later:     []string{"rate_limit", "tls"},
	}
}

// only describes a block that may occur once, and whose body is bound already.
func only(name string, to *body, doc string) block {
	return block{name: name, form: once, doc: doc, open: func(*section) *body { return to }}
}

// viaConsul and viaStatic describe the two kinds of discovery. Each starts
// afresh, since a block of the other kind may have been opened before.
func viaConsul(to *Discover, service string) *body {
	*to = Discover{Kind: DiscoverConsul}
	return &body{fields: []field{
		text("name", &to.Name, service, parseNotEmpty, "name of the service in Consul").defaultsTo("the block's name"),
		list("tags", &to.Tags, parseNotEmpty, "tags that an instance must have, all of them"),
		choice("tagged_address", &to.TaggedAddress, "", []string{"", "lan", "wan"}, "which of an instance's addresses is used, the plain one if empty"),
	}}
}

func viaStatic(to *Discover) *body {
	*to = Discover{Kind: DiscoverStatic}
	parse := func(s string) (string, error) {
		address, err := parseBackend(s)
		if err == nil && slices.Contains(to.URLs, address) {
			return "", faultf("leave one of them out", "%q is in the list twice", s)
		}
		return address, err
	}
	urls := list("urls", &to.URLs, parse, "one URL for each backend: `http://host:port`, or `http://host` for port 80")
	return &body{fields: []field{mandatory(notEmpty(urls))}}
}

func healthCheckBody(h *HealthCheck) *body {
	h.ExpectStatus = []StatusRange{{200, 299}}
	status := list("expect_status", &h.ExpectStatus, parseStatus, "codes and ranges of codes that are healthy")
	return &body{check: h.checkTimeout, fields: []field{
		text("path", &h.Path, "", orEmpty(parsePath), `path of a GET request; "" makes the check a TCP connect`),
		text("host", &h.Host, "", parseHeader, `Host header of that request; "" is the instance's address`),
		notEmpty(status).defaultsTo(`["200-299"]`),
		duration("interval", &h.Interval, 10*time.Second, "from one probe of an instance to the next"),
		duration("timeout", &h.Timeout, 2*time.Second, "how long a probe may take; no longer than the interval"),
		count("healthy_after", &h.HealthyAfter, 1, "passes in a row that bring an instance back"),
		count("unhealthy_after", &h.UnhealthyAfter, 2, "failures in a row that take an instance out"),
	}}
}

func timeoutsBody(t *Timeouts) *body {
	return &body{fields: []field{
		duration("connect", &t.Connect, 2*time.Second, "longest wait for a connection"),
		duration("response", &t.Response, 15*time.Second, "longest wait for the head of the response"),
		duration("stall", &t.Stall, time.Minute, "longest silence between bytes of a request's or a response's body"),
		durationOrZero("request", &t.Request, 0, "longest time from the head of a request to the end of the response, all attempts together; 0 sets no limit; upgraded connections have none"),
	}}
}
