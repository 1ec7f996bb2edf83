package proxy

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rota-lb/rota/upstream"
)

// buckets are the upper bounds of the duration histogram, in seconds.
var buckets = [...]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// shards is how many copies the hot counters have, so that cores don't fight
// over one cache line. A request takes the one of the place where its client's
// connection waits ([socket.Conn.Home]).
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
	shards    [shards]shard
	asked     atomic.Bool   // since the last tick
	looked    time.Duration // when a tick has last looked at the counters; the clock's
	retries   atomic.Uint64
	budget    budget
	circuit   circuit
	own       atomic.Uint64 // answers of rota's own that tell nothing of the backends
	cut       atomic.Uint64 // responses that a backend did not end
	exhausted atomic.Uint64 // retries and hedges that there was no budget for

	watches               watches
	hedgesWon, hedgesLost atomic.Uint64

	faults [upstream.OwnLimit + 1]atomic.Uint64
	panics atomic.Uint64 // of all services; counted in what no service gets
}

// begin counts a request in; the shard it returns counts it out again.
func (s *serviceStats) begin(home int) *shard {
	if !s.asked.Load() { // else it would be written to by all
		s.asked.Store(true)
	}
	sh := &s.shards[home%shards]
	sh.inFlight.Add(1)
	return sh
}

// InFlight returns how many requests to the service are under way, upgraded ones
// included. It may be called at any time.
func (s *Service) InFlight() (n int64) {
	for i := range s.stats.shards {
		n += s.stats.shards[i].inFlight.Load()
	}
	return n
}

// answered returns how many requests have been answered, or given up.
func (s *serviceStats) answered() (n uint64) {
	for i := range s.shards {
		for class := range s.shards[i].classes {
			n += s.shards[i].classes[class].Load()
		}
	}
	return n
}

// fault counts one, but for none.
func (s *serviceStats) fault(f upstream.Fault) {
	if f != upstream.None {
		s.faults[f].Add(1)
	}
}

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
	budgetDesc = prometheus.NewDesc("rota_retry_budget",
		"Attempts beyond those of clients that the backends may be sent by now.", []string{"service"}, nil)
	exhaustedDesc = prometheus.NewDesc("rota_retry_budget_exhausted_total",
		"Attempts that were not made since there was no budget for them.", []string{"service"}, nil)
	hedgesDesc = prometheus.NewDesc("rota_hedges_total",
		"Requests that went to a second endpoint since the first was silent; won where that answered first.", []string{"service", "result"}, nil)
	circuitDesc = prometheus.NewDesc("rota_circuit_state",
		"Whether the circuit lets requests pass: 0 all of them, 1 a few to try, 2 none.", []string{"service"}, nil)
	rejectionsDesc = prometheus.NewDesc("rota_circuit_rejections_total",
		"Requests that were turned away, by the limit that was reached.", []string{"service", "reason"}, nil)
	faultsDesc = prometheus.NewDesc("rota_attempt_faults_total",
		"Attempts that failed, by the way in which they did.", []string{"service", "fault"}, nil)
	panicsDesc = prometheus.NewDesc("rota_panics_total",
		"Requests and connections that a mistake in rota has ended.", nil, nil)
)

// Describe is part of [prometheus.Collector].
func (t *Table) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsDesc, durationDesc, inFlightDesc, retriesDesc, budgetDesc, exhaustedDesc, hedgesDesc, circuitDesc, rejectionsDesc, faultsDesc, panicsDesc} {
		out <- d
	}
}

// Collect is part of [prometheus.Collector].
func (t *Table) Collect(out chan<- prometheus.Metric) {
	for _, s := range t.services {
		s.collect(out)
	}
	if t.unrouted.stats.answered() > 0 {
		t.unrouted.collect(out)
	}
	out <- prometheus.MustNewConstMetric(panicsDesc, prometheus.CounterValue, float64(t.unrouted.stats.panics.Load()))
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
	out <- prometheus.MustNewConstMetric(budgetDesc, prometheus.GaugeValue, float64(max(0, s.stats.budget.left.Load()/price)), s.Name)
	out <- prometheus.MustNewConstMetric(exhaustedDesc, prometheus.CounterValue, float64(s.stats.exhausted.Load()), s.Name)
	out <- prometheus.MustNewConstMetric(hedgesDesc, prometheus.CounterValue, float64(s.stats.hedgesWon.Load()), s.Name, "won")
	out <- prometheus.MustNewConstMetric(hedgesDesc, prometheus.CounterValue, float64(s.stats.hedgesLost.Load()), s.Name, "lost")
	out <- prometheus.MustNewConstMetric(circuitDesc, prometheus.GaugeValue, s.stats.circuit.state(), s.Name)
	for i, reason := range rejections {
		if n := s.stats.circuit.rejected[i].Load(); n > 0 {
			out <- prometheus.MustNewConstMetric(rejectionsDesc, prometheus.CounterValue, float64(n), s.Name, reason.Error())
		}
	}
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
