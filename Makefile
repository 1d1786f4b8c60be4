# Each target sets up what it needs in .venv by itself; the stamp files remember what is already installed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:

VENV ?= .venv
BIN := $(VENV)/bin
CONSTRAINTS := requirements/constraints.txt
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(CONSTRAINTS)
# Set PYTHON to choose the interpreter; otherwise the first of these that really runs and is 3.11 to 3.13.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
WORKERS ?= 2

.PHONY: help demo test test-slow lint reproduce bench docs clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /make \1\t/' | expand -t 18

$(VENV)/.python:
	@if [ -z "$(PYTHON)" ]; then echo "No Python 3.11, 3.12 or 3.13 with venv found; install one or set PYTHON=/path/to/python." >&2; exit 1; fi
	@echo "==> creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.base: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	@echo "==> installing mdfit into $(VENV)"
	@$(INSTALL) -e .
	@touch $@

# test, lint and docs are extras of the package, each with its own stamp
$(VENV)/.extra-%: $(VENV)/.base
	@echo "==> installing what '$*' needs into $(VENV)"
	@$(INSTALL) -e ".[$*]"
	@touch $@

demo: $(VENV)/.base  ## silicon from DFT data, simulated, runs/demo/report.html; then refined by experiment (under 8 minutes)
	@echo "==> running the silicon recipe at demo scale"
	@$(BIN)/mdfit run recipes/silicon_dft/recipe.yaml --scale demo --out runs/demo
	@echo "==> refining a potential that was trained on DFT with the measured density, at demo scale"
	@$(BIN)/mdfit run recipes/silicon_fused --scale demo --out runs/demo_fused

test: $(VENV)/.extra-test  ## run the test suite without the slow tests
	@echo "==> running the tests on $(WORKERS) workers"
	@$(BIN)/python -m pytest -m "not slow" -n $(WORKERS) --dist loadfile

test-slow: $(VENV)/.extra-test  ## run the slow tests
	@echo "==> running the slow tests on $(WORKERS) workers"
	@$(BIN)/python -m pytest -m slow -n $(WORKERS) --dist loadfile

lint: $(VENV)/.extra-lint  ## ruff (rules and format), mypy and the direction of imports
	@echo "==> ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@echo "==> mypy"
	@$(BIN)/mypy
	@echo "==> import-linter"
	@$(BIN)/lint-imports

reproduce: $(VENV)/.extra-openmm  ## run all recipes from scratch, two at a time, and write their results/ (hours); RECIPE=name for one
	@echo "==> reproducing the results of $(or $(RECIPE),all recipes); the same command goes on where it was stopped"
	@$(BIN)/python -m mdfit.cli.reproduction $(RECIPE)

bench: $(VENV)/.base  ## time mdfit and its peers on one core, write benchmarks/results/*.json (about an hour)
	@echo "==> running the benchmarks"
	@$(BIN)/python benchmarks/run.py

docs: $(VENV)/.extra-docs  ## build docs/_build/html, warnings are errors
	@echo "==> building the documentation"
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:  ## remove environments, caches and build products (runs/ is kept)
	rm -rf $(VENV) .peers docs/_build build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
