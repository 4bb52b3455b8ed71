# Verbs: demo test check fix bench soak build lock kafka hapi fhir clean. `make demo` and `make test` set up by themselves.
PYTHON ?= python3
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE ?=

.PHONY: demo test check fix bench soak build lock kafka hapi fhir clean setup setup-dev wheel-test

demo: $(VENV)/run.stamp
	$(BIN)/tabellion demo

test: $(VENV)/dev.stamp
	$(BIN)/python -m tools.testing

check: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/tabellion map check

fix: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks

soak: $(VENV)/dev.stamp
	$(BIN)/python -m tools.testing --soak

build: $(VENV)/dev.stamp
	rm -rf dist && mkdir -p dist
	$(BIN)/python -c "import uv_build; print(uv_build.build_wheel('dist'))"

wheel-test: build
	$(BIN)/python -m tools.testing --wheel dist

kafka: .kafka/libs.stamp

.kafka/libs.stamp: tools/kafka/pom.xml
	mkdir -p .kafka
	mvn -q -B -f tools/kafka/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.kafka/libs
	touch $@

fhir: .fhir/npm.stamp

.fhir/npm.stamp: tools/fhir/package.json tools/fhir/package-lock.json
	mkdir -p .fhir
	cp tools/fhir/package.json tools/fhir/package-lock.json .fhir/
	cd .fhir && npm ci --silent --ignore-scripts --no-audit --no-fund
	touch $@

hapi: .hapi/libs.stamp

.hapi/libs.stamp: tools/hapi/pom.xml
	mkdir -p .hapi
	mvn -q -B -f tools/hapi/pom.xml dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.hapi/libs
	touch $@

setup: $(VENV)/run.stamp
setup-dev: $(VENV)/dev.stamp

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tabellion needs Python 3.11 or newer (found: $$($(PYTHON) --version)). Set PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "This Python has no venv: on Debian and Ubuntu install the package python3-venv"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(VENV)/run.stamp
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes --only-binary :all: -r requirements-dev.lock
	@touch $@

lock:
	printf 'uv-build>=0.13,<0.14\n' | uv pip compile -q $(LOCK) pyproject.toml - -o requirements.lock
	uv pip compile -q $(LOCK) --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo-data
