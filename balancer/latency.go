package balancer

import (
	"sync/atomic"
	"time"
)

// latency estimates how long an endpoint takes to answer. Its parts are a word
// each, and an answer that comes at the same moment as another may be lost:
// that costs nothing, and one more or less changes nothing. The zero value has
// heard of no answer.
type latency struct {
	mean     atomic.Uint64 // nanoseconds, above them how many answers there were
	quantile atomic.Uint64 // nanoseconds
}

const (
	// known is how many answers there must have been before anybody is told.
	known = 20
	// enough is how many count alike; the mean is that of the latest from then
	// on. It fits in the top byte of a word.
	enough = 32

	countShift = 56
	meanMask   = 1<<countShift - 1

	// A backend that becomes slow is to be avoided before much is lost, and one
	// that has become fast can wait to be believed: a slower answer counts for
	// 1/8 of the mean, a faster one for 1/16.
	slower, faster = 3, 4

	// The quantile goes down by 1/1024 with each answer that was faster and up by
	// 99 of those with one that was slower: it rests where one in a hundred is.
	quantileShift = 10
	quantileUp    = 99
	// The smallest quantile in nanoseconds: below it a step is nothing.
	quantileFloor = 1 << quantileShift
	// The quantile is no more than that many means: some slow answers in a row
	// move it far up, and the mean is back sooner. A few services have a longer
	// tail; what is done for who is over the quantile is done a little too often
	// then.
	quantileBound = 8
	// Where it begins, in means: that of a service with exponential times is
	// 4.6, and the way up is short.
	quantileStart = 3
)

// add takes in an answer that took d.
func (l *latency) add(d time.Duration) {
	d = max(1, min(d, meanMask))
	word := l.mean.Load()
	n, mean := word>>countShift, blend(word, uint64(d))
	if n++; n > enough {
		n = enough
	}
	l.mean.Store(n<<countShift | mean)
	if n > known {
		l.quantile.Store(step(l.quantile.Load(), mean, uint64(d)))
	} else {
		l.quantile.Store(quantileStart * mean)
	}
}

// atLeast takes in that an answer would have taken d or longer. The quantile is
// that of answers alone: who hangs must not be given more time for it.
func (l *latency) atLeast(d time.Duration) {
	word := l.mean.Load()
	if d = min(d, meanMask); uint64(d) > word&meanMask {
		l.mean.Store(word&^meanMask | blend(word, uint64(d)))
	}
}

// forget makes l the zero value again.
func (l *latency) forget() {
	l.mean.Store(0)
	l.quantile.Store(0)
}

// learned returns the estimates, and how many answers they are worth.
func (l *latency) learned() (n uint64, mean, p99 time.Duration) {
	word := l.mean.Load()
	return word >> countShift, time.Duration(word & meanMask), time.Duration(l.quantile.Load())
}

// learn takes over the estimates of another.
func (l *latency) learn(n uint64, mean, p99 time.Duration) {
	l.mean.Store(min(n, enough)<<countShift | uint64(max(0, min(mean, meanMask))))
	l.quantile.Store(uint64(max(0, p99)))
}

// get returns the estimates, 0 where they are worth nothing yet.
func (l *latency) get() (mean, p99 time.Duration) {
	word := l.mean.Load()
	if word>>countShift < known {
		return 0, 0
	}
	return time.Duration(word & meanMask), time.Duration(l.quantile.Load())
}

// blend returns the mean of a word after d.
func blend(word, d uint64) uint64 {
	n, mean := word>>countShift, word&meanMask
	switch {
	case n < enough && d > mean:
		return mean + (d-mean)/(n+1)
	case n < enough:
		return mean - (mean-d)/(n+1)
	case d > mean:
		return mean + (d-mean)>>slower
	default:
		return mean - (mean-d)>>faster
	}
}

// step returns the quantile q after d.
func step(q, mean, d uint64) uint64 {
	if unit := q >> quantileShift; d > q {
		q += quantileUp * unit
	} else {
		q -= unit
	}
	return max(quantileFloor, min(q, quantileBound*mean))
}
