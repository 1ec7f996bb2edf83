// Package config turns a configuration file into one typed, defaulted and
// validated value.
//
// A file is HCL, or HCL's JSON form when its name ends in ".json". What it may
// contain is described once, in blocks.go: that description decodes the file,
// sets the defaults and is the source of docs/configuration.md.
//
// A [Config] is plain data without source positions, so that two of them can
// be compared.
package config

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"time"
)

// Config is everything a file says, with defaults for what it leaves out. It
// has passed every check: each route names a service, and each service is
// named by a route.
type Config struct {
	Listens         []Listen // in file order; at least one
	Admin           Admin
	Log             Log
	AccessLog       *AccessLog // nil: no access log
	Consul          Consul
	StateDir        string        // where snapshots are kept; "": none are
	ShutdownTimeout time.Duration // for requests in flight at a shutdown; 0: none
	UpgradeTimeout  time.Duration // for another process to get ready; more than 0
	Services        []Service     // in file order; at least one
	Routes          []Route       // in file order; at least one
}

// Listen is one address that takes requests. Its timeouts are for progress,
// not for whole requests, and are more than 0.
type Listen struct {
	Name         string
	Address      string        // host:port, where the host may be empty; port 0 is any free one
	ReadTimeout  time.Duration // for a request's head, and between bytes of its body
	WriteTimeout time.Duration // between bytes written to the client
	IdleTimeout  time.Duration // between requests on one connection
	HealthPath   string        // answered by rota itself; "": none is
	// TrustedProxies are the networks whose word on forwarding is believed: masked,
	// and IPv4 ones as such.
	TrustedProxies []netip.Prefix
}

// Admin is the address for operators: health, metrics, the API.
type Admin struct {
	Address string // host:port as in [Listen]; "": off
}

// Log says how much is logged and in which form.
type Log struct {
	Level  string // trace, debug, info, warn or error
	Format string // text or json
}

// AccessLog is the log with one line for each request.
type AccessLog struct {
	Format string // json or combined
	Path   string // the file that gets the lines; "": standard output
}

// Consul says how the agent is reached. What is "" here is left to the
// CONSUL_* environment variables, as Consul's own tools read them.
type Consul struct {
	Address    string // host:port or a URL: http, https or unix
	TokenFile  string
	Datacenter string
}

// Service is a set of interchangeable backends.
type Service struct {
	Name           string // unique in a Config
	Discover       Discover
	Balance        string // round_robin, least_request, ewma or random
	HealthCheck    HealthCheck
	Timeouts       Timeouts
	Retry          Retry
	Hedge          Hedge
	CircuitBreaker CircuitBreaker
	Outlier        Outlier
	SlowStart      SlowStart
	Locality       Locality
	PanicBelow     int // percent of those that are not in maintenance; 0: only where nobody serves
	// DrainTimeout is for requests in flight to an instance that drains; 0: no limit.
	DrainTimeout time.Duration
}

// The kinds of discovery that a [Discover] may have.
const (
	DiscoverConsul = "consul"
	DiscoverStatic = "static"
)

// Discover says where a service's instances come from.
type Discover struct {
	Kind          string   // DiscoverConsul or DiscoverStatic
	Name          string   // consul: the service's name there
	Tags          []string // consul: an instance must have all of them
	TaggedAddress string   // consul: lan or wan; "": the service's own address
	URLs          []string // static: host:port of each http URL, without duplicates
}

// HealthCheck says how each instance of a service is probed.
type HealthCheck struct {
	Path           string        // of a GET request, with its query; "": a TCP connect is all
	Host           string        // the Host header of that request; "": the instance's address
	ExpectStatus   []StatusRange // what counts as healthy; at least one
	Interval       time.Duration // from one probe to the next; more than 0
	Timeout        time.Duration // of one probe; more than 0, at most Interval
	HealthyAfter   int           // passes in a row; at least 1
	UnhealthyAfter int           // failures in a row; at least 1
}

// StatusRange is a range of HTTP status codes, both ends included.
type StatusRange struct {
	Min, Max int
}

// Timeouts are for progress with a backend, each more than 0, but for the last.
type Timeouts struct {
	Connect  time.Duration // until a connection is made
	Response time.Duration // from the end of the request to the head of the response
	Stall    time.Duration // between bytes of either body
	Request  time.Duration // for a request as a whole; 0: no limit
}

// Route sends the requests that it matches to a service.
type Route struct {
	Host       string // lower-case, maybe with a "*." in front; "": any
	PathPrefix string // of whole segments; starts with "/" and, but for "/", does not end with it
	Service    string // the Name of a [Service]
}

// Load reads, evaluates, defaults and validates the file. Its error is a
// [Diagnostics] that holds every problem found, not just the first.
func Load(path string) (*Config, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return Parse(path, src)
}

// Parse is [Load] for a file that has been read. The filename decides between
// HCL and JSON, and its folder is where relative paths in the file start.
func Parse(filename string, src []byte) (*Config, error) {
	d := newDecoder(filename, src)
	draft := newDraft(filename)
	if body, ok := d.parse(); ok {
		d.decode(body, draft.root(), new(section))
		draft.check(d)
	}
	if len(d.diags) > 0 {
		d.diags.sort()
		return nil, d.diags
	}
	return draft.config(), nil
}

// unreadable says in plain words why the file at path can't be read.
func unreadable(path string, err error) error {
	diag := Diagnostic{Message: "can't read the configuration: " + reason(err)}
	diag.Range.Filename = path
	if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
		diag.Message = "this is a directory, not a configuration file"
		diag.Hint = "name the file in it, such as " + path + "/config.hcl"
	} else if errors.Is(err, fs.ErrNotExist) {
		diag.Message = "no such file"
		diag.Hint = "name the configuration file with --config FILE"
	}
	return Diagnostics{diag}
}

// reason is err without the operation and the path, which a diagnostic names
// itself.
func reason(err error) string {
	if pathErr := new(fs.PathError); errors.As(err, &pathErr) {
		return pathErr.Err.Error()
	}
	return err.Error()
}
