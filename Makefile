# make help lists the targets.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
BENCH_READY := $(VENV)/.installed-bench
GIB_NEEDED := 11
# Three processes keep two cores busy while tests wait for servers. The tests of a file run in one process, so that
# fixtures are made once. --no-loadscope-reorder: see tests/conftest.py.
PARALLEL := -n 3 --dist loadscope --no-loadscope-reorder

help: ## list of targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## the environment in .venv

demo: $(READY) ## set up, build and train everything on generated data, print what was made
	@$(BIN)/howto demo

test: $(READY) ## set up and run the tests, on two cores
	@$(BIN)/python -m pytest $(PARALLEL) -m "not campaign"

nightly: $(READY) ## all tests: also those that repeat one thing many times, and ten times as many generated examples
	@HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest $(PARALLEL)

ui: $(READY) ## the Dagster web UI on http://127.0.0.1:3000
	@$(BIN)/howto ui

search: $(READY) ## a page on http://127.0.0.1:8000 that finds moments of videos by what they show
	@$(BIN)/howto search

sql: $(READY) ## the duckdb shell on the lake, read-only, with the statistics as views
	@$(BIN)/howto sql

lint: $(READY) ## style, types, layers, SQL, wording, generated pages
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/sqlfluff lint sql && $(BIN)/python -m tests.words && $(BIN)/python -m docs.generate --check

bench: $(BENCH_READY) ## speed, each compared with a peer in the same run
	@$(BIN)/python -m pytest -s tests/benchmarks/bench_*.py

docs: $(READY) ## the generated references, and the documentation as a site in site/
	@$(BIN)/python -m docs.generate && $(BIN)/mkdocs build --quiet

clean: ## remove the environment and caches; the lake stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info

# The stamp is the last thing an installation writes, so an interrupted one is noticed and finished.
$(READY): pyproject.toml constraints.txt
	@python=""; for each in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  $$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { python=$$each; break; }; done; \
	test -n "$$python" || { echo "No Python 3.11 or newer found (python3 is $$(python3 --version 2>&1)). Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }; \
	$$python -c 'import venv, ensurepip' 2>/dev/null || { echo "$$python has no venv module. Install it (Debian and Ubuntu: apt install python3-venv), then run make again."; exit 1; }; \
	free=$$(df -Pk . | awk 'NR==2 {print int($$4 / 1048576)}'); \
	test -e $(BIN)/python || test "$$free" -ge $(GIB_NEEDED) || { echo "Only $$free GiB free here; the installation needs $(GIB_NEEDED) GiB. Make room, then run make again."; exit 1; }; \
	echo "Installing into $(VENV) with $$($$python --version); once, some minutes."; \
	test -x $(BIN)/pip || $$python -m venv --clear $(VENV); \
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]' || { echo "The installation did not finish; the line above says why. Run make again to go on."; exit 1; }
	@touch $@

$(BENCH_READY): $(READY)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

.PHONY: help setup demo test nightly ui search sql lint bench docs clean
