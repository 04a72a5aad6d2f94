# Every target installs what it needs into .venv first; nothing else is touched.
# Needs git, make, Python 3.11 or newer with venv and pip, and a package index.

PYTHON ?= $(shell for python in python3.11 python3; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  2>/dev/null && echo $$python && break; done)
STUDY ?= study
RUN := .venv/bin/python

.DEFAULT_GOAL := help
.PHONY: help study test lint format oracles clean

help:
	@echo "make study    train, measure and write $(STUDY)/report.html"
	@echo "make test     lint, check the format, run the tests"
	@echo "make lint     ruff check and ruff format --check"
	@echo "make format   ruff's fixes and format, in place"
	@echo "make oracles  recompute the stored arrays of the other libraries"
	@echo "make clean    remove .venv and caches; results stay"

study: .venv/installed
	@echo "study: preparing the digits"
	@$(RUN) -m rnn_research.data.prepare --dataset=digits
	@echo "study: running in $(STUDY)/ (make study again goes on)"
	@$(RUN) -m experiments.gradient_flow --workdir=$(STUDY)

test: lint
	@echo "test: running the tests"
	@$(RUN) -m pytest -q -n auto --maxprocesses=4

lint: .venv/installed-test
	@$(RUN) -m ruff check --quiet .
	@$(RUN) -m ruff format --quiet --check .
	@echo "lint: clean"

format: .venv/installed-test
	@$(RUN) -m ruff check --quiet --fix .
	@$(RUN) -m ruff format .

oracles: .venv/installed-oracles
	@echo "oracles: computing the arrays of PyTorch, Keras and Flax"
	@$(RUN) -m tests.oracles.make

clean:
	@rm -rf .venv rnn_research.egg-info build .pytest_cache .ruff_cache
	@find . -name __pycache__ -prune -exec rm -rf {} +

# A stamp per set of packages, older than setup.cfg when the ranges changed.
.venv/bin/python:
	@test -n "$(PYTHON)" || \
	  { echo "error: Python 3.11 or newer is needed; install it" >&2; exit 2; }
	@echo "install: making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed: setup.cfg pyproject.toml | .venv/bin/python
	@echo "install: rnn_research and what it needs"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/installed-%: setup.cfg pyproject.toml | .venv/bin/python
	@echo "install: rnn_research and its extra '$*'"
	@$(RUN) -m pip install --quiet --disable-pip-version-check -e '.[$*]'
	@touch $@
