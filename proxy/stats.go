package proxy

import (
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rota-lb/rota/upstream"
)

// buckets are the upper bounds of the duration histogram, in seconds.
var buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// shards is how many copies the hot counters have, so that cores don't fight
// over one cache line. A request draws its shard.
const shards = 16

// shard holds one copy of what every request counts.
type shard struct {
	classes  [6]atomic.Uint64                // by status/100; 0 is "no status"
	buckets  [len(buckets) + 1]atomic.Uint64 // the last is above all bounds
	nanos    atomic.Uint64                   // sum of durations
	inFlight atomic.Int64
	_        [64]byte
}

// serviceStats counts the requests of one service. The zero value is ready.
type serviceStats struct {
	shards  [shards]shard
	retries atomic.Uint64
	faults  [upstream.OwnLimit + 1]atomic.Uint64
}

// begin counts a request in; the shard it returns counts it out again.
func (s *serviceStats) begin() *shard {
	sh := &s.shards[rand.Uint32N(shards)]
	sh.inFlight.Add(1)
	return sh
}

// used reports whether a request has been answered.
func (s *serviceStats) used() bool {
	for i := range s.shards {
		for class := range s.shards[i].classes {
			if s.shards[i].classes[class].Load() > 0 {
				return true
			}
		}
	}
	return false
}

func (s *serviceStats) fault(f upstream.Fault) { s.faults[f].Add(1) }

// end counts a request that took d and was answered with status, 0 where the
// client went away before.
func (sh *shard) end(status int, d time.Duration) {
	sh.inFlight.Add(-1)
	if status > 599 {
		status = 0
	}
	sh.classes[status/100].Add(1)
	sh.nanos.Add(uint64(d))
	i := 0
	for seconds := d.Seconds(); i < len(buckets) && seconds > buckets[i]; {
		i++
	}
	sh.buckets[i].Add(1)
}

var (
	requestsDesc = prometheus.NewDesc("rota_requests_total",
		"Requests answered, by class of status; none where the client left first. No service: no route.", []string{"service", "code"}, nil)
	durationDesc = prometheus.NewDesc("rota_request_duration_seconds",
		"Time from the head of the request to the end of the response.", []string{"service"}, nil)
	inFlightDesc = prometheus.NewDesc("rota_requests_in_flight",
		"Requests under way.", []string{"service"}, nil)
	retriesDesc = prometheus.NewDesc("rota_retries_total",
		"Attempts after a request's first.", []string{"service"}, nil)
	faultsDesc = prometheus.NewDesc("rota_attempt_faults_total",
		"Attempts that failed, by the way in which they did.", []string{"service", "fault"}, nil)
)

// Describe is part of [prometheus.Collector].
func (t *Table) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, durationDesc, inFlightDesc, retriesDesc, faultsDesc} {
		out <- d
	}
}

// Collect is part of [prometheus.Collector].
func (t *Table) Collect(out chan<- prometheus.Metric) {
	for _, s := range t.services {
		s.collect(out)
	}
	if t.unrouted.stats.used() {
		t.unrouted.collect(out)
	}
}

var classes = [...]string{"none", "1xx", "2xx", "3xx", "4xx", "5xx"}

func (s *Service) collect(out chan<- prometheus.Metric) {
	var total shard
	for i := range s.stats.shards {
		total.add(&s.stats.shards[i])
	}
	for i, class := range classes {
		if n := total.classes[i].Load(); n > 0 {
			out <- prometheus.MustNewConstMetric(requestsDesc, prometheus.CounterValue, float64(n), s.Name, class)
		}
	}
	cumulative, below := map[float64]uint64{}, uint64(0)
	for i, bound := range buckets {
		below += total.buckets[i].Load()
		cumulative[bound] = below
	}
	count := below + total.buckets[len(buckets)].Load()
	sum := time.Duration(total.nanos.Load()).Seconds()
	out <- prometheus.MustNewConstHistogram(durationDesc, count, sum, cumulative, s.Name)
	out <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(total.inFlight.Load()), s.Name)
	out <- prometheus.MustNewConstMetric(retriesDesc, prometheus.CounterValue, float64(s.stats.retries.Load()), s.Name)
	for i := range s.stats.faults {
		if n := s.stats.faults[i].Load(); n > 0 {
			out <- prometheus.MustNewConstMetric(faultsDesc, prometheus.CounterValue, float64(n), s.Name, upstream.Fault(i).String())
		}
	}
}

// add adds another shard's counts. They may move meanwhile; each is read once.
func (sh *shard) add(o *shard) {
	for i := range sh.classes {
		sh.classes[i].Add(o.classes[i].Load())
	}
	for i := range sh.buckets {
		sh.buckets[i].Add(o.buckets[i].Load())
	}
	sh.nanos.Add(o.nanos.Load())
	sh.inFlight.Add(o.inFlight.Load())
}
