package main

import (
	"math"
	"slices"
	"time"
)

// spread is what several rounds gave for one quantity. The median is what is
// compared: one round that something else on the machine got in the way of
// does not move it.
type spread struct{ min, median, max float64 }

// spreadOf returns the spread of at least one value.
func spreadOf(values []float64) spread {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{sorted[0], (sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[n-1]}
}

// ratios divides round by round: what disturbed a round disturbed both sides
// of it, so that these spread less than a quotient of medians would.
func ratios(ours, theirs []float64) []float64 {
	n := min(len(ours), len(theirs))
	quotients := make([]float64, n)
	for i := range quotients {
		quotients[i] = ours[i] / theirs[i]
	}
	return quotients
}

// percentile returns the smallest of the sorted values that at least the share
// p of them does not exceed (the nearest rank), 0 where there is none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// rotate returns the items with the n-th in front: nobody is always the first
// after a pause, nor always behind the same neighbour's garbage.
func rotate[T any](items []T, n int) []T {
	if len(items) == 0 {
		return nil
	}
	n %= len(items)
	return slices.Concat(items[n:], items[:n])
}
