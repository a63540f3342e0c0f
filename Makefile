# Two commands matter: `make book` builds the executable paper, `make test` runs every check.
# Both set up everything they need in .venv. Choose the interpreter with `make book PYTHON=python3.12`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help install book test campaign campaign-small benchmark lint lab lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## create .venv with the locked environment (about 2 minutes, 2.6 GB)

# --no-deps: the lock is complete, and torch is deliberately not part of it.
$(STAMP): requirements.lock requirements/torch.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and \
	  "Python 3.11 or newer is needed, $(PYTHON) is %d.%d: try make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/torch.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

book: $(STAMP) ## execute the chapters that are out of date and build _build/html/index.html
	$(BIN)/xrdscape book

test: $(STAMP) ## build the book if needed, then run ruff, mypy and pytest
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
	  || echo 'no chromium found: the tests that open the site in a browser will be skipped (failed with CI=true)' >&2
	$(BIN)/xrdscape book
	$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n auto --dist loadfile

campaign: $(STAMP) ## the whole study at the paper's scale, into data/records/study; goes on where it stopped
	$(BIN)/xrdscape campaign study

campaign-small: $(STAMP) ## a small study that takes minutes, into data/records/small
	$(BIN)/xrdscape campaign small

benchmark: $(STAMP) ## prove the engine right, then time it: benchmarks/record.json (half an hour on an idle machine)
	$(BIN)/python benchmarks/run.py

lint: $(STAMP) ## ruff (style and format) and mypy (types)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lab: $(STAMP) ## open the chapters in JupyterLab
	$(BIN)/jupyter lab chapters

lock: ## add what pyproject.toml asks for to requirements.lock; UPGRADE=--upgrade resolves all of it anew
	$(PYTHON) -m venv _build/uv
	_build/uv/bin/python -m pip install --quiet --disable-pip-version-check uv
	_build/uv/bin/uv pip compile pyproject.toml --extra dev --quiet $(UPGRADE) \
	  --universal --fork-strategy fewest --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --constraints requirements/torch.txt --excludes requirements/excluded.txt --no-emit-package torch \
	  --output-file requirements.lock

clean: ## remove the book's build; .venv stays
	rm -rf _build
