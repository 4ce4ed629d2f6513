# mpchat: the commands of README. Each prepares .venv first, and is instant the second time.
HOST ?= 127.0.0.1
PORT ?= 6667
ARGS ?=
SECONDS ?= 60
PYTHON ?= python3

VENV := .venv
READY := $(VENV)/.ready
# The interpreter to run with: the environment's when it is complete, else the system's (a lab PC without a network).
RUN = $$( [ -f $(READY) ] && echo $(VENV)/bin/python || echo $(PYTHON) )

# These start hundreds of processes, each of which would compile every module anew where this variable is set.
WITH_BYTECODE := env -u PYTHONDONTWRITEBYTECODE

.PHONY: help run-server run-client test test-all lint bench chaos soak clean prepare try-prepare
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  variables: HOST=$(HOST) PORT=$(PORT) ARGS="$(ARGS)" PYTHON=$(PYTHON)'

$(READY): requirements.txt
	@echo "mpchat: preparing $(VENV) (once, and again when requirements.txt changes)"
	@rm -f $@
	@[ -x $(VENV)/bin/python ] || $(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --retries 1 -r requirements.txt
	@touch $@

prepare: $(READY)
	@:

try-prepare:
	@mkdir -p $(VENV); $(MAKE) --no-print-directory prepare 2>$(VENV)/preparing.log || { rm -f $(READY); \
	  echo "mpchat: psutil, prompt_toolkit and setproctitle could not be installed: running without them."; \
	  echo "mpchat: missed are CPU and memory in 'ps', line editing in the client, and process titles in 'ps aux'."; \
	  echo "mpchat: why is written in $(VENV)/preparing.log."; } >&2

run-server: try-prepare  ## start a server (HOST= PORT= ARGS='--workers 2')
	@exec $(RUN) -m mpchat server $(HOST) $(PORT) $(ARGS)

run-client: try-prepare  ## join it from this terminal (HOST= PORT= ARGS='--nick ana')
	@exec $(RUN) -m mpchat client $(HOST) $(PORT) $(ARGS)

test: $(READY)  ## the pure core and the whole server, in less than three minutes
	@$(WITH_BYTECODE) $(VENV)/bin/python -m pytest -m 'not surroundings and not slow' $(ARGS)

test-all: $(READY)  ## that, chaos, namespaces, strace, real clients; says at the end what it skipped and why
	@$(WITH_BYTECODE) $(VENV)/bin/python -m pytest -rs $(ARGS)

lint: $(READY)  ## ruff and mypy
	@$(VENV)/bin/python -m ruff format --check .
	@$(VENV)/bin/python -m ruff check .
	@$(VENV)/bin/python -m mypy

bench: try-prepare  ## under load, every delivery checked (ARGS='--rounds 5', or '--against DIR': another checkout)
	@exec $(WITH_BYTECODE) $(RUN) scripts/bench.py $(ARGS)

chaos: try-prepare  ## kill its processes under load for SECONDS=60, and check every byte
	@exec $(WITH_BYTECODE) $(RUN) scripts/chaos.py --seconds $(SECONDS) $(ARGS)

soak: try-prepare  ## the same for an hour
	@exec $(WITH_BYTECODE) $(RUN) scripts/chaos.py --seconds 3600 --period 2 $(ARGS)

clean:  ## remove .venv and all caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
