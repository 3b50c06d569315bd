# The one interface for people. Needs python3 (3.11 or later) and make, nothing else.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install demo test check format fuzz bench chaos lock

help:  ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

install: $(STAMP)  ## everything into .venv, at the versions of requirements.lock

demo: $(STAMP)  ## a supervised run over ten of this repository's docs, with a local model
	$(BIN)/orchestrator run graphs/brief.yaml -i max_documents=10

test: $(STAMP)  ## all tests
	$(BIN)/python -m pytest $(ARGS)

check: $(STAMP)  ## format, lint, types, import contract, lock
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/packaging/test_lock.py

format: $(STAMP)  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(STAMP)  ## the workflow loader against odd files, for ten minutes; ARGS="--seconds 60"
	$(BIN)/python -m tests.fuzz $(ARGS)

bench: $(STAMP)  ## the figures of docs/benchmarks.md, in some 20 minutes; ARGS="--quick", ARGS="--only saver"
	$(BIN)/python -m tests.benchmarks $(ARGS)

chaos: $(STAMP)  ## kill -9 and worse every two seconds, promises checked, some ten minutes; ARGS="--seed 7 --kinds worker,freeze"
	$(BIN)/python -m tests.chaos $(ARGS)

lock: $(STAMP)  ## requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --upgrade pyproject.toml --all-extras \
	  --no-header --no-annotate --output-file requirements.lock

# The environment is made in one go, so that one that was broken off is never taken for whole. uv is quicker; pip will do.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "python3 is too old: 3.11 or later is needed; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(STAMP): pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || echo "uv is not to be had; going on with pip"
	{ test -x $(BIN)/uv && $(BIN)/uv pip install --quiet --python $(BIN)/python -c requirements.lock -e '.[local,specialists,dev]'; } \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check -c requirements.lock -e '.[local,specialists,dev]'
	@touch $@
