# Every target sets up what it needs. `make demo` and `make test` are the two commands of the README.
PYTHON ?= python3
CORES  ?= 2
PYTHONS ?= 3.11 3.12 3.13
PYTEST_ARGS ?= -n $(CORES) --dist loadfile --no-loadscope-reorder
VENV   := .venv
BIN    := $(VENV)/bin
SMK    := $(BIN)/snakemake --cores $(CORES)
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUTF8 := 1

.PHONY: help demo dist docs test test-browser test-pythons test-other-python test-slurm test-faults test-hostile lint format bench validate audit pins clean
help:
	@echo "make demo    simulate an irradiated tissue and run the whole workflow on it"
	@echo "make test    run the tests"
	@echo "make test-browser  the report in a real browser (needs Chromium)"
	@echo "make test-pythons  the tests on Python $(PYTHONS), those that are on the PATH or in pyenv"
	@echo "make test-other-python  a few of them on the newest of these beside $(PYTHON), in minutes"
	@echo "make lint    ruff, snakefmt, snakemake --lint, mypy"
	@echo "make test-slurm    through a private SLURM, bit for bit as without (root, Debian)"
	@echo "make test-faults   kill jobs, fill disks, skew clocks; then run again"
	@echo "make test-hostile  bad and hostile input (part of make test)"
	@echo "make dist    wheel and sdist, checked, installed in empty environments, demo run from there"
	@echo "make docs    the documentation site, warnings are errors"
	@echo "make bench   speed and memory against the peers, into docs/speed.md"
	@echo "make validate  false calls, power, specificity, into docs/validation.md"
	@echo "make audit   requirements/*.txt against known vulnerabilities (needs a network)"
	@echo "make pins    resolve requirements/*.txt anew (needs uv)"
	@echo "make clean   remove the demo and the caches; results/ and .venv stay"

# A stamp is newer than the pins it was installed from, or the install runs again.
$(VENV)/.run: requirements/run.txt pyproject.toml
	$(PYTHON) workflow/setup_venv.py $(VENV) requirements/run.txt
	touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml $(VENV)/.run
	$(PYTHON) workflow/setup_venv.py $(VENV) requirements/dev.txt
	touch $@

$(VENV)/.browser: requirements/browser.txt $(VENV)/.dev
	$(PYTHON) workflow/setup_venv.py $(VENV) requirements/browser.txt
	touch $@

demo: $(VENV)/.run
	$(BIN)/senoscore simulate --out demo --seed 1 --if-missing
	$(SMK)
	@$(BIN)/python -c "from pathlib import Path; print('Report:', Path('results/report.html').resolve())"

test: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# Chromium of the system, or the file that CHROMIUM names; skipped with the reason where there is none.
test-browser: $(VENV)/.browser
	$(BIN)/python -m pytest -n 0 tests/report/test_browser.py

# An environment for each interpreter, beside the others; one that is not there is an error at the
# end, so that nothing passes for tested.
test-pythons:
	$(PYTHON) workflow/test_pythons.py $(PYTHONS) -- $(PYTEST_ARGS)

# What another pandas, anndata or Python has changed before: tables, text columns, counting, a notebook.
test-other-python:
	$(PYTHON) workflow/test_pythons.py --beside $(PYTHONS) -- $(PYTEST_ARGS) tests/io tests/study \
	    tests/scoring/test_shards.py tests/cells/test_verbs.py tests/inference/test_as_read.py \
	    tests/run/test_notebook.py tests/test_readme.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check workflow
	$(BIN)/mypy
	$(BIN)/senoscore simulate --out demo --seed 1 --if-missing
	$(BIN)/snakemake --lint

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

test-slurm: $(VENV)/.dev
	PYTHON=$(BIN)/python tests/slurm/run.sh

test-faults: $(VENV)/.dev
	$(BIN)/python -m pytest -m faults tests/faults

test-hostile: $(VENV)/.dev
	$(BIN)/python -m pytest $(PYTEST_ARGS) tests/bad_inputs tests/hostile

# What strangers install: built, checked, installed in empty environments, run.
dist:
	$(PYTHON) workflow/check_dist.py

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -q -W --keep-going -b html docs docs/_build/html
	@echo "Site: docs/_build/html/index.html"

validate: $(VENV)/.dev
	$(BIN)/python validation/run.py

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/run.py --full --out docs/speed.md

# A tool of its own: what it needs must not get among what it checks. --strict: a package that the
# service does not know is a failure, not a pass. Lines for another Python are not looked at.
audit:
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install -q pip-audit==2.10.1
	$(VENV)/audit/bin/pip-audit --strict --disable-pip --require-hashes \
	    -r requirements/run.txt -r requirements/dev.txt -r requirements/browser.txt

pins:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --extra workflow --extra embedding pyproject.toml \
	    -o requirements/run.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --extra dev -c requirements/run.txt pyproject.toml \
	    -o requirements/dev.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-header --no-annotate --extra browser -c requirements/dev.txt pyproject.toml \
	    -o requirements/browser.txt

clean:
	rm -rf demo .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find senoscore tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
