package consul

import "time"

const (
	// burst and perSecond bound how often a source asks for nothing: an index
	// that rises without a change costs no more than this.
	burst     = 20
	perSecond = 10
	// changeCost is what asking costs after an answer that brought a change, in
	// tokens: a service that is deployed in haste is followed fifty times a
	// second, one that flaps in earnest is bounded all the same.
	changeCost = 0.2

	// eagerFor is how long a service that has changed is likely to change again.
	eagerFor = 30 * time.Second

	// minBackoff and maxBackoff bound the pause after a failure. The longest is
	// short: a source that sleeps while Consul is back serves a stale pool.
	minBackoff = 50 * time.Millisecond
	maxBackoff = 500 * time.Millisecond
)

// bucket is a token bucket, of which each request takes a token or less.
type bucket struct {
	tokens float64 // less than 0: taken in advance
	last   time.Time
}

// take takes so much of a token and returns how long to wait until it is there.
func (b *bucket) take(cost float64, now time.Time) time.Duration {
	refill := now.Sub(b.last).Seconds() * perSecond
	b.tokens = min(burst, b.tokens+refill) - cost
	b.last = now
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / perSecond * float64(time.Second))
}

// backoff returns the pause after so many failures in a row, 1 or more: between
// nothing and a limit that doubles, at random in [0, 1), so that many clients
// whose server has failed don't come back all at once.
func backoff(failures int, random float64) time.Duration {
	limit := minBackoff
	for range failures - 1 {
		limit = min(2*limit, maxBackoff)
		if limit == maxBackoff {
			break
		}
	}
	return time.Duration(random * float64(limit))
}
