# What people do with rota. "make help" lists it.

GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help build demo test lint compose-test fuzz soak chaos bench clean

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 24

build: ## build rota and the sample backend into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/ ./cmd/rota ./examples/backend

demo: ## start Consul, three backends and rota on :8080; ARGS="--help" for ports
	@$(GO) build -o bin/ ./examples/demo && exec bin/demo $(ARGS)

test: lint ## run every test under the race detector, on a real Consul
	@command -v "$$($(GO) env CC)" >/dev/null || { \
		echo "make test: the race detector needs a C compiler, and there is no $$($(GO) env CC): install gcc" >&2; exit 1; }
	@scripts/consul.sh >/dev/null
	$(GO) test -race -count=1 ./...
	$(GO) test -count=1 -run Alloc ./... # the race detector takes memory of its own
	$(GO) test -count=1 -tags no_io_uring -short ./socket ./proxy # as where it is denied

lint: ## go vet, staticcheck, and the rules of this house
	$(GO) vet -tags compose ./...
	$(GO) tool -modfile=tools/lint/go.mod staticcheck -tags compose ./...
	scripts/check.sh

compose-test: ## bring docker-compose.yml up and try it: scale, kill, restart Consul
	scripts/compose-test.sh

FUZZTIME ?= 10s

fuzz: ## run each fuzz test for a while; FUZZTIME=10s
	scripts/fuzz.sh $(FUZZTIME)

SECONDS ?= 180

soak: ## run the data path among faults and check each byte; SECONDS=180 ARGS="-soak.seed N"
	$(GO) test -race -count=1 -timeout 0 -v -run 'TestSoak$$' ./proxy -soak $(SECONDS)s $(ARGS)

chaos: ## send a million requests through a storm of faults, and measure each fault; ARGS="-seed N -requests N -acts NAME -scenario NAME"
	@scripts/consul.sh >/dev/null
	$(GO) test -count=1 -timeout 0 -v -run 'Test(LongStorm|Scenarios|Scale)$$' ./test -requests 1000000 -scenario all $(ARGS)

bench: ## compare the data path with nginx and HAProxy; ARGS="-h" for how
	@scripts/bench-peers.sh
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/bench/ ./bench ./bench/twin ./cmd/rota
	@PATH="$$PATH:/usr/sbin" exec bin/bench/bench $(ARGS)

clean: ## remove what was built, Consul too
	rm -rf bin
