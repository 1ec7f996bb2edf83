package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// A comparison is of programs that do the same. What a configuration says is
// not proof of that; what arrives at a backend is.

// jobLimit is how long a program may take to be seen doing its job.
const jobLimit = 10 * time.Second

// parseJob reads what a backend tells of the request that came to it: lines
// of name=value.
func parseJob(text string) map[string]string {
	job := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		job[name] = value
	}
	return job
}

// jobFaults returns what a request that reached a backend lacks.
func jobFaults(job map[string]string) (faults []string) {
	for _, want := range []struct{ name, value string }{
		{"protocol", "HTTP/1.1"},
		{"host", requestHost},
		{"for", "127.0.0.1"},
		{"proto", "http"},
		{"forwarded-host", requestHost},
	} {
		if got := job[want.name]; got != want.value {
			faults = append(faults, fmt.Sprintf("%s is %q, not %q", want.name, got, want.value))
		}
	}
	if strings.EqualFold(job["connection"], "close") {
		faults = append(faults, "the connection to the backend is not kept")
	}
	if !strings.HasPrefix(job["via"], "1.1 ") {
		faults = append(faults, fmt.Sprintf("via is %q", job["via"]))
	}
	return faults
}

// checkJob asks a proxy for what each scenario asks for, and shows that it does
// the whole job: all backends are used, the fields are there, and lines are
// written to the access log, if there is to be one.
func (s setup) checkJob(ctx context.Context, client *http.Client) error {
	var used []string
	for range 8 * len(s.Backends) {
		text, err := fetch(ctx, client, s.Address, scenario{method: "GET", path: "/job", status: http.StatusOK})
		if err != nil {
			return err
		}
		job := parseJob(text)
		if faults := jobFaults(job); faults != nil {
			return fmt.Errorf("it does another job: %s", strings.Join(faults, "; "))
		}
		if !slices.Contains(used, job["backend"]) {
			used = append(used, job["backend"])
		}
	}
	if len(used) != len(s.Backends) {
		return fmt.Errorf("only %q of %q are used", used, s.Backends)
	}
	for _, c := range scenarios {
		text, err := fetch(ctx, client, s.Address, c)
		if err != nil {
			return err
		}
		if len(text) != c.answer {
			return fmt.Errorf("%s: %d bytes, not %d", c.name, len(text), c.answer)
		}
	}
	if s.Full {
		return s.checkFull(ctx, client)
	}
	return nil
}

// checkFull shows that the access log and the metrics are there.
func (s setup) checkFull(ctx context.Context, client *http.Client) error {
	text, err := fetch(ctx, client, s.Admin, scenario{method: "GET", path: "/metrics", status: http.StatusOK})
	if err != nil || text == "" {
		return errors.Join(errors.New("no metrics"), err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(accessLog(s.Dir))
		if err == nil && strings.Contains(string(text), `"POST /post HTTP/1.1" 204`) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return errors.Join(errors.New("no line in the access log"), err)
		}
	}
}

// fetch makes one request and returns the body of the answer.
func fetch(ctx context.Context, client *http.Client, address string, c scenario) (string, error) {
	r, err := http.NewRequestWithContext(ctx, c.method, "http://"+address+c.path, strings.NewReader(strings.Repeat("x", c.body)))
	if err != nil {
		return "", err
	}
	r.Host, r.Close = requestHost, c.fresh
	answer, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if answer.StatusCode != c.status {
		return "", fmt.Errorf("%s %s: %s", c.method, c.path, answer.Status)
	}
	return string(body), nil
}
