package config

import (
	"slices"
	"strconv"
	"time"
)

// Retry says when a request that failed is tried again.
type Retry struct {
	Attempts      int           // of one request in all; at least 1, which is never again
	On            []string      // connect, reset, timeout, and statuses such as 503
	Budget        int           // retries that cost a backend something, in percent of the requests
	MinPerSecond  int           // such retries that are always allowed
	PerTryTimeout time.Duration // for the head of a response while another try is left; 0: that of Timeouts
	Backoff       time.Duration // longest pause before the second retry; it doubles from there
}

// Hedge says when a second backend is asked while the first is silent.
type Hedge struct {
	Attempts     int           // of one request beside the one under way; 0: none
	MinDelay     time.Duration // a backend is given at least that
	UnknownDelay time.Duration // and that while its usual times are not known
}

// The words of Retry.On beside statuses.
const (
	RetryConnect = "connect"
	RetryReset   = "reset"
	RetryTimeout = "timeout"
)

var retryWords = []string{RetryConnect, RetryReset, RetryTimeout}

func retryBody(r *Retry) *body {
	r.On = slices.Clone(retryWords)
	on := list("on", &r.On, parseRetryOn, "failures after which a request may be tried again: `\"connect\"` (no connection), `\"reset\"` (it ended before a response), `\"timeout\"` (no response in time), and statuses such as `\"503\"`")
	return &body{fields: []field{
		number("attempts", &r.Attempts, 4, 1, 100, "how often a request is tried in all; 1 turns retries off; up to 16 connections that are refused don't count while a backend is left that was not tried"),
		notEmpty(on).defaultsTo(`["connect", "reset", "timeout"]`),
		number("budget", &r.Budget, 20, 0, 100, "how many more requests the backends may get by retries and hedges, in percent of those of clients"),
		number("min_per_second", &r.MinPerSecond, 10, 0, 1_000_000, "such retries and hedges a second that are allowed in any case"),
		durationOrZero("per_try_timeout", &r.PerTryTimeout, 0, "longest wait for the head of the response while another try is left, with a backend that was not tried and budget for it; 0 leaves it to `response` in `timeouts`"),
		duration("backoff", &r.Backoff, 25*time.Millisecond, "longest pause before the second retry; it doubles with each one, up to 250 ms, and is drawn at random from 0 on; the first retry comes at once"),
	}}
}

func hedgeBody(h *Hedge) *body {
	return &body{fields: []field{
		number("attempts", &h.Attempts, 1, 0, 1, "whether a request may be sent to one backend more while one is silent: 1 or 0. Where that one is silent, too, for `unknown_delay` or its usual time, it goes on to others, within `attempts` of `retry`"),
		duration("min_delay", &h.MinDelay, 20*time.Millisecond, "how long a backend may be silent at least"),
		duration("unknown_delay", &h.UnknownDelay, 500*time.Millisecond, "how long it may be while too little is known of its usual times"),
	}}
}

// parseRetryOn reads a word or a status of Retry.On.
func parseRetryOn(s string) (string, error) {
	if slices.Contains(retryWords, s) {
		return s, nil
	}
	if code, err := strconv.Atoi(s); err == nil {
		if len(s) != 3 || code < 400 || code > 599 {
			return "", faultf("write a status from 400 to 599", "%q can't be retried", s)
		}
		return s, nil
	}
	near := didYouMean(s, retryWords)
	if near != "" {
		return "", faultf("", "%q is none of its values%s", s, near)
	}
	return "", faultf("write "+alternatives(retryWords)+", or a status such as \"503\"", "%q is none of its values", s)
}
