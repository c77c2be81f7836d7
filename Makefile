# `make` lists the targets. A target sets up what it needs, so `make demo` and `make test` work on a fresh Debian with Python.
PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
BIN := $(VENV)/bin

.PHONY: help demo test test-collectors lint fmt soak bench peers setup clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1\t\2/' | expand -t 14

# Debian keeps a part of `venv` in a package of its own.
$(VENV)/.ready: setup.py
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } \
	  || { echo "$(PYTHON) has no venv: on Debian, run apt-get install python3-venv as root" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

setup: $(VENV)/.ready ## create .venv with keeper and what its tests need

peers: ## install the real peers the tests talk to (Debian packages; needs root, says so otherwise)
	@sh tests/peers/install.sh

demo: setup ## play a recorded incident through the real pipeline: page and metrics on loopback
	$(BIN)/keeper demo

# Most of the time tests wait for real chains, outages and intervals: two files at once take half as long as one.
test: setup peers ## run all tests, against real peers
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

lint: setup ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fmt: setup ## let ruff put the source in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-collectors: setup ## run the tcollector plugins in $TCOLLECTOR_DIR for half a minute and print a table
	@test -n "$(TCOLLECTOR_DIR)" || { echo "say which: make test-collectors TCOLLECTOR_DIR=/path/to/collectors" >&2; exit 1; }
	$(BIN)/keeper collectors try "$(TCOLLECTOR_DIR)" --for 30s

soak: setup peers ## the slow tests
	$(BIN)/pytest -m soak --timeout 0

bench: setup peers ## measure against peers and print ratios
	$(BIN)/python -m bench

clean: ## remove what setup made
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
