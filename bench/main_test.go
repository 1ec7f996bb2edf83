package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is also a child that a test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BENCH_TEST_CHILD"); dir != "" {
		beKilled(dir)
	}
	goleak.VerifyTestMain(m)
}
