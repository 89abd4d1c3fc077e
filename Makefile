# Everything runs from here; `make help` lists it. Nothing but Python 3.11 and make is needed beforehand.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

EXPERIMENT ?= embedded
# `make faithful` has a default of its own, and listens to EXPERIMENT all the same.
FAITHFUL := $(if $(filter file,$(origin EXPERIMENT)),faithful_embedded,$(EXPERIMENT))
PAGE ?= $(EXPERIMENT)
ARGS ?=
# Tests run in as many processes as there are cores, one thread each; what a file prepares is prepared once, and the order
# of files is that of tests/conftest.py. They start many programs, which would each compile the package where Python is
# told to keep no bytecode.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder
# What `forks` makes its jobs forks of the tests' process, which must have no threads or connections of other tests.
FAULTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/faults

.DEFAULT_GOAL := help
.PHONY: help setup reproduce smoke sweep faithful faithful-sensitivity page site test test-unit test-integration test-slow \
	test-cpus test-coverage test-faults test-mutation test-acceptance bench lint mypy contract format clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-20s %s\n", $$1, $$2}'

setup: $(READY) ## Create .venv with everything, in the tested versions (constraints.txt)

# torch goes first and alone: with it there, nothing pulls a build for another machine.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

reproduce: setup ## Run an experiment end to end and write its report (EXPERIMENT=embedded, ARGS='seeds=[1,2]')
	$(BIN)/python -m experiments.reproduce experiment=$(EXPERIMENT) $(ARGS)

smoke: setup ## Run every stage on a tiny model, in a few minutes
	$(BIN)/python -m experiments.reproduce experiment=smoke $(ARGS)

sweep: setup ## Sweep the perturbation's strength over an experiment's models (EXPERIMENT=embedded, ARGS='sweep.folds=5')
	$(BIN)/python -m experiments.sweep experiment=$(EXPERIMENT) $(ARGS)

faithful: setup ## Ask whether a model says what it believes (EXPERIMENT=faithful_embedded, ARGS='faithful.sampling.k=5')
	$(BIN)/python -m experiments.faithful experiment=$(FAITHFUL) $(ARGS)

faithful-sensitivity: setup ## Say what each choice of the faithful framework moves (ARGS='rollouts.path=FOLDER')
	$(BIN)/python -m experiments.rollouts $(ARGS)

page: ## Copy an experiment's report.md and figures to docs/results (EXPERIMENT=embedded_full PAGE=embedded)
	mkdir -p docs/results/$(PAGE)
	sed 's#](figures/#]($(PAGE)/#' outputs/$(EXPERIMENT)/report.md > docs/results/$(PAGE).md
	cp outputs/$(EXPERIMENT)/figures/*.png docs/results/$(PAGE)/

site: setup ## Build the pages of docs/ as a site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

test: setup ## Run the tests (unit, integration and a few faults; minutes)
	$(PYTEST) -m 'not slow and not forks' tests/unit tests/integration tests/faults $(ARGS)

test-unit: setup ## Run the tests that load no model
	$(PYTEST) -m 'not slow' tests/unit $(ARGS)

test-integration: setup ## Run the tests that load SmolLM2 (135M)
	$(PYTEST) -m 'not slow' tests/integration $(ARGS)

test-slow: setup ## Run the tests that take minutes: the smoke run, processes, launchers, families of models
	$(PYTEST) -m slow tests/unit tests/integration $(ARGS)

test-faults: setup ## Kill, damage and misfeed toys of all jobs (docs/reliability.md; minutes)
	$(FAULTS) $(ARGS)

# The same sums in another order round otherwise: what a tolerance allows must hold on every make of processor.
test-cpus: setup ## Run the numeric tests as other processors would: plain, AVX2, and this machine's own
	ATEN_CPU_CAPABILITY=default $(PYTEST) -m 'numeric and not slow' tests/unit $(ARGS)
	ATEN_CPU_CAPABILITY=avx2 $(PYTEST) -m 'numeric and not slow' tests/unit $(ARGS)
	$(PYTEST) -m 'numeric and not slow' tests/unit $(ARGS)

test-coverage: setup ## Run the tests and say which lines and branches none of them reaches
	$(PYTEST) -m 'not slow' --cov --cov-report=term:skip-covered --cov-report=html tests/unit tests/integration $(ARGS)

# Rooms whose faults are tried; SAMPLE of them each.
ROOMS ?= metrics grading perturbation faithful analysis
SAMPLE ?= 300
test-mutation: setup ## Put small faults into rooms and ask whether their tests notice (ROOMS=metrics SAMPLE=100; long)
	for room in $(ROOMS); do OMP_NUM_THREADS=1 $(BIN)/python tests/helpers/mutation.py $$room --sample $(SAMPLE) || exit 1; done

test-acceptance: setup ## Run the tests that load the 1.5B model (minutes, 6 GiB)
	$(BIN)/python -m pytest tests/acceptance $(ARGS)

bench: setup ## Measure speed against the paper's procedure on this machine
	$(BIN)/python -m experiments.bench $(ARGS)

lint: setup mypy contract ## Check style (ruff), types (mypy, strict) and the order of the rooms (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

mypy: setup ## Check types alone
	$(BIN)/mypy

contract: setup ## Check alone that each room imports only from those it may
	$(BIN)/lint-imports

format: setup ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## Remove the environment and caches; artifacts and outputs stay
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov site .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
