#!/usr/bin/env bash
# Runs each fuzz test of the module for a while: fuzz.sh [TIME], 10s unless told.
set -euo pipefail
cd "$(dirname "$0")/.."

for package in $(go list ./...); do
  # Without a match, -list prints the package's summary line alone.
  for fuzzer in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "$fuzzer in $package"
    go test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "${1:-10s}" "$package"
  done
done
