package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// closedLoop is what wrk saw: each of its connections sends the next request
// as soon as it has the answer, so it finds what the machine can do at most.
type closedLoop struct {
	requests  int
	perSecond float64
	// failed counts errors of sockets, timeouts, and answers that are not 2xx
	// or 3xx. A run with any of them has measured something else.
	failed int
}

var (
	wrkRequests  = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkPerSecond = regexp.MustCompile(`(?m)^Requests/sec:\s+([0-9.]+)`)
	wrkSockets   = regexp.MustCompile(`(?m)^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatuses  = regexp.MustCompile(`(?m)^\s*Non-2xx or 3xx responses: (\d+)`)
)

// parseWrk reads the report that wrk prints at its end.
func parseWrk(report string) (closedLoop, error) {
	var l closedLoop
	requests := wrkRequests.FindStringSubmatch(report)
	perSecond := wrkPerSecond.FindStringSubmatch(report)
	if requests == nil || perSecond == nil {
		return l, fmt.Errorf("not a report of wrk: %q", report)
	}
	// The expressions let digits through only.
	l.requests, _ = strconv.Atoi(requests[1])
	l.perSecond, _ = strconv.ParseFloat(perSecond[1], 64)
	for _, re := range []*regexp.Regexp{wrkSockets, wrkStatuses} {
		if m := re.FindStringSubmatch(report); m != nil {
			for _, digits := range m[1:] {
				n, _ := strconv.Atoi(digits)
				l.failed += n
			}
		}
	}
	if l.requests == 0 {
		return l, errors.New("wrk got no answer at all")
	}
	return l, nil
}

// wrkScript returns what makes wrk send the requests of c. One script for all
// cases keeps wrk's own work the same for each.
func wrkScript(c scenario) string {
	var s strings.Builder
	fmt.Fprintf(&s, "wrk.method = %q\n", c.method)
	if c.body > 0 {
		fmt.Fprintf(&s, "wrk.body = string.rep(\"x\", %d)\n", c.body)
	}
	if c.fresh {
		s.WriteString("wrk.headers[\"Connection\"] = \"close\"\n")
	}
	return s.String()
}

// runWrk loads the address for a time, which wrk knows in whole seconds only.
func runWrk(ctx context.Context, dir, address string, c scenario, d time.Duration) (closedLoop, error) {
	script := filepath.Join(dir, c.name+".lua")
	if err := os.WriteFile(script, []byte(wrkScript(c)), 0o600); err != nil {
		return closedLoop{}, err
	}
	seconds := max(1, int(d.Round(time.Second).Seconds()))
	report, err := output(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(seconds)+"s",
		"-s", script, "http://"+address+c.path)
	if err != nil {
		return closedLoop{}, err
	}
	return parseWrk(report)
}
