# make demo | test | ui | search | sql | lint | bench | clean
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
-include .env
HOWTO_LAKE ?= lake
export HOWTO_LAKE
export DAGSTER_HOME := $(CURDIR)
export DAGSTER_STATE = $(abspath $(HOWTO_LAKE))/dagster

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
GIB_NEEDED := 9

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(READY) ## the environment in .venv

demo: $(READY) ## set up, build and train everything on generated data, print what was made
	@$(BIN)/python -m orchestration.refresh; status=$$?; $(BIN)/python -m orchestration.report && exit $$status

test: $(READY) ## set up and run the tests
	@$(BIN)/python -m pytest

ui: $(READY) ## the Dagster web UI on http://127.0.0.1:3000
	@mkdir -p $(DAGSTER_STATE)
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/dg dev --host 127.0.0.1 --port 3000

search: $(READY) ## a page on http://127.0.0.1:8000 that finds moments of videos by what they show
	@$(BIN)/python -m orchestration.search

sql: $(READY) ## the duckdb shell on the lake, read-only, with the statistics as views
	@$(BIN)/python -m orchestration.shell

lint: $(READY) ## style, types, layers, SQL, wording
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports && $(BIN)/sqlfluff lint sql && $(BIN)/python -m tests.words --counts

bench: $(READY) ## speed, each beside a peer in the same run
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

.PHONY: help setup demo test ui search sql lint bench docs clean
