# Everything a person or CI runs. Each target sets up what it needs first.

VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)

.PHONY: help setup demo test reproduce chaos check bench up down nightly stop clean lock

help:  ## This list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.stamp  ## The environment, from the lock file: 3.4 GB to download, 7 GB on disk

demo: setup  ## The whole pipeline on a drawn corpus, ten minutes on 2 cores; leaves a Prefect server on loopback
	$(BIN)/memshield demo

test: setup  ## All tests, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

reproduce: setup  ## Every table and figure of the study on drawn pictures: a minute, numbers mean nothing
	$(BIN)/memshield reproduce runs/smoke --scale smoke --no-server

chaos: setup  ## The long fault suite: kills, a failing object store, full disks; about half an hour on 2 idle cores
	$(BIN)/python -m pytest -m "slow or not slow" tests/chaos tests/s3 tests/flows/test_ray.py \
		tests/mem_core/protect/test_large_pictures.py

check: setup  ## ruff, mypy --strict, import-linter, the links between Markdown files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/mdrefcheck .

bench: setup  ## The benchmarks, as ratios measured in one run
	$(BIN)/python -m benchmarks

up: setup  ## Prefect server on loopback, work pools, deployments, triggers, automations, one CPU worker
	$(BIN)/memshield up

down: setup  ## Stops the worker and the server; records and corpora stay
	$(BIN)/memshield down

nightly: setup  ## Three nights of crawls, one killed in the middle; says what was repeated (nothing) and compares all bytes
	$(BIN)/python -m tests.flows.three_nights

stop: setup  ## Stops the Prefect server that demo started
	$(BIN)/memshield server stop

clean:  ## Removes caches and the demo's files; corpora of yours stay
	rm -rf runs/demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

lock:  ## Pins all dependencies with their hashes, after a change in pyproject.toml; needs uv
	uv pip compile pyproject.toml --extra ray --extra lm --extra timestamp --extra dev --python-version 3.11 --generate-hashes --no-header -o requirements.lock

# The stamp is written last: a set-up that was cut off is done again.
$(VENV)/.stamp: requirements.lock pyproject.toml
	@deployments/install.sh $(VENV) $(PYTHON) $(UV)
	@touch $@
