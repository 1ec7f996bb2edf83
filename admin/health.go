package admin

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/rota-lb/rota/pool"
)

// Viewer is a service that explains itself.
type Viewer interface {
	View() pool.View
}

// report is the body of /health.
type report struct {
	Total     int         `json:"total"`
	Alive     int         `json:"alive"`
	Dead      int         `json:"dead"`
	Backends  []backend   `json:"backends"`
	Discovery []discovery `json:"discovery"`
}

type backend struct {
	URL       string        `json:"url"`
	Alive     bool          `json:"alive"`
	Service   string        `json:"service"`
	ID        string        `json:"id"`
	Endpoint  string        `json:"endpoint"` // as in the metrics
	State     pool.State    `json:"state"`
	Reasons   []pool.Reason `json:"reasons"`
	Weight    int           `json:"weight"`
	InFlight  int64         `json:"in_flight"`
	Tier      int           `json:"tier,omitempty"` // 0 is the nearest
	LastError string        `json:"last_error,omitempty"`
}

type discovery struct {
	Service  string     `json:"service"`
	Source   string     `json:"source"`
	AgeMS    *int64     `json:"age_ms"` // null while it has never spoken
	Fresh    bool       `json:"fresh"`
	Snapshot bool       `json:"snapshot,omitempty"` // it has not told the list, which is one of earlier
	Error    string     `json:"error,omitempty"`
	Held     int        `json:"held,omitempty"`  // instances that it may have lost
	Panic    bool       `json:"panic,omitempty"` // those out for their health get traffic
	Rejected []rejected `json:"rejected,omitempty"`
}

type rejected struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// Health returns the answer of /health: 200 while each service has an endpoint
// that serves, else 503, with the same body.
func Health(services []Viewer, now time.Time) (status int, body []byte) {
	status = http.StatusOK
	r := report{Backends: []backend{}, Discovery: []discovery{}}
	for _, s := range services {
		if alive := r.add(s.View(), now); alive == 0 {
			status = http.StatusServiceUnavailable
		}
	}
	r.Dead = r.Total - r.Alive
	body, err := json.Marshal(r)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return status, append(body, '\n')
}

// add counts a service in and returns how many of its endpoints are alive.
func (r *report) add(v pool.View, now time.Time) (alive int) {
	for e := range v.Endpoints.All() {
		b := backend{
			URL: "http://" + e.Address, Alive: e.Serves(), Service: v.Service, ID: e.Name, Endpoint: e.ID,
			State: e.State, Reasons: e.Reasons, Weight: e.Weight, InFlight: e.Live.InFlight(), LastError: e.LastError, Tier: e.Tier,
		}
		if b.Alive {
			alive++
		}
		r.Backends = append(r.Backends, b)
	}
	r.Total += v.Endpoints.Len()
	r.Alive += alive
	r.Discovery = append(r.Discovery, news(v, now))
	return alive
}

func news(v pool.View, now time.Time) discovery {
	d := discovery{Service: v.Service, Source: v.Source, Fresh: v.Fresh(), Panic: v.Panic, Snapshot: v.News.Kept}
	if age, known := v.Age(now); known {
		ms := age.Milliseconds()
		d.AgeMS = &ms
	}
	if v.News.Err != nil {
		d.Error = v.News.Err.Error()
	}
	for e := range v.Endpoints.All() {
		if slices.Contains(e.Reasons, pool.Unconfirmed) {
			d.Held++
		}
	}
	for _, in := range v.News.Rejected {
		d.Rejected = append(d.Rejected, rejected{ID: in.Name, Reason: in.Reason})
	}
	return d
}
