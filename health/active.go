package health

// Active judges one endpoint by its checks. It is a value: [Active.Observe]
// returns the next one, so any two are compared with ==. The zero Active has
// heard nothing yet and changes its verdict at the first result.
type Active struct {
	healthyAfter, unhealthyAfter int

	verdict          Verdict
	passes, failures int // in a row; at least one of them is 0
	retries          int // checks failed since it went down, no pass between
}

// Verdict is what the checks say of an endpoint.
type Verdict string

// The verdicts. The zero Verdict is that of an endpoint of which nothing is known.
const (
	Unknown   Verdict = ""
	Healthy   Verdict = "healthy"
	Unhealthy Verdict = "unhealthy"
)

// Transition is a change of verdict.
type Transition uint8

// The transitions of an endpoint. An endpoint that was unknown goes up or down
// like any other.
const (
	None Transition = iota
	Up
	Down
)

// String returns "none", "up" or "down".
func (t Transition) String() string {
	switch t {
	case Up:
		return "up"
	case Down:
		return "down"
	default:
		return "none"
	}
}

// NewActive returns the state of an endpoint of which there is a verdict. It goes
// up after healthyAfter passes in a row and, once it has been up, down after
// unhealthyAfter failures in a row. Less than 1 means 1.
func NewActive(v Verdict, healthyAfter, unhealthyAfter int) Active {
	return Active{verdict: v, healthyAfter: healthyAfter, unhealthyAfter: unhealthyAfter}
}

// With returns the same state under other thresholds. The verdict stands: they
// are for what is observed from now on.
func (a Active) With(healthyAfter, unhealthyAfter int) Active {
	a.healthyAfter, a.unhealthyAfter = healthyAfter, unhealthyAfter
	return a
}

// Verdict returns the verdict.
func (a Active) Verdict() Verdict { return a.verdict }

// Observe returns the state after r, and how the verdict changed.
//
// The first failure of an endpoint that is not known yet decides at once: it
// has never proved itself, and no traffic is lost by waiting for its first
// pass. A failure of our own making, such as having run out of descriptors,
// says nothing about the endpoint and changes nothing; but an address that was
// never reached may be one that can't be from here. Nor does a passive
// failure of an endpoint that is down: it gets traffic only when there is none
// better, and that traffic must not hold back its recovery.
func (a Active) Observe(r Result) (Active, Transition) {
	switch {
	case r.Err == nil:
		return a.pass()
	case ownFault(r.Err) && (a.known() || !unassignable(r.Err)), r.Passive && a.down():
		return a, None
	default:
		return a.fail()
	}
}

func (a Active) pass() (Active, Transition) {
	a.passes++
	a.failures, a.retries = 0, 0
	if a.up() || a.passes < a.healthyAfter {
		return a, None
	}
	a.verdict = Healthy
	return a, Up
}

func (a Active) fail() (Active, Transition) {
	a.failures++
	a.passes = 0
	if a.down() {
		a.retries++
		return a, None
	}
	if a.known() && a.failures < a.unhealthyAfter {
		return a, None
	}
	a.verdict = Unhealthy
	return a, Down
}

func (a Active) known() bool { return a.verdict != Unknown }
func (a Active) up() bool    { return a.verdict == Healthy }
func (a Active) down() bool  { return a.verdict == Unhealthy }
