// Package consul tells the instances of services that are registered in
// Consul, as a [discovery.Source].
//
// A source asks Consul's health endpoint for everything it has on a service
// and judges here: tags, states, addresses and weights. It asks with blocking
// queries, so that a change arrives in milliseconds and an idle service costs
// a request in half a minute. An answer becomes news only if it can be the
// truth; everything else is told as [discovery.Failed], and the last set of
// instances stays in force.
package consul

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"

	"github.com/rota-lb/rota/discovery"
)

const (
	// blockFor is how long Consul may keep a query open while nothing changes.
	blockFor = 30 * time.Second
	// answerWithin is how long everything but the waiting may take.
	answerWithin = 5 * time.Second
	// answerLimit is the largest answer that is read, in bytes, uncompressed.
	// 5,000 instances take about a tenth of it.
	answerLimit = 64 << 20
)

// Options says how to reach Consul. What is left empty comes from the CONSUL_*
// environment variables, as Consul's own tools read them; there is a variable
// for every setting that is not here, such as CONSUL_CACERT.
type Options struct {
	// Address is host:port, http://host:port, https://host:port or
	// unix:///path.
	Address string
	// TokenFile holds the ACL token. It is read again for each request, so a
	// new token takes effect without a restart.
	TokenFile string
	// Datacenter is asked for; empty means the agent's own.
	Datacenter string
	// Logger is told when a service's discovery begins to fail and when it
	// works again; nil tells nobody.
	Logger hclog.Logger
}

// Client is a way to one Consul agent, shared by all sources. Its methods are
// safe for concurrent use.
type Client struct {
	api       *api.Client
	guard     *guard
	transport *http.Transport
	leader    *leader
	pulse     *pulse
	tokenFile string // "" if the token, if any, came from the environment
	hasToken  bool
	scope     string
	logger    hclog.Logger

	blockFor     time.Duration
	answerWithin time.Duration
	holdFor      time.Duration

	sources atomic.Int64 // see Expect
	slots   slots        // one for each request under way, but for the bells'
	lasting slots        // one for each that may last, where there are too many sources
	bells   chan *bell
	chime   chime
	news    atomic.Uint64 // sets that sources were told and have gone on from
}

// An agent takes 200 connections from one address by default
// (limits.http_max_conns_per_client), and without TLS each open query needs one.
// A few are left for others on this machine.
const maxRequests = 180

// maxLasting is how many of them may last while sources have to rest.
const maxLasting = 120

// Watch names the instances that a source tells.
type Watch struct {
	// Service is the name of the service.
	Service string
	// Tags are those that an instance must have, all of them.
	Tags []string
	// TaggedAddress selects "lan" or "wan" where an instance has such an
	// address; empty means its plain address.
	TaggedAddress string
	// Datacenter is asked for; empty means that of the client.
	Datacenter string
}

// NewClient returns a client for o. It does not talk to Consul yet: that there
// is none today is no mistake. An error says what to set differently.
func NewClient(o Options) (*Client, error) {
	logger := o.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	config := api.DefaultConfigWithLogger(logger)
	if o.Address != "" {
		config.Address = o.Address
	}
	if o.Datacenter != "" {
		config.Datacenter = o.Datacenter
	}
	if o.TokenFile != "" {
		config.TokenFile = o.TokenFile
	}
	if err := checkAddress(config.Address); err != nil {
		return nil, err
	}
	scope := fmt.Sprintf("%q %q %q %q", config.Address, config.Datacenter, config.Namespace, config.Partition)
	if config.TokenFile != "" {
		if _, err := readToken(config.TokenFile); err != nil {
			return nil, err
		}
	}
	config.Transport.DialContext = dial
	if path, ok := strings.CutPrefix(config.Address, "unix://"); ok {
		// The library would replace our transport, and its limits, for unix://.
		config.Address, config.Transport.DialContext = path, dialUnix(path)
	}
	tune(config.Transport)
	httpClient, err := api.NewHttpClient(config.Transport, config.TLSConfig)
	if err != nil {
		return nil, fmt.Errorf("TLS for Consul: %w; check CONSUL_CACERT, CONSUL_CAPATH, CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY", err)
	}
	guard := &guard{next: config.Transport, limit: answerLimit}
	httpClient.Transport = guard
	config.HttpClient = httpClient
	client, err := api.NewClient(config)
	if err != nil {
		return nil, fmt.Errorf("client for Consul at %s: %w", config.Address, err)
	}
	return &Client{
		api:       client,
		guard:     guard,
		transport: config.Transport,
		leader:    newLeader(lookAt(client)),
		pulse: &pulse{
			look: lookFor(client), fresh: config.Transport.CloseIdleConnections,
			token: func() string { return tokenNow(config.TokenFile) },
		},
		tokenFile:    config.TokenFile,
		hasToken:     config.TokenFile != "" || config.Token != "",
		scope:        scope,
		logger:       logger,
		blockFor:     blockFor,
		answerWithin: answerWithin,
		holdFor:      holdFor,
		slots:        make(slots, maxRequests),
		lasting:      make(slots, maxLasting),
		bells:        newBells(),
		chime:        chime{rung: make(chan struct{})},
	}, nil
}

// Source returns a source of the instances that w names, which is to be run once.
// What before returns is what its first answer is judged by, as any other is by
// the last one; it may be nil. Each source keeps one request open, unless too many
// are expected.
func (c *Client) Source(w Watch, before discovery.Recall) discovery.Source {
	w.Tags = slices.Clone(w.Tags)
	a := &asker{client: c, reader: newReader(w)}
	return &source{
		ask:    a.ask,
		watch:  w,
		before: before,
		hold:   c.holdFor,
		logger: c.logger,
		random: rand.Float64,
	}
}

// Expect says how many sources run from now on, before they do. Where they are more
// than an agent takes connections, they take turns from their first request on,
// which they could not if each were counted when it starts.
func (c *Client) Expect(sources int) { c.sources.Store(int64(sources)) }

// Scope says which Consul is asked, and what part of it: its address, datacenter,
// namespace and partition, wherever they were set. Instances of another scope
// are other instances.
func (c *Client) Scope() string { return c.scope }

// crowded reports whether there are more sources than may ask at once.
func (c *Client) crowded() bool { return c.sources.Load() > int64(cap(c.slots)) }

// Close closes connections that no request is using. It is to be called when
// no source runs any more; the client can still be used.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// checkAddress finds what is wrong with an address of Consul.
func checkAddress(address string) error {
	scheme, rest, found := strings.Cut(address, "://")
	if !found {
		scheme, rest = "http", address
	}
	var reason string
	switch scheme {
	case "unix":
		if rest == "" {
			reason = "it has no path"
		}
	case "http", "https":
		u, err := url.Parse(scheme + "://" + rest)
		switch {
		case err != nil:
			reason = "it is not a URL"
		case u.Host == "":
			reason = "it has no host"
		case !validPort(u.Port()):
			reason = "its port is not between 1 and 65535"
		}
	default:
		reason = "its scheme is " + strconv.Quote(scheme)
	}
	if reason == "" {
		return nil
	}
	return fmt.Errorf("address of Consul %q: %s; write host:port, http://host:port, https://host:port or unix:///path", address, reason)
}

// validPort reports whether a URL's port is one, or left out.
func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return port == "" || err == nil && 0 < n && n <= 65535
}
