package pool

import (
	"cmp"
	"slices"
	"time"

	"github.com/rota-lb/rota/balancer"
	"github.com/rota-lb/rota/discovery"
)

// Endpoint explains one endpoint at one moment. It must not be changed.
type Endpoint struct {
	ID        string // unique in the service
	Name      string // as people call it
	Address   string // host:port
	Weight    int
	State     State
	Reasons   []Reason // never nil
	LastError string   // of the latest check, or what live traffic found wrong; empty when all is well

	Tier int // the first is the nearest

	// Live gives the counters of this endpoint as they stand now.
	Live *balancer.Endpoint
}

// Serves reports whether the endpoint gets traffic by its own right, and not as
// a last resort.
func (e *Endpoint) Serves() bool {
	return e.State == Serving || e.State == Held || e.State == Warming && slices.Contains(e.Reasons, InSlowStart)
}

// Compare orders endpoints by ID.
func (e *Endpoint) Compare(o *Endpoint) int { return cmp.Compare(e.ID, o.ID) }

// Share is the same for all: nobody takes turns here.
func (e *Endpoint) Share() int { return 1 }

// News is what is known of the source of a service's instances.
type News struct {
	kind     string    // of the source
	Heard    time.Time // when the truth was last told or confirmed; zero if never
	Err      error     // why it can't be believed now; nil while it can
	Kept     bool      // the instances are those of a snapshot: it has not told any yet
	Rejected []discovery.Rejected
	Updates  uint64 // sets applied since the start
	Errors   uint64 // failures since the start
}

// View is a service as its users may see it.
type View struct {
	Service   string
	Source    string
	News      News
	Endpoints balancer.List[*Endpoint] // in ascending order of ID
	Panic     bool                     // those that are out for their health alone get traffic
	Loads     []int                    // share of the requests that each tier gets, in percent
}

// shown is the part of a View that is published with the pool.
type shown struct {
	endpoints balancer.List[*Endpoint]
	panicking bool
	loads     []int
}

// View returns the latest snapshot. It is cheap and never blocks.
func (s *Service) View() View {
	news, shown := s.news.Load(), s.shown.Load()
	return View{
		Service:   s.options.Name,
		Source:    news.kind,
		News:      *news,
		Endpoints: shown.endpoints,
		Panic:     shown.panicking,
		Loads:     shown.loads,
	}
}

// Age returns how long ago the source last told or confirmed the truth, and
// false where it never has. What is static never ages.
func (v View) Age(now time.Time) (age time.Duration, known bool) {
	switch {
	case v.News.Heard.IsZero():
		return 0, false
	case v.Source == "static":
		return 0, true
	default:
		return now.Sub(v.News.Heard), true
	}
}

// Fresh reports whether the source can be believed now: it has spoken, and
// nothing has gone wrong since.
func (v View) Fresh() bool { return !v.News.Heard.IsZero() && !v.News.Kept && v.News.Err == nil }
