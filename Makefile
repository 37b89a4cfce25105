# Everything runs from .venv, made here from the pinned and hashed requirements.
# A stamp per requirements file says that .venv holds what the file names.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
PY := $(VENV)/bin/python
RUNTIME := $(VENV)/.runtime-installed
DEV := $(VENV)/.dev-installed
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all:

# The client's command, .venv/bin/hub, for who has not installed the project as a package.
COMMAND := printf '\#!/bin/sh\nPYTHONPATH="%s" exec "%s" -m hub.client.cli "$$@"\n' \
	"$(CURDIR)" "$(CURDIR)/$(PY)" > $(VENV)/bin/hub && chmod +x $(VENV)/bin/hub

# A .venv that was moved, or whose Python is gone, is as stale as none.
ifneq ($(shell $(PY) -c 'print("works")' 2>/dev/null),works)
STALE := stale
endif

# Continuous integration runs the slow tests too.
ifneq ($(filter-out 0 false,$(CI)),)
SLOW ?= 1
endif
ifeq ($(SLOW),1)
QUICK :=
else
QUICK := not slow and
endif
# 5 is pytest's "nothing selected": what ARGS names may be all of one kind.
# Half as many again as there are cores, because tests often wait for a process of their own.
WORKERS = $(shell $(PY) -c "import os; print(min(6, (os.cpu_count() or 1) * 3 // 2))")
PYTEST := $(PY) -m pytest
OR_NONE := || test $$? -eq 5
# Tests start hundreds of processes: without the cache, each would compile all that it imports.
test check: export PYTHONDONTWRITEBYTECODE :=
# What a run of tests has come to; continuous integration lets .ci/again judge.
JUDGE := $(OR_NONE)

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow check docs bench pins stale
.DELETE_ON_ERROR:

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

install: $(RUNTIME) ## make .venv with what the hub needs to run

run: $(RUNTIME) ## start the hub (settings come from HUB_* in the environment)
	@exec $(PY) run.py

test: $(DEV) ## run the tests; SLOW=1 or CI=1 adds the slow ones, ARGS="..." goes to pytest
	@$(PYTEST) -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "$(QUICK) not alone" $(ARGS) $(JUDGE)
	@$(PYTEST) -m "$(QUICK) alone" $(ARGS) $(JUDGE)

test-slow: ## run every test, the slow ones too
	@$(MAKE) --no-print-directory test SLOW=1

check: $(DEV) ## linters, types, import contracts, documentation
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy
	@$(PY) -c "from importlinter.cli import lint_imports_command as lint; lint()"
	@$(PY) -m pytest -q tests/docs

docs: $(DEV) ## write the pages of docs that are made from the code
	@$(PY) -m tests.docs.tables
	@$(PY) -m tests.docs.commands

bench: $(DEV) ## print the tables that the README quotes
	@$(PY) -m tests.bench

UV_COMPILE := --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	--custom-compile-command "make pins" --no-annotate --no-emit-index-url --no-emit-find-links \
	--quiet $(UV_ARGS)

pins: ## renew both requirements files from pyproject.toml (needs uv; UV_ARGS=--upgrade for newer ones)
	@uv pip compile pyproject.toml $(UV_COMPILE) -o requirements.txt
	@uv pip compile pyproject.toml --extra dev -c requirements.txt $(UV_COMPILE) -o requirements-dev.txt

$(PY): $(STALE)
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name one with PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear $(VENV) || { \
		echo "Could not make $(VENV); on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }

$(RUNTIME): requirements.txt $(STALE) | $(PY)
	@echo "Installing requirements.txt"
	@$(INSTALL) -r requirements.txt
	@$(COMMAND)
	@touch $@

# The development pins contain the runtime pins at the same versions.
$(DEV): requirements-dev.txt $(STALE) | $(PY)
	@echo "Installing requirements-dev.txt"
	@$(INSTALL) -r requirements-dev.txt
	@$(COMMAND)
	@touch $(RUNTIME) $@
