#!/usr/bin/env bash
# Runs each fuzz test of the module for a while: fuzz.sh [TIME], 10s unless told.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(go list ./...)
for package in $packages; do
  # On its own, so that a package that does not compile ends the script.
  listed=$(go test -list '^Fuzz' "$package") || { echo "$listed" >&2; exit 1; }
  # Without a match, -list prints the package's summary line alone.
  for fuzzer in $(grep '^Fuzz' <<<"$listed" || true); do
    echo "$fuzzer in $package"
    go test -run '^$' -fuzz "^$fuzzer\$" -fuzztime "${1:-10s}" "$package"
  done
done
