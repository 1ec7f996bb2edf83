package pool

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rota-lb/rota/health"
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
	ejectionsDesc = prometheus.NewDesc("rota_outlier_ejections_total",
		"Times that an endpoint was taken out for how live traffic fared on it.", []string{"service", "reason"}, nil)
	panicDesc = prometheus.NewDesc("rota_panic",
		"Whether endpoints that are out for their health get traffic: 1, else 0.", []string{"service"}, nil)
	tierDesc = prometheus.NewDesc("rota_tier_share",
		"Share of the requests that a tier gets, 0 to 1; the first tier is the nearest.", []string{"service", "tier"}, nil)
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
	for e := range view.Endpoints.All() {
		count[e.State]++
		attempts, failures := e.Live.Totals()
		send(inFlightDesc, prometheus.GaugeValue, float64(e.Live.InFlight()), e.ID)
		send(attemptsDesc, prometheus.CounterValue, float64(attempts), e.ID)
		send(failuresDesc, prometheus.CounterValue, float64(failures), e.ID)
	}
	for _, state := range States {
		send(endpointsDesc, prometheus.GaugeValue, float64(count[state]), string(state))
	}
	for _, cause := range health.Causes {
		send(ejectionsDesc, prometheus.CounterValue, float64(s.ejections[cause].Load()), cause.String())
	}
	alarm := 0.0
	if view.Panic {
		alarm = 1
	}
	send(panicDesc, prometheus.GaugeValue, alarm)
	if len(view.Loads) > 1 {
		for tier, load := range view.Loads {
			send(tierDesc, prometheus.GaugeValue, float64(load)/100, strconv.Itoa(tier))
		}
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
