# Every target does its own set-up: a virtual environment in .venv with the pinned versions of constraints.txt.
# Set-up is stamped, and repeated only when the requirements change.

PYTHON ?= python3
VENV := .venv
# make grown GROWN_STUDY=grown-smallest: in two minutes; grown-long: for a GPU, or a night.
GROWN_STUDY ?= grown
BIN := $(VENV)/bin
# Twice quiet: errors are still shown, advice about indexes and versions is not.
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt

.PHONY: demo grown test lint docs notebooks notebooks-all play jupyter bench bench-memory package clean trust coverage mutants audit sbom versions snapshots

demo: $(VENV)/.ready-core  ## the whole study on the bundled model and corpora: demo-out/report.html
	$(BIN)/esn demo --out demo-out

grown: $(VENV)/.ready-grown  ## a model that nobody engineered: its parts, and a short study: grown-out/report.html
	$(BIN)/esn fetch smol-audio
	$(BIN)/esn study $(GROWN_STUDY) --out grown-out

test: $(VENV)/.ready-test  ## every test, notebooks included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/.ready-dev  ## style, formatting of imports, types
	$(BIN)/ruff check .
	$(BIN)/pyright

docs: $(VENV)/.ready-dev  ## docs/_build/html/index.html; a warning is an error
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

notebooks: $(VENV)/.ready-test  ## run the notebooks whose content changed, and write them with their outputs
	OMP_NUM_THREADS=1 $(BIN)/python tools/run_notebooks.py

notebooks-all: $(VENV)/.ready-test  ## run all of them anew
	OMP_NUM_THREADS=1 $(BIN)/python tools/run_notebooks.py --all

play: $(VENV)/.ready-notebook  ## the playground: opens a page on this machine
	$(BIN)/esn play

jupyter: $(VENV)/.ready-notebook  ## everything that notebooks need, and opens them in JupyterLab
	$(BIN)/jupyter lab notebooks

bench: .venv-bench/.ready  ## cost beside the plain model and other tools: benchmarks/results/cpu.json, under 15 minutes
	OMP_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks

bench-memory: .venv-bench/.ready  ## memory over 100,000 clips and 2,000 runs: benchmarks/results/memory.json, half an hour
	OMP_NUM_THREADS=1 .venv-bench/bin/python -m benchmarks.memory

trust: $(VENV)/.ready-test  ## kills and damaged files, the long run: benchmarks/results/trust.json
	OMP_NUM_THREADS=1 $(BIN)/python tools/measure_trust.py --kills --damaged

coverage: $(VENV)/.ready-quality  ## lines and branches that the tests reach, at least 95 %
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --cov=esn_interp --cov-branch --cov-report=
	$(BIN)/coverage json -q -o .pytest_cache/coverage.json
	$(BIN)/python tools/measure_trust.py --coverage .pytest_cache/coverage.json
	$(BIN)/coverage report --skip-covered --fail-under=95

mutants: $(VENV)/.ready-test  ## small mistakes in the numbers, of which the tests must notice 85 %
	OMP_NUM_THREADS=1 $(BIN)/python tools/try_mutants.py
	$(BIN)/python tools/measure_trust.py --mutants benchmarks/results/mutants.json

audit: $(VENV)/.ready-quality  ## known vulnerabilities of everything that is pinned
	$(BIN)/python tools/audit_pins.py

sbom: $(VENV)/.ready-quality  ## dist/sbom.json: everything that is installed, in CycloneDX
	mkdir -p dist && $(BIN)/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --of JSON -o dist/sbom.json

snapshots: $(VENV)/.ready-test  ## public names and entries of files, as the tests compare them: after a change that is meant
	$(BIN)/python tools/write_snapshots.py

versions: $(VENV)/.ready-quality  ## the tests of what others' versions can break, under the lowest and the newest ones, and each Python that is here
	OMP_NUM_THREADS=1 $(BIN)/python tools/try_versions.py
	$(BIN)/python tools/measure_trust.py --versions .versions/outcomes.json

package: $(VENV)/.ready-dev  ## dist/*.whl, which must hold every file of the package: weights, recordings, templates
	rm -rf dist && mkdir dist
	@$(BIN)/python -m build --wheel > dist/log 2>&1 || { cat dist/log; exit 1; }
	@$(BIN)/python -m zipfile -l dist/*.whl | awk '/^esn_interp\// {print $$1}' | sort > dist/packed
	@git ls-files esn_interp | sort | comm -23 - dist/packed > dist/missing
	@test ! -s dist/missing || { echo "not in the wheel:"; cat dist/missing; exit 1; }
	@ls dist/*.whl

clean:
	rm -rf demo-out grown-out docs/_build build dist .pytest_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info[:2] < (3, 14); sys.exit(0 if ok else \
	"esn_interp needs Python 3.11 to 3.13, this is %d.%d: run make PYTHON=python3.11" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-core: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing esn_interp into $(VENV) (once)"
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.ready-notebook: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing esn_interp and JupyterLab into $(VENV) (once)"
	$(PIP_INSTALL) -e '.[notebook,play]'
	@touch $@

$(VENV)/.ready-grown: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing esn_interp and what reads the parts of smol-audio into $(VENV) (once)"
	$(PIP_INSTALL) -e '.[grown]'
	@touch $@ $(VENV)/.ready-core

$(VENV)/.ready-test: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing esn_interp and what its tests need into $(VENV) (once)"
	$(PIP_INSTALL) -e '.[test]'
	@touch $@ $(VENV)/.ready-grown

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing esn_interp and all development tools into $(VENV) (once)"
	$(PIP_INSTALL) -e '.[dev]'
	@touch $@ $(VENV)/.ready-test $(VENV)/.ready-grown $(VENV)/.ready-core

$(VENV)/.ready-quality: pyproject.toml constraints.txt | $(VENV)/.ready-dev
	@echo "Adding what measures the tests themselves to $(VENV) (once)"
	$(PIP_INSTALL) -e '.[quality]'
	@touch $@

# Not in .venv: one of the tools that are compared installs packages while it runs.
.venv-bench/.ready: pyproject.toml constraints.txt
	@echo "Installing esn_interp and the tools it is compared with into .venv-bench (once)"
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@
