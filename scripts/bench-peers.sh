#!/usr/bin/env bash
# Makes sure that what rota is compared with is there: nginx (which plays the
# backends, too), HAProxy and the load generator wrk. What is there already is
# left as it is. Only Debian and its kin know these package names.
set -euo pipefail
PATH=$PATH:/usr/sbin # where servers are, and which not everybody's PATH has

missing=()
command -v nginx >/dev/null || missing+=(nginx-light)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v wrk >/dev/null || missing+=(wrk)
if ((${#missing[@]} == 0)); then
  exit
fi

fail() {
  echo "bench-peers: missing: ${missing[*]}. $1" >&2
  exit 1
}

command -v apt-get >/dev/null || fail "Install nginx, haproxy and wrk with the package manager of this system."
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || fail "Run as root: apt-get install --no-install-recommends ${missing[*]}"
  as_root=(sudo)
fi

echo "bench-peers: installing ${missing[*]}" >&2
# A package that is a server would be started at once, on port 80.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" install -m 755 /dev/stdin "$policy"
  trap '"${as_root[@]}" rm -f "$policy"' EXIT
fi
install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}")
"${install[@]}" >&2 || { "${as_root[@]}" apt-get update >&2 && "${install[@]}" >&2; } ||
  fail "Installing them failed; see above."
