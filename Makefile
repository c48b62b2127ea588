# Everything a newcomer, a developer or CI runs. `make` alone lists it.
# Needs python3 (3.10 or newer, with venv) and make; each target builds the environment that it needs.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
# Any torch that the `bench` extra allows will do (make bench TORCH=torch). One version is named so that figures
# compare from run to run, and because pip takes a CPU-only build of it (2.13.0+cpu) where it knows of one.
TORCH ?= torch==2.13.0

BIN = $(VENV)/bin
PIP = -m pip install --quiet --disable-pip-version-check
EXAMPLES = quickstart forward_and_reverse linear_regression digits
BENCHMARKS = eager nested taylor linear_time checkpointing suite

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
# Two pips must not install into one environment at the same time.
.NOTPARALLEL:
.PHONY: help demo test lint types docs coverage check bench clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/installed-demo ## Install into a virtual environment and run the four examples
	@set -e; for name in $(EXAMPLES); do \
		printf '\n===== examples/%s.py =====\n' $$name; \
		$(BIN)/python examples/$$name.py; \
	done

test: $(VENV)/installed-test ## Run the tests, the examples and the docs among them
	$(BIN)/python -m pytest

lint: $(VENV)/installed-dev ## Look for mistakes and untidiness with ruff
	$(BIN)/ruff check autotrace examples tests
	$(BIN)/ruff format --check autotrace examples tests

types: $(VENV)/installed-dev ## Check the types with mypy
	$(BIN)/mypy

docs: $(VENV)/installed-docs ## Run every code block of README.md and docs/, and every docstring's example
	$(BIN)/python -m pytest tests/test_docs.py

coverage: $(VENV)/installed-dev ## Write docs/numpy-coverage.md: what becomes of every name of NumPy
	$(BIN)/python -m tests.coverage_table > docs/numpy-coverage.md.new
	mv docs/numpy-coverage.md.new docs/numpy-coverage.md

check: lint types test ## All of CI: lint, types, tests (docs and examples included)

bench: $(BENCH_VENV)/installed-bench ## Time autotrace against its peers, which are downloaded first
	@set -e; for name in $(BENCHMARKS); do \
		printf '\n===== tests/benchmarks/%s.py =====\n' $$name; \
		$(BENCH_VENV)/bin/python -m tests.benchmarks.$$name; \
	done

clean: ## Remove the environments and all that tools left behind
	rm -rf $(VENV) $(BENCH_VENV) .venv-ci build dist .mypy_cache .pytest_cache .ruff_cache
	find autotrace examples tests -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is stale, and installed into again, when what it should hold (pyproject.toml) or the Python it
# stands on is newer than its stamp. The package is installed in place (-e), so that editing it never makes one stale.
$(VENV)/bin/python $(BENCH_VENV)/bin/python:
	$(PYTHON) -m venv --clear $(@:/bin/python=)

$(VENV)/installed-demo: pyproject.toml $(VENV)/bin/python
	$(BIN)/python $(PIP) -e .
	@touch $@

$(VENV)/installed-%: pyproject.toml $(VENV)/bin/python
	$(BIN)/python $(PIP) -e '.[$*]'
	@touch $@

$(BENCH_VENV)/installed-bench: pyproject.toml $(BENCH_VENV)/bin/python
	$(BENCH_VENV)/bin/python $(PIP) '$(TORCH)' -e '.[bench]'
	@touch $@
