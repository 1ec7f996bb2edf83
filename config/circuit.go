package config

import "time"

// CircuitBreaker limits what a service is asked. 0 is no limit.
type CircuitBreaker struct {
	MaxRequests            int           // under way
	MaxPending             int           // that wait for a new connection
	EndpointMaxRequests    int           // under way on one instance
	EndpointMaxConnections int           // to one instance
	FailureRate            int           // in percent, from which nothing passes; 0: that is never so
	MinRequests            int           // in a Window, for the rate to say something
	Window                 time.Duration // more than 0
	OpenFor                time.Duration // until a few requests may try; more than 0
}

func circuitBody(c *CircuitBreaker) *body {
	const most = 1_000_000
	return &body{fields: []field{
		number("max_requests", &c.MaxRequests, 0, 0, most, "how many requests may be under way; 0 sets no limit, here and below"),
		number("max_pending", &c.MaxPending, 0, 0, most, "how many of them may wait for a new connection"),
		number("endpoint_max_requests", &c.EndpointMaxRequests, 0, 0, most, "how many requests one instance may have at a time; what is beyond goes to others"),
		number("endpoint_max_connections", &c.EndpointMaxConnections, 0, 0, most, "how many connections to one instance there may be; where there are as many, one that is unused makes room"),
		number("failure_rate", &c.FailureRate, 0, 0, 100, "from how many failures on no request passes, in percent: answers from 500 on, rota's own among them, and responses that break off; 0 turns it off"),
		count("min_requests", &c.MinRequests, 20, "how many requests there must have been in the window"),
		duration("window", &c.Window, 10*time.Second, "how far back the rate looks"),
		duration("open_for", &c.OpenFor, 5*time.Second, "how long no request passes; then 5 may try, and if all of them succeed, everything passes"),
	}}
}
