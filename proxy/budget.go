package proxy

import (
	"math"
	"sync/atomic"
	"time"
)

// budgetWindow is how far back a budget looks: what is not used within it is
// lost, little by little.
const budgetWindow = 10 * time.Second

// budget is how much more the backends of a service may be asked to do than
// clients ask. Those who pay touch one word; what clients ask is counted anyway,
// and looked at once a tick.
type budget struct {
	left atomic.Int64 // in thousandths of an attempt

	// The clock's:
	began    bool
	at       time.Duration // of the last look
	requests uint64        // until then
}

// price is what an attempt costs.
const price = 1000

// take pays for an attempt, and reports whether there was enough for it.
func (b *budget) take() bool {
	if b.left.Add(-price) >= 0 {
		return true
	}
	b.left.Add(price)
	return false
}

// giveBack returns the price of an attempt that was not made.
func (b *budget) giveBack() { b.left.Add(price) }

// refill adds what has been earned by now, when there have been so many requests
// in all. It is for one goroutine; who pays meanwhile has paid.
func (b *budget) refill(r *Retry, requests uint64, now time.Duration) {
	if !b.began {
		b.began, b.at, b.requests = true, now, requests
		b.left.Store(r.budgetAfter(0, 0, math.MaxInt64))
		return
	}
	elapsed := now - b.at
	if elapsed <= 0 {
		return // another listener of the service was here
	}
	left := b.left.Load()
	b.left.Add(r.budgetAfter(left, requests-b.requests, elapsed) - left)
	b.at, b.requests = now, requests
}

// budgetAfter returns what is left of a budget after a while in which so many
// requests came. It goes towards what is earned in a window at that rate: all of
// it is there after some windows without a retry, and in a storm of them only
// what comes in.
func (r *Retry) budgetAfter(left int64, requests uint64, elapsed time.Duration) int64 {
	perSecond := float64(r.MinPerSecond) + float64(r.Budget)/100*float64(requests)/elapsed.Seconds()
	full := price * perSecond * budgetWindow.Seconds()
	kept := math.Exp(-elapsed.Seconds() / budgetWindow.Seconds())
	return int64(math.Round(full + (float64(left)-full)*kept))
}
