# make demo        set up, scan the demo dataset, serve it on 127.0.0.1:$(PORT)
# make test        set up (with a browser) and run every check
# make test-fast   the tests of the engine that need no scan and no browser: under two minutes
# make check       ruff, mypy, import-linter, JavaScript
# make format      put code into the form that `make check` asks for
# make coverage    which lines the unit tests reach, in htmlcov/index.html
# make docs        the documentation in site/, built offline and strictly
# make build       the wheel in dist/
# make bench       budgets against measured figures, beside their peers: about an hour on two cores
# make soak        20 people at once for ten minutes on 100,000 samples
# make faults      kill -9 at random points, full and read-only disks, 16 writers (as root, for the disks)
# make attack      every attempt to break a promise of assets/promises.md, the long ones too: about an hour on two cores
# make audit       known vulnerabilities of what is installed, insecure calls of our own
# make fuzz        a coverage-guided search for input that the sources fail on
# make screenshots pictures for README and docs
# make clean       remove what these commands made, but not .venv
PORT ?= 8501
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.installed
BROWSER := $(VENV)/.browser
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PYTEST ?= -q -n 2 --dist loadfile
FAST := tests/unit/storage tests/unit/features tests/unit/export/test_curated_rows.py tests/unit/test_documentation.py \
	tests/unit/test_foundation.py tests/unit/test_parallel.py tests/unit/test_portability.py tests/contract/test_signals.py \
	--ignore=tests/unit/features/test_incremental.py --ignore=tests/unit/storage/test_old_workspaces.py
ATTACKS := tests/unit/test_untrusted_input.py tests/unit/test_supported_pythons.py tests/unit/data/test_formulas.py \
	tests/unit/data/sources tests/unit/data/media/test_media.py tests/unit/detection/signals/test_long_texts.py \
	tests/unit/detection/test_many_classes.py tests/unit/export/test_targets.py tests/unit/export/test_left_out.py \
	tests/unit/export/test_round_trips.py tests/unit/export/test_types.py tests/unit/review/test_roles.py \
	tests/unit/review/test_writing_verbs.py tests/unit/cli/test_cli_roles.py tests/unit/cli/test_serve.py \
	tests/unit/storage/test_read_only_workspace.py tests/unit/storage/decision_log tests/app/server tests/app/api \
	tests/app/pages/test_page_roles.py tests/app/pages/test_select.py tests/app/pages/test_history_steps.py

.PHONY: help demo test test-fast check lint types imports js pytest format coverage docs build bench bench-app \
	bench-quality bench-votes soak faults attack audit fuzz screenshots clean

help:
	@sed -n 's/^# make/make/p' $(firstword $(MAKEFILE_LIST))

# what runs: enough for the demo
$(RUNS): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Winnow needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Give another with PYTHON=.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip setuptools wheel
	$(PIP) --editable .
	touch $@

# what tests, checks and builds the documentation
$(STAMP): $(RUNS)
	$(PIP) --editable '.[dev,docs]'
	touch $@

$(BROWSER): $(STAMP)
	@if [ -x /usr/bin/chromium ] || command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; \
	else $(BIN)/python -m playwright install chromium; fi
	touch $@

demo: $(RUNS)
	$(BIN)/winnow demo --port $(PORT) --no-browser

test: check docs pytest

check: lint types imports js

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-cache

# the linters come from npm, for development only; where there is no node, the browser's tests are all there is
js:
	@if ! command -v npm >/dev/null; then echo "js: skipped (no node)"; else cd tests/js && \
	if [ -d node_modules ] || npm install --no-package-lock --no-audit --no-fund --silent; \
	then npm run --silent lint && npm run --silent test; \
	else echo "js: the linters could not be installed, only the tests run"; node --test; fi; fi

# the browser's journeys have the two cores to themselves: they measure time
pytest: $(BROWSER)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) tests/unit tests/contract tests/app tests/benchmarks
	$(BIN)/python -m pytest -q tests/e2e

test-fast: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) -m "not slow and not attack" $(FAST)

format: $(STAMP)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

coverage: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) --cov=core --cov=app --cov-report=term:skip-covered --cov-report=html tests/unit tests/contract tests/app

docs: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

build: $(STAMP)
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

bench: $(BROWSER)
	@$(BIN)/python -m benchmarks.speed; engine=$$?; $(BIN)/python -m benchmarks.speed_app && exit $$engine

bench-app: $(BROWSER)
	$(BIN)/python -m benchmarks.speed_app

bench-quality: $(STAMP)
	$(BIN)/python -m benchmarks.quality

# VOTES: scans beside the generated worlds, each as WORKSPACE=FOLDER-WITH-TRUTH
bench-votes: $(STAMP)
	$(BIN)/python -m benchmarks.quality_votes $(VOTES)

soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak $(SOAK)

faults: $(STAMP)
	$(BIN)/python -m benchmarks.faults $(FAULTS)

# three runs, each of which ends with its counts; all of them are made, and any failure is one of the whole
attack: $(BROWSER)
	@failed=0; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) --timeout=3600 -m attack tests/unit tests/contract tests/app || failed=1; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) $(ATTACKS) || failed=1; \
	$(BIN)/python -m pytest -q tests/e2e/test_attacks.py || failed=1; \
	exit $$failed

# fails where the list of vulnerabilities cannot be had
audit: $(STAMP)
	$(BIN)/bandit -q -c pyproject.toml -r core app
	$(BIN)/pip-audit --strict --skip-editable --progress-spinner off

FUZZ_SECONDS ?= 600
fuzz: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	mkdir -p .fuzz && $(BIN)/python -m tests.fuzz.sources .fuzz/corpus -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=.fuzz/

screenshots: $(BROWSER)
	$(BIN)/python -m tests.e2e.screenshots
	$(BIN)/python -m tests.e2e.recording

clean:
	rm -rf build dist site htmlcov .coverage *.egg-info .pytest_cache .mypy_cache .ruff_cache
