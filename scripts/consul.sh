#!/usr/bin/env bash
# Prints the path of a Consul to run, and nothing else on standard output:
# $ROTA_CONSUL if set, else one on PATH that is new enough, else bin/consul,
# which is built if need be, once, from the version that tools/consul pins.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

# Before 1.14 Consul does not say everything that discovery relies on.
new_enough() {
  local version
  version=$("$1" version 2>/dev/null) || return 1
  [[ $version =~ ^Consul\ v([0-9]+)\.([0-9]+) ]] || return 1
  ((BASH_REMATCH[1] > 1 || BASH_REMATCH[1] == 1 && BASH_REMATCH[2] >= 14))
}

if [[ -n ${ROTA_CONSUL:-} ]]; then
  echo "$ROTA_CONSUL"
  exit
fi
if found=$(type -P consul) && new_enough "$found"; then
  echo "$found"
  exit
fi
if [[ -x bin/consul ]]; then
  echo "$root/bin/consul"
  exit
fi

if ! type -P go >/dev/null; then
  echo "consul.sh: there is neither consul 1.14 or newer nor go on PATH; install one of them" >&2
  exit 1
fi

# What is built gets its name when it is whole: an interrupted build leaves
# nothing. The folder is a neighbour, since a rename stays on one file system.
mkdir -p bin
work=$(mktemp -d "$root/bin/.consul.XXXXXX")
build=
clean_up() {
  if [[ -n $build ]]; then
    kill "$build" 2>/dev/null || true
    wait "$build" 2>/dev/null || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

echo "consul.sh: building Consul into bin/consul; this takes some minutes, once" >&2
CGO_ENABLED=0 GOWORK=off go -C tools/consul build -v -o "$work/consul" github.com/hashicorp/consul 2>"$work/log" &
build=$!
shown=0
while kill -0 "$build" 2>/dev/null; do
  sleep 1
  if ((SECONDS - shown >= 10)); then
    shown=$SECONDS
    downloads=$(grep -c '^go: downloading' "$work/log" || true)
    packages=$(grep -vc '^go: ' "$work/log" || true)
    echo "consul.sh: ${SECONDS} s, $downloads modules downloaded, $packages packages compiled" >&2
  fi
done
if ! wait "$build"; then
  build=
  echo "consul.sh: building Consul failed:" >&2
  tail -n 20 "$work/log" >&2
  exit 1
fi
build=
mv "$work/consul" bin/consul
echo "$root/bin/consul"
