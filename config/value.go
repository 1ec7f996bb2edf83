package config

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// orEmpty is parse for an argument that may also be "".
func orEmpty(parse parser) parser {
	return func(s string) (string, error) {
		if s == "" {
			return s, nil
		}
		return parse(s)
	}
}

// parseNotEmpty refuses "".
func parseNotEmpty(s string) (string, error) {
	if s == "" {
		return "", faultf("leave it out, or write what it is", "must not be empty")
	}
	return s, nil
}

// oneOf gives the parser of a string that is one of a few words.
func oneOf(words []string) parser {
	return func(s string) (string, error) {
		if slices.Contains(words, s) {
			return s, nil
		}
		near := didYouMean(s, words)
		if near != "" {
			return "", faultf("", "%q is none of its values%s", s, near)
		}
		return "", faultf("write "+alternatives(words), "%q is none of its values", s)
	}
}

// balances are the ways to pick a backend, and laterBalances those to come.
var (
	balances      = []string{"round_robin", "least_request", "ewma", "random"}
	laterBalances = []string{"hash"}
)

// parseBalance checks the name of a way to pick a backend.
func parseBalance(s string) (string, error) {
	if slices.Contains(laterBalances, s) {
		return "", faultf("write "+alternatives(balances), "%q is not available in this version", s)
	}
	return oneOf(balances)(s)
}

// parseDuration reads a Go duration that is not negative.
func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil {
		if d < 0 {
			return 0, faultf("", "%q is negative", s)
		}
		return d, nil
	}
	if _, err := strconv.ParseUint(s, 10, 32); err == nil {
		return 0, faultf(`write "`+s+`s" or "`+s+`ms"`, "%q has no unit", s)
	}
	return 0, faultf(`write a number with its unit, such as "500ms", "10s" or "1m30s"`, "%q is not a duration", s)
}

// shortDuration writes d as people do: "1m" and not "1m0s".
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseStatus reads one status code, or two with a dash between them.
func parseStatus(s string) (StatusRange, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	least, errLow := strconv.Atoi(strings.TrimSpace(low))
	most, errHigh := strconv.Atoi(strings.TrimSpace(high))
	if errLow != nil || errHigh != nil {
		return StatusRange{}, faultf(`write a code such as "204" or a range such as "200-299"`, "%q is not a status", s)
	}
	// RFC 9110 §15; 1xx are never the end of an answer.
	if least < 200 || most > 599 {
		return StatusRange{}, faultf("", "%q is outside of 200 to 599", s)
	}
	if least > most {
		return StatusRange{}, faultf("write the lower code first", "%q is an empty range", s)
	}
	return StatusRange{least, most}, nil
}
