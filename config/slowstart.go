package config

import "time"

// SlowStart says how an instance that comes or returns gets to its full weight.
type SlowStart struct {
	Duration  time.Duration // until the full weight; 0: it has that at once
	MinWeight int           // percent of its weight at the beginning, 1 to 100
}

func slowStartBody(s *SlowStart) *body {
	return &body{fields: []field{
		durationOrZero("duration", &s.Duration, 0, "how long an instance takes from its first request to its full weight, in steps; 0 gives it that at once"),
		number("min_weight", &s.MinWeight, 10, 1, 100, "what it has at the beginning, in percent of its weight"),
	}}
}
