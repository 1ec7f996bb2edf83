package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// measured is a runner with two rounds of one scenario.
func measured(t *testing.T) *runner {
	t.Helper()
	var chosen []program
	for _, name := range []string{"rota", "nginx", "haproxy"} {
		i := slices.IndexFunc(programs, func(p program) bool { return p.name == name })
		chosen = append(chosen, programs[i])
	}
	r := newRunner(plan{rounds: 2, scenarios: scenarios[:1], programs: chosen, variants: variants[1:]}, nil, nil)
	for name, values := range map[string][2][2]float64{ // CPU and requests/s, by round
		"rota":    {{30, 40}, {1200, 600}},
		"nginx":   {{10, 20}, {2000, 3000}},
		"haproxy": {{12, 16}, {4000, 1500}},
	} {
		i := &instance{program: program{name: name}, variant: variants[1]}
		for round := range 2 {
			r.results.add(scenarios[0], i, cpuEach, values[0][round])
			r.results.add(scenarios[0], i, perSecond, values[1][round])
		}
	}
	return r
}

// The better of the peers is the one with less CPU, and the one with more
// requests; and these need not be the same.
func TestReference(t *testing.T) {
	r := measured(t)
	tests := []struct {
		metric *metric
		among  []program
		want   []float64
	}{
		{cpuEach, r.programs, []float64{12, 16}},       // haproxy: 14 against 15
		{perSecond, r.programs, []float64{4000, 1500}}, // haproxy: 2,750 against 2,500
		{cpuEach, r.programs[:2], []float64{10, 20}},   // nginx alone
		{cpuEach, r.programs[:1], nil},                 // rota is nobody's measure
		{tail, r.programs, nil},                        // was not measured
	}
	for _, tt := range tests {
		if got := r.results.reference(scenarios[0], variants[1], tt.metric, tt.among); !slices.Equal(got, tt.want) {
			t.Errorf("%s among %d programs: got %v, want %v", tt.metric.title, len(tt.among), got, tt.want)
		}
	}
}

func TestReport(t *testing.T) {
	r := measured(t)
	r.rates["get-128"], r.late["get-128"] = 500.4, 23456*time.Nanosecond
	r.traced = []string{"rota, everything on: 6.77: read 4.06"}
	var out strings.Builder
	r.report(&out)
	for _, want := range []string{
		"### GET, 128 B, everything on\n\n|",
		"| rota    | 30.0 / 35.0 / 40.0 | 2.50 (2.50–2.50) |     600 / 900 / 1,200 | 0.35 (0.30–0.40) |",
		"| nginx   | 10.0 / 15.0 / 20.0 | 1.04 (0.83–1.25) | 2,000 / 2,500 / 3,000 | 1.25 (0.50–2.00) |",
		"| haproxy | 12.0 / 14.0 / 16.0 | 1.00 (1.00–1.00) | 1,500 / 2,750 / 4,000 | 1.00 (1.00–1.00) |",
		"The fixed rate is 500 requests/s. Half of the requests were sent within 23µs of when they were due.\n",
		"### System calls for each request: GET, 128 B\n\n- rota, everything on: 6.77: read 4.06\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "Doubtful") {
		t.Error("it is doubtful, though nothing failed")
	}
}

// Failures stand where nobody can miss them.
func TestReportOfFailures(t *testing.T) {
	r := measured(t)
	var progress, out strings.Builder
	r.progress = &progress
	r.fault(scenarios[0], &instance{program: programs[0], variant: variants[0]}, 7, nil)
	r.fault(scenarios[0], &instance{program: programs[1], variant: variants[1]}, 1, errFraming)
	r.report(&out)
	want := "**Doubtful, since requests failed:**\n\n" +
		"- rota, access log off, GET, 128 B: 7 requests failed\n" +
		"- nginx, everything on, GET, 128 B: 1 requests failed, the first because an answer without Content-Length\n"
	if !strings.Contains(out.String(), want) {
		t.Errorf("no %q in\n%s", want, out.String())
	}
	if strings.Count(progress.String(), "requests failed") != 2 {
		t.Errorf("while it ran, it said only %q", progress.String())
	}
}

func TestFixedRate(t *testing.T) {
	r := measured(t)
	other := &instance{program: programs[0], variant: variants[0]}
	r.results.add(scenarios[1], other, perSecond, 1) // of another scenario
	if got := r.fixedRate(scenarios[0]); got != 600 {
		t.Errorf("got %v, want rota's first round halved, 600", got)
	}
}

func TestMeasures(t *testing.T) {
	p := plan{variants: variants}
	idle := scenarios[len(scenarios)-1]
	for _, tt := range []struct {
		s    scenario
		v    variant
		want bool
	}{{scenarios[0], variants[0], true}, {scenarios[0], variants[1], true}, {idle, variants[0], false}, {idle, variants[1], true}} {
		if got := p.measures(tt.s, tt.v); got != tt.want {
			t.Errorf("%s, %s: got %v", tt.s.name, tt.v.name, got)
		}
	}
	if p.variants = variants[:1]; !p.measures(idle, variants[0]) {
		t.Error("idle connections are not measured where there is one variant")
	}
}

func TestMetricsOfScenarios(t *testing.T) {
	for _, s := range scenarios {
		if got, want := s.metrics(), []*metric{idleEach}; slices.Equal(got, want) != s.idle {
			t.Errorf("%s has %d metrics", s.name, len(got))
		}
	}
}
