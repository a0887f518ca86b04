# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first.

PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint clean

demo: .venv/installed
	$(BIN)/handson demo

test: .venv/installed-for-tests
	$(BIN)/python -m pytest

lint: .venv/installed-for-tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit('handson needs Python 3.11 or later; this is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) --editable .
	touch $@

.venv/installed-for-tests: .venv/installed
	$(INSTALL) --editable ".[test]"
	touch $@

clean:
	rm -rf .venv runs build src/handson.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
