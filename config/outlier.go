package config

import (
	"strconv"
	"time"
)

// Outlier says when an instance is taken out for how the requests of clients
// fare on it.
type Outlier struct {
	Consecutive           int           // failures in a row that take it out; 0: none do
	Interval              time.Duration // from one comparison of the instances to the next; more than 0
	MinHosts, MinRequests int           // what a comparison needs; at least 2 and 1
	SuccessRateDeviations float64       // below the mean of the others; 0: not compared
	LatencyFactor         float64       // of the median; 0: not compared
	LatencyFloor          time.Duration // up to which nobody is slow
	BaseEjection          time.Duration // the first time; more than 0
	MaxEjection           time.Duration // at most; not less than BaseEjection
	MaxEjected            int           // percent of the instances; 0: nobody is ever out
}

func outlierBody(o *Outlier) *body {
	return &body{check: o.checkEjection, fields: []field{
		number("consecutive", &o.Consecutive, 5, 0, 1_000_000, "failures in a row that take an instance out, at once: no connection, a connection that ends early, no answer in time or while another instance gave one, an answer that is not HTTP, or one of 502, 503 or 504; one is enough for an instance that has not answered since it was out for this; 0 turns it off"),
		duration("interval", &o.Interval, 10*time.Second, "from one comparison of the instances to the next"),
		number("min_hosts", &o.MinHosts, 3, 2, 1_000_000, "instances that a comparison needs"),
		number("min_requests", &o.MinRequests, 100, 1, 1_000_000, "requests that each of them needs within the interval"),
		decimal("success_rate_deviations", &o.SuccessRateDeviations, 1.9, 100, "an instance is out whose share of good answers, which are none from 500 on, is by that many standard deviations below the mean of the others, and by 10 points at least; 0 turns it off"),
		decimal("latency_factor", &o.LatencyFactor, 5, 1000, "an instance is out that takes that many times as long to answer as the median instance, twice in a row; 0 turns it off"),
		durationOrZero("latency_floor", &o.LatencyFloor, 250*time.Millisecond, "an instance that answers within this on average is not slow"),
		duration("base_ejection", &o.BaseEjection, 5*time.Second, "how long an instance is out the first time; each time that follows takes twice as long, until it has done well for four times as long as the next one would take"),
		duration("max_ejection", &o.MaxEjection, 5*time.Minute, "the longest that it is out at a time; after it, the next good check brings it back"),
		number("max_ejected", &o.MaxEjected, 50, 0, 100, "how many of the instances may be out, in percent, though one always may if there are others; the last one never is. Who fails all the time beyond that gets a request a second. 0 turns all of this off"),
	}}
}

// checkEjection holds the limit of ejections against where they begin.
func (o *Outlier) checkEjection(to *decoder, s *section) {
	if o.MaxEjection >= o.BaseEjection || s.bad["max_ejection"] || s.bad["base_ejection"] {
		return
	}
	at, byDefault := s.position("max_ejection"), ""
	if _, given := s.at["max_ejection"]; !given {
		at, byDefault = s.position("base_ejection"), " (the default)"
	}
	to.report(at, "write max_ejection = "+strconv.Quote(shortDuration(o.BaseEjection))+" or more, or a shorter base_ejection",
		"max_ejection%s: %s%s is shorter than the base_ejection of %s", s.of(), shortDuration(o.MaxEjection), byDefault, shortDuration(o.BaseEjection))
}
