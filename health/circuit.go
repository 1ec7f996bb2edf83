package health

import "time"

// CircuitSpec says when the circuit of a service opens.
type CircuitSpec struct {
	// FailureRate is from how many failures on, in percent of the requests of a
	// Window, it opens; 0 is never. There must have been MinRequests.
	FailureRate, MinRequests int
	Window                   time.Duration
	// OpenFor is how long it stays open before it lets a few requests try.
	OpenFor time.Duration
}

// CircuitState is whether requests pass.
type CircuitState uint8

// The states of a circuit.
const (
	Closed   CircuitState = iota // all pass
	HalfOpen                     // a few do, to try
	Open                         // none does
)

// String returns "closed", "half-open" or "open".
func (s CircuitState) String() string { return [...]string{"closed", "half-open", "open"}[s] }

// circuitTrials is how many requests must succeed before a circuit closes.
const circuitTrials = 5

// circuitSlots is in how many parts a window is counted.
const circuitSlots = 10

// Circuit judges a service as a whole by how its requests end. It is a value:
// [Circuit.Observe] returns the next one. The zero Circuit never opens.
type Circuit struct {
	spec  CircuitSpec
	state CircuitState
	until time.Duration // open; or the end of the slot that is counted in, when closed
	slot  int
	slots [circuitSlots]tally
	tried tally // since it is half-open
}

// tally counts requests, and those of them that failed.
type tally struct{ requests, failures uint64 }

func (t *tally) add(o tally) {
	t.requests += o.requests
	t.failures += o.failures
}

// NewCircuit returns a circuit that is closed.
func NewCircuit(s CircuitSpec) Circuit { return Circuit{spec: s} }

// State returns whether requests pass.
func (c Circuit) State() CircuitState { return c.state }

// Until returns when an open circuit lets requests try, by the time that Observe
// is given.
func (c Circuit) Until() time.Duration { return c.until }

// Trials returns how many requests a half-open circuit lets pass until it is next
// observed. More than that, and a service that has just come back would have
// all of its traffic at once.
func (c Circuit) Trials() int { return max(1, circuitTrials-int(c.tried.requests)) }

// Observe returns the circuit after so many requests since it was last observed,
// some of which failed. now is from any origin, and must not go backwards.
func (c Circuit) Observe(requests, failures uint64, now time.Duration) Circuit {
	if c.spec.FailureRate == 0 {
		return c
	}
	t := tally{requests, failures}
	switch c.state {
	case Closed:
		return c.closed(t, now)
	case HalfOpen:
		return c.halfOpen(t, now)
	default:
		// What ends now began before it opened, and is known already.
		if now < c.until {
			return c
		}
		return Circuit{spec: c.spec, state: HalfOpen}
	}
}

func (c Circuit) closed(t tally, now time.Duration) Circuit {
	width := c.spec.Window / circuitSlots
	if now-c.until >= c.spec.Window { // all of it is past
		c.slots, c.until = [circuitSlots]tally{}, now+width
	}
	for now >= c.until {
		c.slot = (c.slot + 1) % circuitSlots
		c.slots[c.slot] = tally{}
		c.until += max(1, width)
	}
	c.slots[c.slot].add(t)
	var all tally
	for _, s := range c.slots {
		all.add(s)
	}
	if all.requests >= uint64(c.spec.MinRequests) && all.failures*100 >= all.requests*uint64(c.spec.FailureRate) && all.failures > 0 {
		return c.open(now)
	}
	return c
}

func (c Circuit) halfOpen(t tally, now time.Duration) Circuit {
	c.tried.add(t)
	switch {
	case c.tried.failures > 0:
		return c.open(now)
	case c.tried.requests >= circuitTrials:
		return Circuit{spec: c.spec}
	default:
		return c
	}
}

func (c Circuit) open(now time.Duration) Circuit {
	return Circuit{spec: c.spec, state: Open, until: now + c.spec.OpenFor}
}
