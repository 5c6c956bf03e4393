PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo test long lint docs bench acceptance wheel clean

help:
	@echo 'make demo        a company with webhooks, at http://127.0.0.1:6543/'
	@echo 'make test        the tests'
	@echo 'make long        those that take long: several processes, killed and frozen'
	@echo 'make lint        style, and that imports point one way'
	@echo 'make docs        the documentation, into docs/_build/html'
	@echo 'make bench       what webhooks cost, printed'
	@echo 'make acceptance  every promise at its full size; takes long'
	@echo 'make wheel       a wheel, into dist'
	@echo 'make clean       remove what was built (the data in var and .venv stay)'

demo: $(VENV)/.installed-demo
	mkdir -p var
	$(BIN)/pserve development.ini

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

long: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m long -n 3 --dist worksteal $(ARGS)

lint: $(VENV)/.installed-lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b doctest docs docs/_build/doctest

bench: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks

acceptance: $(VENV)/.installed-test
	$(BIN)/python -m benchmarks.acceptance

wheel: $(BIN)/python
	rm -rf build dist
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .

clean:
	rm -rf build dist docs/_build *.egg-info .hypothesis .import_linter_cache
	rm -rf .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

$(VENV)/.installed-%: setup.cfg setup.py pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -e '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'pyramid_webhooks needs Python 3.11 or newer and "$(PYTHON)" is not.' >&2; \
		echo 'Name one that is: make $(or $(MAKECMDGOALS),demo) PYTHON=/path/to/python3' >&2; \
		exit 1; }
	$(PYTHON) -m venv $(VENV)
