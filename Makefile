# Thin on purpose: what is done stands in scripts/.
.DEFAULT_GOAL := help
export CARGO_TARGET_DIR ?= $(HOME)/.cache/hinomi/target
export PREFIX ?= /usr/local
export DESTDIR ?=
ARGS ?=

.PHONY: help run build test unit e2e vm lint bench faults fuzz demo demo-down install uninstall

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Set up, build and start `hinomi up` (ARGS="…" are passed on)
	@scripts/run $(ARGS)

build: ## Build the release binary with its web page
	@scripts/check-tools build
	@scripts/page build
	@cargo build --release --locked -p hinomi

test: ## Set up and run every test, end to end ones and the virtual machine included
	@scripts/test all

unit: ## Run the tests that need neither root nor a runtime
	@scripts/test unit

e2e: ## Run the tests against a private dockerd (root or sudo)
	@scripts/test e2e

vm: ## Run the cgroup v2 tests in a virtual machine
	@scripts/test vm

lint: ## Formatting, clippy, house rules, licences and advisories of dependencies
	@scripts/test lint

bench: ## Run the benchmarks
	@scripts/bench $(ARGS)

faults: ## Run the fault catalogue against a private dockerd (root or sudo)
	@scripts/test faults

fuzz: ## Fuzz every decoder (nightly compiler; ARGS="seconds target…")
	@scripts/fuzz $(ARGS)

demo: ## Start labelled example workloads on the local Docker
	@scripts/demo up

demo-down: ## Remove these, and nothing else
	@scripts/demo down

install: ## Put binary and systemd unit in place (PREFIX, DESTDIR)
	@scripts/install

uninstall: ## Remove what `make install` put in place; data and configuration stay
	@scripts/uninstall
