package health

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// OutlierSpec says when an endpoint is out for how live traffic fares on it, and
// for how long. What compares endpoints needs at least MinHosts of them with
// MinRequests each in an interval.
type OutlierSpec struct {
	// Consecutive is how many failures in a row are too many; 0: none are.
	Consecutive int
	// Deviations is by how many standard deviations of the others' success rates
	// one may be below their mean; 0: it does not matter.
	Deviations float64
	// LatencyFactor is how many times the median of all means one may take to
	// answer, LatencyFloor the mean up to which nobody is slow; 0: it does not
	// matter.
	LatencyFactor float64
	LatencyFloor  time.Duration

	MinHosts, MinRequests int
	Interval              time.Duration // from one comparison to the next; must be positive

	// BaseEjection is for how long an endpoint is out the first time. It doubles
	// with each time that follows, up to MaxEjection.
	BaseEjection, MaxEjection time.Duration
	// MaxEjected is the share of a service that may be out at once, in percent; 0:
	// nobody ever is.
	MaxEjected int
}

// Cause is why an endpoint is out.
type Cause uint8

// The causes. NoCause is that of an endpoint that is not out.
const (
	NoCause Cause = iota
	ConsecutiveFailures
	SuccessRate
	Latency
	Flapping
)

// Causes lists the causes of being out.
var Causes = []Cause{ConsecutiveFailures, SuccessRate, Latency, Flapping}

// String returns the cause as logs and metrics name it.
func (c Cause) String() string {
	return [...]string{"none", "consecutive_failures", "success_rate", "latency", "flapping"}[c]
}

const (
	// minGap is the least by which a success rate must be below the others': an
	// error now and then is not worth an endpoint.
	minGap = 0.1
	// settling is how many times as long as it would be out next an endpoint must
	// do well until one ejection is forgotten.
	settling = 4
)

// ejection returns for how long the n-th ejection in a row lasts.
func (s OutlierSpec) ejection(n int) time.Duration {
	d := s.BaseEjection
	for ; n > 1 && d < s.MaxEjection; n-- {
		d *= 2
	}
	return min(d, s.MaxEjection)
}

// Allows reports whether one of the endpoints that serve may be taken out where
// others are already: never the last one, and, unless it is the first, no more
// than the share.
func (s OutlierSpec) Allows(serving, out int) bool {
	switch {
	case serving < 2 || s.MaxEjected == 0:
		return false
	case out == 0:
		return true
	default:
		return (out+1)*100 <= s.MaxEjected*(serving+out)
	}
}

// Sample is how an endpoint did within an interval.
type Sample struct {
	Requests uint64 // that have ended, and tell of it
	Failures uint64 // of them, answers of 5xx included
	Streak   int    // of failures, up to now
	Latency  time.Duration
}

// Judge compares endpoints that serve, and returns for each why it should be
// out, NoCause for most.
func (s OutlierSpec) Judge(samples []Sample) []Cause {
	causes := make([]Cause, len(samples))
	s.judgeLatency(samples, causes)
	s.judgeSuccess(samples, causes)
	for i, sample := range samples {
		if s.Consecutive > 0 && sample.Streak >= s.Consecutive {
			causes[i] = ConsecutiveFailures
		}
	}
	return causes
}

// busy reports whether a sample is large enough to be compared.
func (s OutlierSpec) busy(sample Sample) bool {
	return sample.Requests > 0 && sample.Requests >= uint64(s.MinRequests)
}

// judgeSuccess compares each success rate with those of the others. With the
// one that is judged among them, one of few could never be far enough from
// their mean.
func (s OutlierSpec) judgeSuccess(samples []Sample, causes []Cause) {
	var n, sum, squares float64
	for _, sample := range samples {
		if s.busy(sample) {
			r := sample.success()
			n, sum, squares = n+1, sum+r, squares+r*r
		}
	}
	if s.Deviations == 0 || n < max(2, float64(s.MinHosts)) {
		return
	}
	for i, sample := range samples {
		if !s.busy(sample) {
			continue
		}
		r := sample.success()
		mean := (sum - r) / (n - 1)
		deviation := math.Sqrt(max(0, (squares-r*r)/(n-1)-mean*mean))
		if r < mean-max(minGap, s.Deviations*deviation) {
			causes[i] = SuccessRate
		}
	}
}

func (s Sample) success() float64 {
	return 1 - float64(min(s.Failures, s.Requests))/float64(s.Requests)
}

// judgeLatency compares each mean with the median of all.
func (s OutlierSpec) judgeLatency(samples []Sample, causes []Cause) {
	var all []time.Duration
	for _, sample := range samples {
		if sample.Latency > 0 && s.busy(sample) {
			all = append(all, sample.Latency)
		}
	}
	if s.LatencyFactor == 0 || len(all) < max(2, s.MinHosts) {
		return
	}
	slices.Sort(all)
	limit := max(float64(s.LatencyFloor), s.LatencyFactor*float64(all[(len(all)-1)/2]))
	for i, sample := range samples {
		if s.busy(sample) && float64(sample.Latency) > limit {
			causes[i] = Latency
		}
	}
}

// maxLevel is more ejections in a row than anybody has.
const maxLevel = 64

// Outlier is what is remembered of one endpoint's ejections. It is a value: its
// methods return the next one. The zero Outlier has never been out. The times
// that it is given have to come from [time.Now], so that a clock that is set
// changes nothing.
type Outlier struct {
	cause Cause
	since time.Time // of the last change, or of the last ejection forgotten
	until time.Time // it is out at least until then
	level int       // ejections that are not forgotten
	slow  bool      // it was too slow when last compared
}

// outlierState is an Outlier at a moment. Its times are distances from that: the
// clocks of two processes have nothing in common that nobody can set.
type outlierState struct {
	Cause string        `json:"cause,omitzero"`
	Since time.Duration `json:"since,omitzero"`
	Left  time.Duration `json:"left,omitzero"`
	Level int           `json:"level,omitzero"`
	Slow  bool          `json:"slow,omitzero"`
}

// MarshalJSON writes the state as it is now, for another process.
func (o Outlier) MarshalJSON() ([]byte, error) {
	now := time.Now()
	s := outlierState{Level: o.level, Slow: o.slow}
	if !o.since.IsZero() {
		s.Since = now.Sub(o.since)
	}
	if o.cause != NoCause {
		s.Cause, s.Left = o.cause.String(), o.until.Sub(now)
	}
	return json.Marshal(s)
}

// UnmarshalJSON goes on with a state from now.
func (o *Outlier) UnmarshalJSON(text []byte) error {
	var s outlierState
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	now := time.Now()
	*o = Outlier{level: max(0, min(s.Level, maxLevel)), slow: s.Slow}
	if s.Since != 0 {
		o.since = now.Add(-s.Since)
	}
	if i := slices.IndexFunc(Causes, func(c Cause) bool { return c.String() == s.Cause }); i >= 0 {
		o.cause, o.until = Causes[i], now.Add(s.Left)
	}
	return nil
}

// Cause returns why the endpoint is out, NoCause while it is not.
func (o Outlier) Cause() Cause { return o.cause }

// Until returns when the time of an endpoint that is out is over. From then on
// a good check brings it back.
func (o Outlier) Until() time.Time { return o.until }

// Compared returns the state after a comparison that found c. To be slow once
// may be chance, so only the second time in a row is a cause.
func (o Outlier) Compared(s OutlierSpec, c Cause, now time.Time) Outlier {
	slow := o.slow
	o.slow = c == Latency && o.cause == NoCause
	if c == NoCause {
		return o.settled(s, now)
	}
	if c == Latency && !slow {
		return o
	}
	return o.Eject(s, c, now)
}

// Eject takes the endpoint out, unless it is.
func (o Outlier) Eject(s OutlierSpec, c Cause, now time.Time) Outlier {
	if o.cause != NoCause {
		return o
	}
	o = o.settled(s, now)
	o.level++
	return o.out(s.ejection(o.level), c, now)
}

// Fell takes in that the active checks have just found the endpoint down. That
// is for them to deal with, but who goes up and down all the time stays out, for
// longer each time.
func (o Outlier) Fell(s OutlierSpec, now time.Time) Outlier {
	if o.cause != NoCause || s.MaxEjected == 0 {
		return o
	}
	o = o.settled(s, now)
	if o.level++; o.level < flaps {
		o.since = now
		return o
	}
	return o.out(s.ejection(o.level-flaps+1), Flapping, now)
}

// flaps is how many times in a row the checks must find an endpoint down to
// make it one that flaps: a restart may take two.
const flaps = 3

func (o Outlier) out(d time.Duration, c Cause, now time.Time) Outlier {
	o.cause, o.slow = c, false
	o.since, o.until = now, now.Add(d)
	return o
}

// Checked returns the state after a good check that began at the given time: it
// is proof of an endpoint whose time is over.
func (o Outlier) Checked(began time.Time) Outlier {
	if o.cause == NoCause || began.Before(o.until) {
		return o
	}
	return o.Return(began)
}

// Return brings the endpoint back before its time.
func (o Outlier) Return(now time.Time) Outlier {
	if o.cause != NoCause {
		o.cause, o.since = NoCause, now
	}
	return o
}

// settled forgets ejections after which the endpoint did well for long enough.
func (o Outlier) settled(s OutlierSpec, now time.Time) Outlier {
	for o.cause == NoCause && o.level > 0 {
		wait := settling * s.ejection(o.level)
		if now.Sub(o.since) < wait {
			break
		}
		o.level--
		o.since = o.since.Add(wait)
	}
	return o
}
