# Everything that a person runs here. `make help` lists it.

PYTHON ?= python3
PORT ?= 8000
ARGS ?=
BIN := .venv/bin

# Where a machine sets it, each process that is started compiles everything anew: two seconds each.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help install run demo test check bench soak openapi lock

help: ## List these
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 16

install: .venv/installed ## Install everything into .venv, from the lock file

run: install ## Serve on http://127.0.0.1:8000 (PORT= for another) until Ctrl-C
	$(BIN)/optout serve --port $(PORT) $(ARGS)

demo: install ## Play the whole story once, on real parts
	$(BIN)/optout demo $(ARGS)

test: install ## Run every test (ARGS= for pytest, as ARGS="-k journal -x")
	$(BIN)/pytest $(ARGS)

check: install ## Lint, types, layers, lock files
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	.ci/lock --check

bench: install ## Measure (NAME= for one, as NAME=check; BENCH_SIZE= suppressions, 1,000,000)
	$(BIN)/python -m tests.benchmarks $(NAME)

soak: install ## Kill everything at random under load, and see that nothing is lost (SECONDS=1200)
	SECONDS=$(or $(SECONDS),1200) $(BIN)/python -m tests.soak

openapi: install ## Write openapi/v1.json anew from the code
	$(BIN)/optout openapi > openapi/v1.json.new
	mv openapi/v1.json.new openapi/v1.json

lock: install ## Write the lock files anew from pyproject.toml (ARGS=--upgrade for newer releases)
	.ci/lock $(ARGS)

# uv installs in seconds what takes pip a minute, but reads none of pip's configuration: where it
# finds no index, pip does it.
.venv/installed: pyproject.toml requirements.lock requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock || \
		$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
