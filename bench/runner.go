package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// plan is what the command line asks for.
type plan struct {
	rounds    int
	each      time.Duration // one measurement
	scenarios []scenario
	programs  []program
	variants  []variant
	trace     bool // count system calls, too
}

// runner makes the measurements of a plan.
type runner struct {
	plan
	stage     *stage
	instances []*instance
	progress  io.Writer

	results results
	rates   map[string]float64       // requests per second of the open loop, by scenario
	late    map[string]time.Duration // how late half of its requests were at most
	traced  []string
	faults  []string // what makes a figure doubtful
}

func newRunner(p plan, s *stage, progress io.Writer) *runner {
	return &runner{
		plan: p, stage: s, progress: progress,
		results: results{}, rates: map[string]float64{}, late: map[string]time.Duration{},
	}
}

// run launches everything, warms it up, and measures round by round.
func (r *runner) run(ctx context.Context) error {
	defer r.stop()
	for _, v := range r.variants {
		for _, p := range r.programs {
			i, err := r.stage.launch(ctx, p, v)
			if err != nil {
				return err
			}
			r.instances = append(r.instances, i)
			if err := r.prove(ctx, i); err != nil {
				return err
			}
		}
	}
	// Also the first to be measured shall find the pages of the programs in
	// memory, the connections to the backends open, and the heaps grown.
	for _, i := range r.instances {
		fmt.Fprintf(r.progress, "warming up: %s\n", i.label())
		if _, err := runWrk(ctx, i.Dir, i.Address, scenarios[0], time.Second); err != nil {
			return err
		}
	}
	// Round by round, not program by program: what else goes on in the machine
	// changes over minutes, and must meet all of them alike.
	for round := range r.rounds {
		for n, s := range r.scenarios {
			fmt.Fprintf(r.progress, "round %d of %d: %s\n", round+1, r.rounds, s.title)
			if err := r.round(ctx, s, rotate(r.instances, round+n)); err != nil {
				return err
			}
		}
	}
	if !r.trace {
		return nil
	}
	for _, i := range r.instances {
		fmt.Fprintf(r.progress, "system calls: %s\n", i.label())
		calls, err := i.systemCalls(ctx, scenarios[0], r.each)
		if err != nil {
			return err
		}
		r.traced = append(r.traced, i.label()+": "+calls)
	}
	return nil
}

// prove fails unless the instance does the whole job.
func (r *runner) prove(ctx context.Context, i *instance) error {
	ctx, cancel := context.WithTimeout(ctx, jobLimit)
	defer cancel()
	if err := i.checkJob(ctx, r.stage.client); err != nil {
		return i.process.failure(fmt.Errorf("%s: %w", i.variant.title, err))
	}
	return nil
}

func (r *runner) stop() {
	for _, i := range r.instances {
		i.process.stop()
	}
}

// round measures one scenario once with each instance.
func (r *runner) round(ctx context.Context, s scenario, order []*instance) error {
	if s.idle {
		for _, i := range order {
			if !r.measures(s, i.variant) {
				continue
			}
			bytes, err := r.stage.idleCost(ctx, i.program, i.variant, s)
			if err != nil {
				return err
			}
			r.results.add(s, i, idleEach, bytes/1024)
		}
		return nil
	}
	for _, i := range order {
		if err := r.closedLoop(ctx, s, i); err != nil {
			return err
		}
	}
	if r.rates[s.name] == 0 {
		r.rates[s.name] = r.fixedRate(s)
	}
	for _, i := range order {
		if err := r.openLoop(ctx, s, i); err != nil {
			return err
		}
	}
	return nil
}

// measures tells whether a scenario is measured in a variant. What waits is not
// logged or checked any more in one than in the other, so that for idle
// connections the last one stands for all.
func (p plan) measures(s scenario, v variant) bool {
	return !s.idle || v == p.variants[len(p.variants)-1]
}

// closedLoop measures what an instance can do at most, and what that costs.
// Connections are part of it: 64 of them, among tens of thousands of requests.
func (r *runner) closedLoop(ctx context.Context, s scenario, i *instance) error {
	before, err := cpu(i.pids)
	if err != nil {
		return err
	}
	seen, err := runWrk(ctx, i.Dir, i.Address, s, r.each)
	if err != nil {
		return err
	}
	after, err := cpu(i.pids)
	if err != nil {
		return err
	}
	r.results.add(s, i, cpuEach, microseconds(after-before)/float64(seen.requests))
	r.results.add(s, i, perSecond, seen.perSecond)
	if seen.failed > 0 {
		r.fault(s, i, seen.failed, nil)
	}
	return nil
}

// fixedRate returns half of what the slowest did in the first round, in requests
// per second: nobody has a queue there that never ends. It is one rate for all
// rounds, programs and variants, since latency at different rates can't be
// compared.
func (r *runner) fixedRate(s scenario) float64 {
	var slowest float64
	for c, values := range r.results {
		if c.scenario == s.name && c.metric == perSecond && (slowest == 0 || values[0] < slowest) {
			slowest = values[0]
		}
	}
	return slowest / 2
}

// openLoop measures how long requests take that come at a rate which everybody
// can bear, and what they cost then.
func (r *runner) openLoop(ctx context.Context, s scenario, i *instance) error {
	pace, err := newSleeper()
	if err != nil {
		return err
	}
	defer pace.close()
	l := load{scenario: s, rate: r.rates[s.name], duration: r.each, dial: tcp(i.Address), sleep: pace.until}
	before, err := cpu(i.pids)
	if err != nil {
		return err
	}
	seen, err := l.run(ctx)
	if err != nil {
		return err
	}
	after, err := cpu(i.pids)
	if err != nil {
		return err
	}
	if len(seen.took) == 0 {
		return i.process.failure(fmt.Errorf("%s: no answer: %w", s.title, seen.cause))
	}
	r.results.add(s, i, cpuAtRate, microseconds(after-before)/float64(len(seen.took)))
	r.results.add(s, i, median, microseconds(percentile(seen.took, 0.50)))
	r.results.add(s, i, tail, microseconds(percentile(seen.took, 0.99)))
	r.late[s.name] = max(r.late[s.name], percentile(seen.late, 0.50))
	if seen.failed > 0 {
		r.fault(s, i, seen.failed, seen.cause)
	}
	return nil
}

// fault notes that requests failed: figures from such a run are doubtful.
func (r *runner) fault(s scenario, i *instance, n int, cause error) {
	text := fmt.Sprintf("%s, %s: %d requests failed", i.label(), s.title, n)
	if cause != nil {
		text += ", the first because " + cause.Error()
	}
	fmt.Fprintln(r.progress, text)
	r.faults = append(r.faults, text)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
