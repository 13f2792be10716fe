# What each command does stands in the README.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Apart from the rest: they look at what is installed, and nothing of theirs shall be.
SUPPLY := $(VENV)/supply
# One more than there are cores, for booted installs mostly wait; four have Redis databases.
WORKERS := $(shell cores=$$(getconf _NPROCESSORS_ONLN); echo $$((cores < 3 ? cores + 1 : 4)))

.PHONY: run web worker beat test hosts faults check audit sbom bench requirements

run: $(VENV)/.runtime
	@exec $(BIN)/python manage.py run

web: $(VENV)/.runtime
	@exec $(BIN)/python manage.py web

worker: $(VENV)/.runtime
	@exec $(BIN)/python manage.py worker

beat: $(VENV)/.runtime
	@exec $(BIN)/python manage.py beat

test: $(VENV)/.development
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(PYTEST)

hosts: $(VENV)/.development
	$(BIN)/python -m pytest --hosts tests/e2e/test_hosts.py $(PYTEST)

check: $(VENV)/.development
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null

audit: $(SUPPLY)/.installed
	$(SUPPLY)/bin/pip-audit --strict --disable-pip --require-hashes \
		-r requirements.txt -r requirements-dev.txt

sbom: $(SUPPLY)/.installed
	@mkdir -p var
	$(SUPPLY)/bin/cyclonedx-py requirements --output-reproducible --output-file var/sbom.json \
		requirements.txt

bench: $(VENV)/.development
	$(BIN)/python -m bench

faults: $(VENV)/.development
	$(BIN)/python -m tests.faults $(FAULTS)

requirements: $(VENV)/.development
	$(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make requirements" -q -o requirements.txt
	$(BIN)/uv pip compile pyproject.toml --extra dev --extra tracing --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url \
		--custom-compile-command "make requirements" -q -o requirements-dev.txt
	$(BIN)/uv pip compile requirements-supply.in --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make requirements" \
		-q -o requirements-supply.txt

# An install of everything satisfies the runtime too, so `make run` after `make test` keeps it.
$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	@test $(VENV)/.development -nt requirements-dev.txt \
		|| $(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

$(SUPPLY)/.installed: requirements-supply.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv $(SUPPLY)
	@$(SUPPLY)/bin/python -m pip install --quiet --require-hashes -r requirements-supply.txt
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	@echo "Making the environment in $(VENV): half a minute or so, once"
	@$(PYTHON) -m venv $(VENV)
