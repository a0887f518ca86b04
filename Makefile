# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first.

PYTHON ?= python3
BIN := .venv/bin
# A kernel that has changed is compiled again.
KERNELS := setup.py $(wildcard src/handson/kernels/c/*)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint wheels clean

demo: .venv/installed
	$(BIN)/handson demo

# `make test PROCESSES=2` shares the files of tests out to two processes; 0 runs them one after another.
PROCESSES ?= 0

# Hundreds of tests start programs, which find the package in bytecode.
test: export PYTHONDONTWRITEBYTECODE :=
test: .venv/installed-for-tests
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile

lint: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# One for each kind of machine, any Python; the kernels are compiled for it by zig, wherever this runs.
wheels: .venv/bin/python
	for target in x86_64-linux aarch64-linux arm64-macos; do \
		rm -rf build && HANDSON_TARGET=$$target $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist . || exit 1; \
	done

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit('handson needs Python 3.11 or later; this is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

.venv/installed-for-tests: pyproject.toml constraints.txt $(KERNELS) | .venv/bin/python
	$(INSTALL) --editable ".[test]"
	touch .venv/installed $@

clean:
	rm -rf .venv runs build dist src/handson.egg-info src/handson/kernels/lib
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
