# Start with `make studio` or `make demo`. Without make, and on Windows: see docs/install.md.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
JOBS   ?= 2
OUT    ?= demo
SLOW   := Installing into $(VENV): the first time over 1 GB of packages and some minutes.

.DEFAULT_GOAL := help
.PHONY: help studio demo install test test-slow test-nightly check format docs bench clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):[^#]*## /  make \1|/' | column -t -s '|' 2>/dev/null || cat Makefile

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Gesso needs Python 3.11 or newer; '$(PYTHON)' is `$(PYTHON) --version 2>&1 | head -1`. Say which: make PYTHON=python3.12 …" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# A stamp a set of packages, newer than what decides it: a second run installs nothing.
$(VENV)/.installed: $(BIN)/python pyproject.toml constraints.txt
	@echo "$(SLOW)"
	$(PIP) install -q -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-dev: $(BIN)/python pyproject.toml constraints.txt
	@echo "$(SLOW)"
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-studio: $(BIN)/python pyproject.toml constraints.txt
	@echo "$(SLOW)"
	$(PIP) install -q -c constraints.txt -e '.[studio]'
	@touch $@ $(VENV)/.installed

install: $(VENV)/.installed  ## the package alone, into .venv

studio: $(VENV)/.installed-studio  ## the page in which you draw and steer; prints its address on this machine
	$(BIN)/gesso studio

demo: $(VENV)/.installed  ## colour the sample drawings; prints where the pictures and the gallery are
	$(BIN)/gesso demo --out $(OUT)

test: $(VENV)/.installed-dev  ## the quick tests (a quarter of an hour at most on two cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)

test-slow: $(VENV)/.installed-dev  ## the slow tests: wheels, kill -9 in training, the measured figures
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m slow

test-nightly: $(VENV)/.installed-dev  ## the longest tests: ten thousand malformed uploads
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m nightly

check: $(VENV)/.installed-dev  ## lint, types, layers
	$(BIN)/ruff check src tests examples tools
	$(BIN)/ruff format --check src tests examples tools
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev  ## mend what can be mended by itself
	$(BIN)/ruff check --fix src tests examples tools
	$(BIN)/ruff format src tests examples tools

# Not --quiet: it hides the warnings from --strict, too.
docs: $(VENV)/.installed-dev  ## the documentation site, into build/site; fails on a broken link or recipe page
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Read it: $(BIN)/python -m http.server -d build/site --bind 127.0.0.1"

bench: $(VENV)/.installed-dev  ## what bench/README.md tells
	@ls bench/*.py >/dev/null 2>&1 || { echo "bench/ holds no bench yet: see bench/README.md"; exit 0; }; \
	for f in bench/*.py; do $(BIN)/python $$f || exit 1; done

clean:  ## .venv, caches and what the demo made
	rm -rf $(VENV) $(OUT) dist build/site .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +
