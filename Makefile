# make app | test | test-all | coverage | lint | lint-js | demo | bench | torture | pictures | audit | lock; everything runs in .venv, which is made when it is not there
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock --requirement
export PIP_DISABLE_PIP_VERSION_CHECK := 1
unexport PYTHONDONTWRITEBYTECODE  # where it is set, every process compiles torch anew: 6 s

.PHONY: app test test-all coverage lint lint-js demo bench torture pictures audit lock

app: $(VENV)/app
	$(BIN)/streamlit run app.py

# a file is not divided among the cores: what it makes is made once; tests/suite.py orders the files
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

# what a change can break
test: $(VENV)/dev
	$(PYTEST) -m "not ci"

# what CI runs: every test, half of the examples of every property
test-all: $(VENV)/dev
	CI=true $(PYTEST)

# what no test reaches; a third slower
coverage: $(VENV)/dev
	CI=true $(PYTEST) --cov --cov-report=
	$(BIN)/python .ci/covered.py

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/mypy
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory lint-js; \
		else echo "The browser's scripts are not checked: npm is not here."; fi

# the browser's scripts; what checks them needs Node 20 or later, which the app does not
lint-js: .ci/js/node_modules/installed
	npm --prefix .ci/js run --silent lint

.ci/js/node_modules/installed: .ci/js/package.json .ci/js/package-lock.json
	npm ci --prefix .ci/js --silent --no-audit --no-fund
	touch $@

# the whole loop without a browser: draw, train, evaluate, look
demo: $(VENV)/app
	$(BIN)/python -m core demo --out data/street
	$(BIN)/python -m core train --data data/street --model checkpoints/starter --preset "Built-in demo"
	$(BIN)/python -m core evaluate last
	$(BIN)/python -m core analyze last

# what it costs, beside what others do, into docs/measurements.md; half an hour on two cores at rest
bench: $(VENV)/dev
	$(BIN)/python -m bench

# kills, faults, mutated inputs, hostile requests, crowds: 20 minutes on two cores
torture: $(VENV)/dev
	$(BIN)/python -m torture

# the README's pictures, in docs/: the demo is trained for them
pictures: $(VENV)/dev
	$(BIN)/python -m docs.make_pictures

# known vulnerabilities of the locked packages; says so where no service can be asked
audit: | $(VENV)/uv
	$(BIN)/python .ci/audit.py requirements.lock

# after a change to requirements.txt or requirements-dev.txt: which versions of everything they need are installed
lock: | $(VENV)/uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --no-header \
		requirements-dev.txt --output-file requirements.lock

# a file in .venv says which requirements are installed; uv installs them ten times as fast as pip
$(VENV)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
	touch $@

$(VENV)/app: requirements.txt requirements.lock | $(VENV)/uv
	$(INSTALL) requirements.txt
	touch $@

$(VENV)/dev: requirements-dev.txt requirements.txt requirements.lock | $(VENV)/uv
	$(INSTALL) requirements-dev.txt
	touch $@ $(VENV)/app
