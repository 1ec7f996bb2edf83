package pool

import (
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
	Reasons   []Reason
	LastError string // of the latest check; empty when that was good

	// Live gives the counters of this endpoint as they stand now.
	Live *balancer.Endpoint
}

// News is what is known of the source of a service's instances.
type News struct {
	Heard    time.Time // when it last told or confirmed the truth; zero if never
	Err      error     // why it can't be believed now; nil while it can
	Rejected []discovery.Rejected
	Updates  uint64 // sets applied since the start
	Errors   uint64 // failures since the start
}

// View is a service as its users may see it.
type View struct {
	Service   string
	Source    string
	News      News
	Endpoints []*Endpoint // in ascending order of ID
}

// View returns the latest snapshot. It is cheap and never blocks.
func (s *Service) View() View {
	return View{
		Service:   s.options.Name,
		Source:    s.options.Source,
		News:      *s.news.Load(),
		Endpoints: *s.view.Load(),
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
func (v View) Fresh() bool { return !v.News.Heard.IsZero() && v.News.Err == nil }
