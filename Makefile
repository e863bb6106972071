# `make` checks the code and runs the tests; `make help` lists all targets. Everything is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin
# Processes that run the tests.
WORKERS ?= 2

.DEFAULT_GOAL := all
.PHONY: all demo test test-export test-mpi arm matrix torture coverage fuzz check dist bench docs help clean

all: check test ## check the code, then run the tests

demo: .venv/installed ## train on names of dinosaurs, sample new names, score the held-out names
	mkdir -p demo
	$(BIN)/charlm train corpora/dinosaurs.txt --minutes 0.5 -o demo/dinosaurs.npz
	$(BIN)/charlm sample --model demo/dinosaurs.npz --count 20
	$(BIN)/charlm perplexity --model demo/dinosaurs.npz corpora/dinosaurs-held-out.txt
	@echo
	@echo "Next, sample names that begin as you like, or train on a text of your own:"
	@echo "  $(BIN)/charlm sample --model demo/dinosaurs.npz --start-with Tri"
	@echo "  $(BIN)/charlm train YOUR-TEXT.txt -o my-model.npz"

# The tests start Python many times: where nothing keeps its bytecode, each start compiles all modules again.
test: .venv/installed-dev ## run the tests in two processes (make test WORKERS=4: in four)
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

test-export: .venv-export/installed ## run the tests of exports in PyTorch, onnxruntime, Node and Chromium (in .venv-export)
	.venv-export/bin/python -m pytest tests/export

test-mpi: .venv-mpi/installed ## run the tests with several processes, under Open MPI and MPICH (in .venv-mpi)
	.venv-mpi/bin/python -m pytest tests/mpi

arm: .venv/installed-dev ## run a part of the tests on an emulated AArch64, and compare models (as root, 30 minutes)
	.ci/arm $(BIN)/python

matrix: ## run the tests with each Python from 3.11 on, and the oldest and newest numba and NumPy (MATRIX=options of pytest)
	$(PYTHON) .ci/matrix $(if $(MATRIX),$(MATRIX),-n $(WORKERS) --dist worksteal)

torture: .venv/installed-dev ## run the trials of reliability with their full counts, about two hours on two cores
	$(BIN)/python -m torture

coverage: .venv/installed-dev ## run the tests, some of them again without the compiler, and report the branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run --parallel-mode -m pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run --parallel-mode -m pytest -m uncompiled
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under 95

fuzz: .venv-fuzz/installed ## fuzz the readers of model files and of texts with atheris, five minutes each
	.venv-fuzz/bin/python -m torture.fuzz model -max_total_time=300
	.venv-fuzz/bin/python -m torture.fuzz text -max_total_time=300

check: .venv/installed-dev ## check the style with ruff and the types of the public API with mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

dist: .venv/installed-dev ## build the sdist and the wheel, and try the wheel in an empty environment
	.ci/dist $(BIN)/python

bench: .venv-bench/installed ## run the benchmarks against PyTorch (its CPU build, in .venv-bench), about an hour
	.venv-bench/bin/python benchmarks --json benchmarks/figures.json --picture benchmarks/growth.svg

docs: .venv-docs/installed ## build the manual into docs/_build/html; warnings and broken links are errors
	.venv-docs/bin/python -m sphinx -q -n -W --keep-going -b html docs docs/_build/html
	.venv-docs/bin/python docs/check.py docs/_build/html
	@echo "open docs/_build/html/index.html"

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 13

clean: ## remove everything that the other targets made, .venv included
	rm -rf .venv .venv-bench .venv-export .venv-mpi .venv-fuzz .venv-docs .arm .matrix docs/_build demo build dist *.egg-info

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "charlm needs Python 3.11 or later; name one: make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/installed-dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ .venv/installed

.venv-bench/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --editable '.[bench]'
	touch $@

.venv-export/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-export
	.venv-export/bin/python -m pip install --quiet --editable '.[test-export]'
	if command -v npm >/dev/null; then npm install --silent --prefix .venv-export axe-core@4; fi
	touch $@

# Both MPIs bring an mpirun: MPICH gets a folder of its own.
.venv-mpi/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-mpi
	.venv-mpi/bin/python -m pip install --quiet --editable '.[test-mpi]'
	.venv-mpi/bin/python -m pip install --quiet --prefix .venv-mpi/mpich mpich
	touch $@

.venv-fuzz/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --editable '.[fuzz]'
	touch $@

.venv-docs/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --editable '.[docs]'
	touch $@
