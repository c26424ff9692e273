# make demo   set up, scan the demo dataset, serve it on 127.0.0.1:$(PORT)
# make test   set up (with a browser) and run every check
PORT ?= 8501
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BROWSER := $(VENV)/.browser
PYTEST ?= -q -n 2 --dist loadfile

.PHONY: demo test check lint types imports pytest bench bench-app bench-quality screenshots soak faults audit fuzz clean help

help:
	@sed -n 's/^# //p' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Winnow needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Give another with PYTHON=.")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip setuptools wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

$(BROWSER): $(STAMP)
	@if [ -x /usr/bin/chromium ] || command -v chromium >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq chromium fonts-dejavu-core >/dev/null; \
	else $(BIN)/python -m playwright install chromium; fi
	touch $@

# set up, scan the demo dataset, serve it
demo: $(STAMP)
	$(BIN)/winnow demo --port $(PORT) --no-browser

# every check
test: check pytest

check: lint types imports

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-cache

# the browser's journeys have the two cores to themselves: they measure time
pytest: $(BROWSER)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST) tests/unit tests/contract tests/app
	$(BIN)/python -m pytest -q tests/e2e

# budgets against measured figures, beside their peers: about an hour on two cores
bench: $(BROWSER)
	@$(BIN)/python benchmarks/speed.py; engine=$$?; $(BIN)/python benchmarks/speed_app.py && exit $$engine

bench-app: $(BROWSER)
	$(BIN)/python benchmarks/speed_app.py

bench-quality: $(STAMP)
	$(BIN)/python benchmarks/quality.py

# 20 people at once for ten minutes on 100,000 samples: nothing lost, p95 ≤ 300 ms, memory flat
soak: $(STAMP)
	$(BIN)/python benchmarks/soak.py $(SOAK)

# kill -9 at random points, full and read-only disks, 16 writers: nothing lost (as root, for the disks)
faults: $(STAMP)
	$(BIN)/python benchmarks/faults.py $(FAULTS)

# known vulnerabilities of what is installed, and insecure calls of our own; fails where the list cannot be had
audit: $(STAMP)
	$(BIN)/bandit -q -c pyproject.toml -r core app
	$(BIN)/pip-audit --strict --skip-editable --progress-spinner off

# a coverage-guided search for input that the sources fail on
FUZZ_SECONDS ?= 600
fuzz: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	mkdir -p .fuzz && PYTHONPATH=. $(BIN)/python tests/fuzz_sources.py .fuzz/corpus -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -artifact_prefix=.fuzz/

screenshots: $(BROWSER)
	$(BIN)/python tests/e2e/screenshots.py
	$(BIN)/python tests/e2e/recording.py

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
