package main

// metric is one quantity that is compared.
type metric struct {
	title    string // heads a column
	digits   int    // behind the point
	moreWins bool   // the larger is the better
}

// The metrics. Those "at the fixed rate" come from the open loop, the first two
// from the closed one.
var (
	cpuEach   = &metric{title: "CPU µs/request", digits: 1}
	perSecond = &metric{title: "requests/s", moreWins: true}
	cpuAtRate = &metric{title: "CPU µs/request at the fixed rate", digits: 1}
	median    = &metric{title: "p50 µs"}
	tail      = &metric{title: "p99 µs"}
	idleEach  = &metric{title: "KB/connection", digits: 2}
)

// metrics are those that a scenario has, as columns from left to right.
func (s scenario) metrics() []*metric {
	if s.idle {
		return []*metric{idleEach}
	}
	return []*metric{cpuEach, perSecond, cpuAtRate, median, tail}
}

// cell is where a value belongs: what was measured, of whom, doing what.
type cell struct {
	scenario, variant, program string
	metric                     *metric
}

// results has what was measured, round by round.
type results map[cell][]float64

func (r results) add(s scenario, i *instance, m *metric, value float64) {
	c := cell{s.name, i.variant.name, i.program.name, m}
	r[c] = append(r[c], value)
}

// reference returns the values of the better of the peers, by their medians:
// what all are compared with, themselves too. It is nil if none was measured.
func (r results) reference(s scenario, v variant, m *metric, all []program) []float64 {
	var best []float64
	for _, p := range all {
		values := r[cell{s.name, v.name, p.name, m}]
		if !p.peer || len(values) == 0 {
			continue
		}
		if best == nil || better(m, spreadOf(values).median, spreadOf(best).median) {
			best = values
		}
	}
	return best
}

func better(m *metric, a, b float64) bool {
	if m.moreWins {
		return a > b
	}
	return a < b
}
