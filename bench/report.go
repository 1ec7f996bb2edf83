package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// report writes what was measured as Markdown: for each scenario and variant a
// table with a row for each program.
func (r *runner) report(out io.Writer) {
	for _, s := range r.scenarios {
		for _, v := range r.variants {
			if !r.measures(s, v) {
				continue
			}
			fmt.Fprintf(out, "### %s, %s\n\n%s\n", s.title, v.title, r.tableOf(s, v))
		}
		if rate := r.rates[s.name]; rate > 0 {
			fmt.Fprintf(out, "The fixed rate is %s requests/s. Half of the requests were sent within %v of when they were due.\n\n",
				number(rate, 0), r.late[s.name].Round(time.Microsecond))
		}
	}
	if r.traced != nil {
		fmt.Fprintf(out, "### System calls for each request: %s\n\n- %s\n\n", scenarios[0].title, strings.Join(r.traced, "\n- "))
	}
	if r.faults != nil {
		fmt.Fprintf(out, "**Doubtful, since requests failed:**\n\n- %s\n\n", strings.Join(r.faults, "\n- "))
	}
}

// tableOf returns the table of one scenario in one variant. Behind each metric
// stands its ratio to the better of the peers.
func (r *runner) tableOf(s scenario, v variant) string {
	head := []string{""}
	for _, m := range s.metrics() {
		head = append(head, m.title, "×")
	}
	rows := [][]string{head}
	for _, p := range r.programs {
		row := []string{p.name}
		for _, m := range s.metrics() {
			values := r.results[cell{s.name, v.name, p.name, m}]
			if len(values) == 0 {
				row = append(row, "–", "–")
				continue
			}
			reference := r.results.reference(s, v, m, r.programs)
			row = append(row, spreadText(spreadOf(values), m.digits), ratioText(ratios(values, reference)))
		}
		rows = append(rows, row)
	}
	return table(rows)
}
