package main

import (
	"strings"
	"testing"
)

const wrkReport = `Running 1s test @ http://127.0.0.1:20000/128
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.95ms    1.02ms  11.27ms   72.33%
    Req/Sec    33.21k     2.30k   36.71k    70.00%
  33145 requests in 1.00s, 9.48MB read
Requests/sec:  33095.15
Transfer/sec:      9.47MB
`

func TestParseWrk(t *testing.T) {
	failing := strings.Replace(wrkReport, "Requests/sec",
		"  Socket errors: connect 1, read 2, write 30, timeout 400\n  Non-2xx or 3xx responses: 5000\nRequests/sec", 1)
	tests := []struct {
		name, report string
		want         closedLoop
		wrong        string
	}{
		{"well", wrkReport, closedLoop{requests: 33145, perSecond: 33095.15}, ""},
		{"failures are counted", failing, closedLoop{33145, 33095.15, 5433}, ""},
		{"no answer", strings.Replace(wrkReport, "33145", "0", 1), closedLoop{}, "no answer"},
		{"no report", "unable to connect to 127.0.0.1:20000 Connection refused\n", closedLoop{}, "not a report"},
		{"nothing", "", closedLoop{}, "not a report"},
	}
	for _, tt := range tests {
		got, err := parseWrk(tt.report)
		switch {
		case tt.wrong == "" && (err != nil || got != tt.want):
			t.Errorf("%s: got %+v, %v, want %+v", tt.name, got, err, tt.want)
		case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
			t.Errorf("%s: got the error %v, want %q", tt.name, err, tt.wrong)
		}
	}
}

func TestWrkScript(t *testing.T) {
	tests := []struct {
		scenario scenario
		want     string
	}{
		{scenario{method: "GET"}, "wrk.method = \"GET\"\n"},
		{scenario{method: "POST", body: 16384}, "wrk.method = \"POST\"\nwrk.body = string.rep(\"x\", 16384)\n"},
		{scenario{method: "GET", fresh: true}, "wrk.method = \"GET\"\nwrk.headers[\"Connection\"] = \"close\"\n"},
	}
	for _, tt := range tests {
		if got := wrkScript(tt.scenario); got != tt.want {
			t.Errorf("%+v: got\n%swant\n%s", tt.scenario, got, tt.want)
		}
	}
}
