package balancer

import (
	"math"
	"sync/atomic"
	"time"
)

const (
	// forgotten is the time after which what an endpoint's last answers took
	// counts for 1/e: one that was slow once is tried again.
	forgotten = 10 * time.Second
	// asFailure is the time for which a failure counts, if it took less: to fail
	// fast must not draw requests.
	asFailure = time.Second
	// untested is the time for which an endpoint counts that has not answered yet,
	// while it has a request: one is enough to learn more.
	untested = time.Hour
	// peakWeight is 1/ of what a faster answer counts; a slower one counts in full.
	peakWeight = 16
)

// ewma takes the cheaper of two endpoints drawn by weight: that where a request
// is likely to be answered sooner, by what answers took and by how many are
// waited for. A slow answer counts at once, a fast one little by little
// (peak EWMA).
type ewma struct {
	members Members
	draw    func(n uint64) uint64 // uniform in [0, n)
	now     func() time.Duration  // since whenever; more than 0
}

func (w *ewma) Pick(tried []*Endpoint) *Endpoint {
	a, b := w.members.two(w.draw, tried)
	if a.Endpoint == nil {
		return nil
	}
	now := w.now()
	if b.Endpoint != a.Endpoint && b.cost(now) < a.cost(now) {
		a = b
	}
	a.Endpoint.peak.pick(now)
	return a.Endpoint
}

// cost is what a request to the member would cost, in time per weight.
func (m Member) cost(now time.Duration) float64 {
	waiting := m.Endpoint.InFlight()
	took := m.Endpoint.peak.faded(now)
	if took == 0 && waiting > 0 {
		took = float64(untested)
	}
	return took * float64(waiting+1) / float64(m.Weight)
}

// peak is what the algorithm knows of an endpoint. An answer that comes at the
// same moment as another may be lost.
type peak struct {
	took   atomic.Int64 // nanoseconds; 0: it has not answered yet
	picked atomic.Int64 // when it was picked last; 0: never, by this algorithm
}

// faded returns what answers took, in nanoseconds, and less the longer ago it is
// that somebody asked.
func (p *peak) faded(now time.Duration) float64 {
	took := float64(p.took.Load())
	if idle := now - time.Duration(p.picked.Load()); took > 0 && idle > forgotten/1000 {
		took = max(1, took*math.Exp(-float64(idle)/float64(forgotten)))
	}
	return took
}

// pick takes in that the endpoint is asked now.
func (p *peak) pick(now time.Duration) {
	if now-time.Duration(p.picked.Load()) > forgotten/1000 {
		p.took.Store(int64(p.faded(now)))
	}
	p.picked.Store(int64(now))
}

// add takes in an answer.
func (p *peak) add(took time.Duration) {
	if p.picked.Load() == 0 {
		return // nobody asks
	}
	last := p.took.Load()
	if next := int64(took); next >= last {
		p.took.Store(next)
	} else {
		p.took.Store(max(1, last-(last-next)/peakWeight))
	}
}

var began = time.Now()

// uptime is the time since the start, by a clock that nobody can set.
func uptime() time.Duration { return time.Since(began) + 1 }
