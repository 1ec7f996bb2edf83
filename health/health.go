// Package health finds out which endpoints can serve. It knows an endpoint by
// its ID and address alone: where endpoints come from and what their health
// is used for is for others to say.
//
// The judging is pure: [Active] takes one result after another and says when
// the verdict changes. The asking is thin: a [Checker] probes a set of
// endpoints that may change at any time, one goroutine each, and tells its
// owner what every check found.
package health

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// Spec says how the endpoints of one service are checked.
type Spec struct {
	// Path is what an HTTP check asks for, query included. Without it a check
	// is a TCP connect.
	Path string
	// Host is the Host header of an HTTP check; "" sends the endpoint's
	// address.
	Host string
	// Expect holds the statuses that count as healthy; none means 200-299.
	Expect []StatusRange
	// Interval is the time from the end of one check to the start of the next
	// while nothing is amiss; it must be positive.
	Interval time.Duration
	// Timeout limits a whole check, from the lookup of the name to the last
	// byte that is read of the answer; it must be positive.
	Timeout time.Duration
	// HealthyAfter is how many checks in a row must pass before an endpoint
	// counts as healthy, UnhealthyAfter how many must fail before one that has
	// been healthy no longer does. Less than 1 means 1.
	HealthyAfter, UnhealthyAfter int
}

// StatusRange is a range of HTTP statuses, both ends included.
type StatusRange struct{ Min, Max int }

// String returns the range as people write it: "200-299", or "204".
func (s StatusRange) String() string {
	if s.Min == s.Max {
		return strconv.Itoa(s.Min)
	}
	return strconv.Itoa(s.Min) + "-" + strconv.Itoa(s.Max)
}

// expected returns the ranges of statuses that count as healthy.
func (s Spec) expected() statusRanges {
	if len(s.Expect) == 0 {
		return statusRanges{{Min: 200, Max: 299}}
	}
	return s.Expect
}

type statusRanges []StatusRange

func (s statusRanges) contain(status int) bool {
	for _, r := range s {
		if r.Min <= status && status <= r.Max {
			return true
		}
	}
	return false
}

func (s statusRanges) String() string {
	words := make([]string, len(s))
	for i, r := range s {
		words[i] = r.String()
	}
	return strings.Join(words, " or ")
}

// Result is the outcome of one check, or one sign from live traffic.
type Result struct {
	// Err says in a few words what was wrong; nil means that all was well.
	Err error
	// Passive is set when the result is not from a check but from live traffic.
	Passive bool
	// Took is how long the check ran; 0 when Passive.
	Took time.Duration
}

// Report is what a [Checker] tells of one observation.
type Report struct {
	ID, Address string
	Result      Result
	// Transition is how Result changed the verdict, and Active the state after
	// it.
	Transition Transition
	Active     Active
	At         time.Time
}

// ReportFunc receives the reports of a [Checker]: one at a time for each
// endpoint, from as many goroutines as there are endpoints. It may block, which
// holds up the checks of that endpoint alone, but must return once ctx is done:
// then the endpoint has been forgotten and the report may be dropped.
type ReportFunc func(ctx context.Context, r Report)
