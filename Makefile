# Sets up a virtual environment and runs things in it. Needs Python 3.11 to 3.13 with venv, git
# and make; everything else comes from the package index, in the versions of constraints.txt.
#
#   make demo     set up, simulate the week of January 2025, show what an operator would have seen
#   make test     set up, then every check there is: style, types, layers, tests
#   make chaos    a hundred faults while workers run: FAULTS=500 for more, SEED=1 for the same again
#   make bench    the figures of the README's performance table
#   make bench-kafka        the tables of docs/performance.md: a broker, peers, a quarter of an hour
#   make bench-kafka-short  the same in two minutes, without peers: does the benchmark work?
#   make bench-detection     docs/detection.md: delay against a lower bound, peers; 40 minutes
#   make bench-detection-short  the same of two small worlds in two minutes: does it work?
#   make bench-forecast     how often forecasts held: the table in docs/detection.md
#   make clean    remove what the above made
#
# Another interpreter or another place: make test PYTHON=python3.12 VENV=.venv312

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

# The version is part of the stamps' names, so that another PYTHON makes the environment anew.
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null)
MADE := $(VENV)/.made-$(VERSION)
APP := $(VENV)/.app-$(VERSION)
DEV := $(VENV)/.dev-$(VERSION)
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet \
	--constraint constraints.txt

.DELETE_ON_ERROR:
.PHONY: demo test chaos bench bench-kafka bench-kafka-short bench-detection bench-detection-short \
	bench-forecast clean readme constraints help

help:
	@sed -n 's/^#   //p' Makefile

demo: $(APP)
	$(BIN)/surgewatch demo --dir out/demo

# One after the other, cheapest first, pytest's closing lines last. The tests of tests/kafka stop
# their broker now and then: each of two processes has its own, and whole files of tests, in their
# order, in which the longest are not the last.
test: $(DEV)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal \
		--ignore tests/kafka
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/kafka

FAULTS ?= 100
SEED ?=

chaos: $(DEV)
	SURGEWATCH_CHAOS_FAULTS=$(FAULTS) SURGEWATCH_CHAOS_SEED=$(SEED) \
		$(BIN)/python -m pytest tests/kafka/test_chaos.py

bench: $(DEV)
	$(BIN)/python benchmarks/bench_decode.py
	$(BIN)/python benchmarks/bench_replay.py

# Needs what tests/install-packages.sh installs, and 3 GB of disk.
bench-kafka: $(DEV)
	$(BIN)/python -m benchmarks.bench_kafka

bench-kafka-short: $(DEV)
	$(BIN)/python -m benchmarks.bench_kafka --short

bench-detection: $(DEV)
	$(BIN)/python -m benchmarks.bench_detection --write
	$(BIN)/python -m benchmarks.detection.quiet_table

bench-detection-short: $(DEV)
	$(BIN)/python -m benchmarks.bench_detection --short
	$(BIN)/python -m benchmarks.detection.quiet_table --first 1

bench-forecast: $(DEV)
	$(BIN)/python -m benchmarks.detection.forecast

clean:
	rm -rf $(VENV) .kafka benchmarks/.peers
	rm -rf out dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Renews the outputs that the README shows.
readme: $(DEV)
	$(BIN)/python docs/readme_outputs.py

# After a change of dependencies: the newest versions that fit, written down.
constraints: $(MADE)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --upgrade -e '.[dev,parquet]'
	$(BIN)/python -m pip freeze --exclude-editable | grep -v ^setuptools= > constraints.new
	{ sed -n '/^#/p' constraints.txt; cat constraints.new; } > constraints.both
	mv constraints.both constraints.txt
	rm constraints.new

$(MADE):
	@test -n "$(VERSION)" || { \
		echo "$(PYTHON) does not run. Install Python 3.11, 3.12 or 3.13, or name one:" \
			"make PYTHON=python3.12"; exit 1; }
	@case "$(VERSION)" in 3.11.*|3.12.*|3.13.*) ;; *) \
		echo "$(PYTHON) is Python $(VERSION); 3.11, 3.12 or 3.13 is needed." \
			"Name one: make PYTHON=python3.12"; exit 1;; esac
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments (its venv or ensurepip is missing)." \
			"On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(APP): $(MADE) pyproject.toml constraints.txt
	@echo "Installing surgewatch and what it needs into $(VENV): half a minute or so"
	$(INSTALL) --editable .
	@touch $@

$(DEV): $(MADE) pyproject.toml constraints.txt
	@echo "Installing surgewatch, its tools and tests into $(VENV): a minute or so"
	$(INSTALL) --editable '.[dev,parquet]'
	@touch $@ $(APP)
