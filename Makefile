# `make` checks the style and runs the tests; `make help` lists the rest. Everything is installed into .venv.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := all
.PHONY: all demo test torture coverage fuzz check bench help clean

all: check test ## check the style, then run the tests

demo: .venv/installed ## train on the names of dinosaurs, draw new ones, measure the held-out ones
	mkdir -p demo
	$(BIN)/charlm train corpora/dinosaurs.txt --lines --minutes 0.5 -o demo/dinosaurs.npz
	$(BIN)/charlm sample --model demo/dinosaurs.npz --count 20
	$(BIN)/charlm perplexity --model demo/dinosaurs.npz corpora/dinosaurs-held-out.txt

test: .venv/installed-dev ## run the tests
	$(BIN)/python -m pytest

torture: .venv/installed-dev ## try each promise of reliability with the full counts, about two hours on two cores
	$(BIN)/python -m torture

coverage: .venv/installed-dev ## run the tests, once more without the compiler, and report the branches that they took
	$(BIN)/coverage erase
	$(BIN)/coverage run --parallel-mode -m pytest
	NUMBA_DISABLE_JIT=1 $(BIN)/coverage run --parallel-mode -m pytest -m uncompiled
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under 95

fuzz: .venv-fuzz/installed ## let atheris look for bytes that break the reader of model files or of text, five minutes each
	.venv-fuzz/bin/python -m torture.fuzz model -max_total_time=300
	.venv-fuzz/bin/python -m torture.fuzz text -max_total_time=300

check: .venv/installed-dev ## look at the code with ruff
	$(BIN)/ruff check .

bench: .venv-bench/installed ## measure all of benchmarks/ beside PyTorch (its CPU build, in .venv-bench), an hour or so
	.venv-bench/bin/python benchmarks --json benchmarks/figures.json --picture benchmarks/growth.svg

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

clean: ## remove what the other targets made, .venv included
	rm -rf .venv .venv-bench .venv-fuzz demo build *.egg-info

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

.venv-fuzz/installed: .venv/bin/python pyproject.toml
	$(PYTHON) -m venv .venv-fuzz
	.venv-fuzz/bin/python -m pip install --quiet --editable '.[fuzz]'
	touch $@
