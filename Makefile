# Everything one types while working on organelle. The first call of any target makes .venv; later calls
# start at once. `make PYTHON=python3.12 ...` picks the interpreter that .venv is made with.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3))
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SHARED ?= ../shared

# `make demo` plays on a synthetic cell; `make demo DATA=FOLDER` on the mini challenge in FOLDER.
DATA ?=
WORK ?= $(if $(DATA),demo-$(notdir $(abspath $(DATA))),demo)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Some images forbid it; then each of the many children of the tests would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE
# Tests run side by side: one thread each keeps them from standing in each other's way.
quiet_threads := OMP_NUM_THREADS=1 NUMBA_NUM_THREADS=1

.PHONY: help install demo test soak checks lint audit format docs bench clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

install: $(READY)  ## make .venv with everything in it (the other targets do it, too)

# The stamp is the last thing that is written: an interrupted installation is simply taken up again. Compiling is left
# to all cores together, without tests; some libraries bring files for other Pythons, which cannot be compiled.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV) (once; takes a few minutes)"
	@test -x $(BIN)/pip || "$(PYTHON)" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --no-compile -c constraints.txt -e '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests?/' $(VENV)/lib || true
	@touch $@

demo: $(READY)  ## the whole path on a synthetic cell, or with DATA=FOLDER on a real mini challenge
	@$(BIN)/csc demo $(if $(DATA),--data "$(DATA)") --work "$(WORK)"

test: $(READY)  ## the quick tests (minutes)
	@$(quiet_threads) $(BIN)/pytest -n auto --dist worksteal

soak: $(READY)  ## the long tests: three at a time, then one by one those marked `alone`, then outside checks
	@$(quiet_threads) $(BIN)/pytest -m "soak and not alone" -n 3 --dist loadfile --no-loadscope-reorder --durations=60
	@$(BIN)/pytest -m "soak and alone" --durations=10
	@$(MAKE) --no-print-directory checks

checks: $(READY)  ## the black-box checks that lie in ../shared/check
	@if ! ls "$(SHARED)"/check/*.py >/dev/null 2>&1; then \
		echo "no checks were run: there is no folder $(SHARED)/check with scripts in it"; exit 0; fi; \
	for script in "$(SHARED)"/check/*.py; do \
		echo "== $$script"; PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python "$$script"; done

lint: $(READY)  ## style, types, and which room may import which
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

audit: $(READY)  ## known weaknesses of the pinned versions; says so where no advisory service answers
	@test -x .venv-audit/bin/pip-audit || { $(BIN)/python -m venv .venv-audit && .venv-audit/bin/pip install -qq pip-audit; }
	@.venv-audit/bin/python deploy/audit.py

format: $(READY)  ## let ruff put things in order
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(READY)  ## the documentation, in docs/_build/html; a warning is an error
	@$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(READY)  ## every script in benchmarks/, one after the other
	@if ! ls benchmarks/*.py >/dev/null 2>&1; then echo "there is no script in benchmarks/ yet"; exit 0; fi; \
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script"; done

clean:  ## remove what was built (not .venv, and not the work folders)
	rm -rf docs/_build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
