# Each target does its own set-up in .venv, once per change of pyproject.toml. uv is used where present.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint docs bench campaign clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1: /p' Makefile

demo: $(VENV)/.demo ## set up, then print one compound program beside its Warp IR
	$(BIN)/irgen sample --grammar compound --backend warp

test: $(VENV)/.dev ## set up, then run the tests
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/.dev ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: $(VENV)/.dev ## refresh the tables, outputs and picture in docs/ and the README
	$(BIN)/python -m docs.generate

bench: $(VENV)/.dev ## paired timings against the plain loops
	$(BIN)/python -m tests.bench

campaign: $(VENV)/.dev ## long runs over many programs
	$(BIN)/python -m tests.quality

clean: ## remove the set-up and all caches
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

comma := ,
ifdef UV
# uv finds or fetches a Python by itself; one that is named is taken.
WANTED := $(if $(filter file,$(origin PYTHON)),'>=3.11$(comma)<3.14',$(PYTHON))
CREATE := $(UV) venv --quiet --python $(WANTED) $(VENV)
INSTALL := $(UV) pip install --quiet --python $(BIN)/python
else
CREATE := $(PYTHON) -m venv $(VENV)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

$(VENV)/.python:
ifndef UV
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || \
	{ echo "irgen needs Python 3.11 to 3.13 and '$(PYTHON)' is not that; name one: make demo PYTHON=python3.12" >&2; \
	exit 1; }
endif
	rm -rf $(VENV)
	$(CREATE)
	@touch $@

$(VENV)/.demo: pyproject.toml | $(VENV)/.python
	$(INSTALL) --editable '.[all]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.python
	$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.demo
