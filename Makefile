# `make demo` makes videos, `make test` runs the checks before a commit, `make test-slow` the tests
# that take long; each sets up .venv first.

PYTHON ?= python3
BIN := .venv/bin

# A file's tests stay in one worker, which shares what they make; conftest.py begins with the longest.
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# Bytecode is written whatever the user's shell says: without it, each worker compiles every test.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow test-wheel test-matrix lint

demo: .venv/.installed
	$(BIN)/python synthesize.py --out demo

test: lint
	$(PYTEST) -m "not slow and not ahead"

test-slow: .venv/.installed-test
	UNCHECKED_ANNOTATIONS=1 $(PYTEST) -m slow

# What pre-commit runs before every commit.
lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# A stamp is the last thing a rule makes, so that what was broken off is done again.
.venv/.installed: .venv/.made setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/.installed-test: .venv/.made setup.cfg pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch .venv/.installed $@

.venv/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo 'error: $(PYTHON) is not Python 3.11 or newer; install one and say make PYTHON=/path/to/it' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'error: $(PYTHON) lacks venv; install it (on Debian and Ubuntu: apt-get install python3-venv)' >&2; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

# A small study from the wheel, freshly installed, on every Python that this machine has.
test-wheel:
	set -e; for python in $$(bash .ci/pythons | cut -d ' ' -f 2); do bash .ci/wheel $$python; done

# All tests on each Python that this machine has, and on the lowest versions of packages (with uv).
test-matrix: lint
	bash .ci/matrix
