package pool

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var (
	endpointsDesc = prometheus.NewDesc("rota_endpoints",
		"Endpoints of the service in each state.", []string{"service", "state"}, nil)
	inFlightDesc = prometheus.NewDesc("rota_endpoint_requests_in_flight",
		"Requests under way to the endpoint.", []string{"service", "endpoint"}, nil)
	attemptsDesc = prometheus.NewDesc("rota_endpoint_attempts_total",
		"Attempts made on the endpoint.", []string{"service", "endpoint"}, nil)
	failuresDesc = prometheus.NewDesc("rota_endpoint_failures_total",
		"Attempts that failed for a reason of the endpoint's.", []string{"service", "endpoint"}, nil)
	checksDesc = prometheus.NewDesc("rota_health_checks_total",
		"Active health checks by result.", []string{"service", "result"}, nil)
	ageDesc = prometheus.NewDesc("rota_discovery_age_seconds",
		"Time since the source of the service last told or confirmed its instances.", []string{"service"}, nil)
	updatesDesc = prometheus.NewDesc("rota_discovery_updates_total",
		"Changed sets of instances applied.", []string{"service"}, nil)
	errorsDesc = prometheus.NewDesc("rota_discovery_errors_total",
		"Times that the source could not learn the truth.", []string{"service"}, nil)
	rejectedDesc = prometheus.NewDesc("rota_discovery_rejected_instances",
		"Instances left out because of what is wrong with their registration.", []string{"service"}, nil)
)

// Describe is part of [prometheus.Collector]. It describes nothing, since the
// services of a process are collectors of the same metrics and a registry takes
// each description once.
func (s *Service) Describe(chan<- *prometheus.Desc) {}

// Collect is part of [prometheus.Collector]. What it tells of an endpoint is
// gone when the endpoint is.
func (s *Service) Collect(out chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, t, v, append([]string{s.options.Name}, labels...)...)
	}
	view := s.View()
	count := map[State]int{}
	for _, e := range view.Endpoints {
		count[e.State]++
		attempts, failures := e.Live.Totals()
		send(inFlightDesc, prometheus.GaugeValue, float64(e.Live.InFlight()), e.ID)
		send(attemptsDesc, prometheus.CounterValue, float64(attempts), e.ID)
		send(failuresDesc, prometheus.CounterValue, float64(failures), e.ID)
	}
	for _, state := range States {
		send(endpointsDesc, prometheus.GaugeValue, float64(count[state]), string(state))
	}
	if c := s.checker.Load(); c != nil {
		passed, failed := c.Counts()
		send(checksDesc, prometheus.CounterValue, float64(passed), "passed")
		send(checksDesc, prometheus.CounterValue, float64(failed), "failed")
	}
	if age, known := view.Age(time.Now()); known {
		send(ageDesc, prometheus.GaugeValue, age.Seconds())
	}
	send(updatesDesc, prometheus.CounterValue, float64(view.News.Updates))
	send(errorsDesc, prometheus.CounterValue, float64(view.News.Errors))
	send(rejectedDesc, prometheus.GaugeValue, float64(len(view.News.Rejected)))
}
