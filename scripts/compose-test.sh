#!/usr/bin/env bash
# Brings docker-compose.yml up as it is shipped and tries it: test/compose has
# what is tried. Where the public base images can't be pulled, it makes
# stand-ins from what this machine has. They are kept under a name of their own
# and lend themselves to the public one for the time of the test only, so they
# never take the place of an image that was pulled.
set -euo pipefail
cd "$(dirname "$0")/.."

if docker compose version >/dev/null 2>&1; then
  compose="docker compose"
elif docker-compose version >/dev/null 2>&1; then
  compose=docker-compose
else
  echo "compose-test: neither docker compose nor docker-compose is installed" >&2
  exit 1
fi
export COMPOSE="${COMPOSE:-$compose}"
export COMPOSE_PROJECT_NAME=rota-compose-test

label=rota.stand-in # its value says what the stand-in was made from
work=$(mktemp -d)
lent=()

finish() {
  $COMPOSE down --volumes --rmi local --timeout 1 >/dev/null 2>&1 || true
  for image in "${lent[@]}"; do
    docker rmi "$image" >/dev/null
  done
  rm -rf "$work"
}
trap finish EXIT

# have IMAGE MAKER KEY: the image is there, pulled or with a stand-in's help.
# MAKER fills a directory and prints the options for docker import.
have() {
  local image=$1 maker=$2 key=$3 own=rota-stand-in/${1#*/}
  local inspect=(docker image inspect --format "{{index .Config.Labels \"$label\"}}")
  if found=$("${inspect[@]}" "$image" 2>/dev/null) && [ -z "$found" ]; then
    return
  fi
  docker pull "$image" && return
  if [ "$("${inspect[@]}" "$own" 2>/dev/null)" != "$key" ]; then
    echo "compose-test: making a stand-in for $image"
    local root="$work/${image//[^a-z0-9]/-}" options
    mkdir "$root"
    mapfile -t options < <("$maker" "$root")
    tar -C "$root" --owner=0 --group=0 --numeric-owner -c . |
      docker import "${options[@]/#/--change=}" "--change=LABEL $label=$key" - "$own" >/dev/null
  fi
  docker tag "$own" "$image"
  lent+=("$image")
}

# libraries PROGRAM ROOT: copies what a program is linked with, if anything.
libraries() {
  local needed
  needed=$(ldd "$1" 2>/dev/null | grep -o '/[^ )]*') || return 0
  xargs cp -L --parents --target-directory="$2" <<<"$needed"
}

# A Go image: the toolchain, a shell, and the modules of go.sum as a proxy.
golang_root() {
  local root=$1 cache path version kind file
  mkdir -p "$root"/{bin,etc/ssl/certs,go,root,tmp,usr/local/go}
  cp -L /bin/sh "$root/bin/sh"
  libraries /bin/sh "$root"
  cp -RL "$(go env GOROOT)/." "$root/usr/local/go"
  echo 'root:x:0:0::/root:/bin/sh' >"$root/etc/passwd"
  cat /etc/ssl/certs/ca-certificates.crt >"$root/etc/ssl/certs/ca-certificates.crt" || true

  go mod download
  cache=$(go env GOMODCACHE)/cache/download
  while read -r path version _; do
    case $version in
      */go.mod) kind=mod version=${version%/go.mod} ;;
      *) kind=zip ;;
    esac
    file=$(sed 's/[A-Z]/!\L&/g' <<<"$path/@v/$version")
    for file in "$file.$kind" "$file.info"; do
      [ ! -f "$cache/$file" ] || (cd "$cache" && cp --parents "$file" "$root/go")
    done
  done <go.sum

  echo 'ENV PATH=/usr/local/go/bin:/bin GOPATH=/go GOTOOLCHAIN=local'
  echo 'ENV GOPROXY=file:///go GOFLAGS=-modcacherw GOMODCACHE=/go/pkg/mod'
  echo 'WORKDIR /go'
}

# A Consul image: the program as entry point.
consul_root() {
  mkdir -p "$1/bin" "$1/tmp" "$1/consul"
  cp -L "$consul" "$1/bin/consul"
  libraries "$consul" "$1"
  echo 'ENV PATH=/bin'
  echo 'ENTRYPOINT ["consul"]'
  echo 'VOLUME /consul/data'
}

consul=$(realpath "$(scripts/consul.sh)")
have "$(sed -n 's/^FROM \(golang:[^ ]*\).*/\1/p' Dockerfile)" golang_root \
  "$( (go version; cat go.sum "$0") | sha256sum | cut -c1-16)"
have "$(sed -n 's/^ *image: //p' docker-compose.yml)" consul_root \
  "$( ("$consul" version; cat "$0") | sha256sum | cut -c1-16)"

go test -tags compose -count=1 -v ./test/compose
