# mpchat: the commands of README. Each prepares .venv first, and is instant the second time.
HOST ?= 127.0.0.1
PORT ?= 6667
ARGS ?=
E ?=
SECONDS ?= 60
DIR ?= submissions
FILE ?= mpchat-lab.zip
PYTHON ?=

# What every command begins with: scripts/with_python.sh finds a Python, scripts/prepare.py sees to .venv and becomes
# the Python to run with.
PREPARE = env PYTHON='$(PYTHON)' sh scripts/with_python.sh scripts/prepare.py

# These start hundreds of processes, each of which would compile every module anew where this variable is set.
WITH_BYTECODE := env -u PYTHONDONTWRITEBYTECODE

.PHONY: help run-server run-client top trace events explain doctor lab labs grade handout install test test-all lint bench bench-peers bench-growth chaos soak clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  variables: HOST=$(HOST) PORT=$(PORT) ARGS="$(ARGS)" PYTHON=$(or $(PYTHON),(a Python that is found))'

run-server:  ## start a server (HOST= PORT= ARGS='--workers 2')
	@exec $(PREPARE) -- -m mpchat server $(HOST) $(PORT) $(ARGS)

run-client:  ## join it from this terminal (HOST= PORT= ARGS='--nick ana')
	@exec $(PREPARE) -- -m mpchat client $(HOST) $(PORT) $(ARGS)

doctor:  ## will a server run on this machine? (HOST= PORT= ARGS='--workers 4')
	@exec $(PREPARE) -- -m mpchat doctor $(HOST) $(PORT) $(ARGS)

top:  ## watch its processes, live (PORT= ARGS='--once')
	@exec $(PREPARE) -- -m mpchat top --port $(PORT) $(ARGS)

trace:  ## follow a message through the processes (PORT= ARGS='--from ana')
	@exec $(PREPARE) -- -m mpchat trace --port $(PORT) $(ARGS)

events:  ## what has happened to the processes (PORT= ARGS='--follow')
	@exec $(PREPARE) -- -m mpchat events --port $(PORT) $(ARGS)

explain:  ## read the journal aloud (PORT= ARGS='--nick beto --room "#so"')
	@exec $(PREPARE) -- -m mpchat explain --port $(PORT) $(ARGS)

lab:  ## one of the course's ten experiments, step by step (E=4, ARGS='--run')
	@exec $(WITH_BYTECODE) $(PREPARE) -- -m mpchat lab $(if $(E),e$(E)) $(ARGS)

labs:  ## all ten, run and checked, as a table
	@exec $(WITH_BYTECODE) $(PREPARE) -- -m mpchat lab all $(ARGS)

grade:  ## mark the submissions in DIR, for instructors (DIR=submissions E=4 ARGS='--format csv')
	@exec $(WITH_BYTECODE) $(PREPARE) -- -m mpchat grade '$(DIR)' $(if $(E),--experiment e$(E)) $(ARGS)

handout:  ## what students get, without solutions, as a zip (FILE=mpchat-lab.zip)
	@exec $(PREPARE) -- scripts/handout.py '$(FILE)'

install:  ## install what it can use and could not be installed at the first start
	@$(PREPARE) --again

test:  ## the pure core and the whole server, in a few minutes
	@exec $(WITH_BYTECODE) $(PREPARE) --dev -- -m pytest -n 3 --dist loadfile -m 'not surroundings and not slow' $(ARGS)

test-all:  ## that, chaos, namespaces, strace, real clients, all labs; says at the end what it skipped and why
	@$(WITH_BYTECODE) $(PREPARE) --dev -- -m pytest -rs $(ARGS)
	@exec $(WITH_BYTECODE) $(PREPARE) -- -m mpchat lab all

lint:  ## ruff and mypy
	@$(PREPARE) --dev -- -m ruff format --check .
	@$(PREPARE) --dev -- -m ruff check .
	@$(PREPARE) --dev -- -m mypy

bench:  ## under load, every delivery checked (ARGS='--rounds 5', or '--against DIR': another checkout)
	@exec $(WITH_BYTECODE) $(PREPARE) -- scripts/bench $(ARGS)

bench-peers:  ## in turn with ngIRCd, InspIRCd and two small servers (ARGS='S1 S4 --rounds 5')
	@exec $(WITH_BYTECODE) $(PREPARE) --dev -- scripts/bench/compare.py $(ARGS)

bench-growth:  ## how the cost of a delivery grows with rooms, their members, clients, workers (ARGS='members')
	@exec $(WITH_BYTECODE) $(PREPARE) --dev -- scripts/bench/growth.py $(ARGS)

chaos:  ## kill its processes under load for SECONDS=60, and check every byte
	@exec $(WITH_BYTECODE) $(PREPARE) -- scripts/chaos.py --seconds $(SECONDS) $(ARGS)

soak:  ## strangers attack it for SECONDS=60, and who behaves must not notice
	@exec $(WITH_BYTECODE) $(PREPARE) -- scripts/soak.py --seconds $(SECONDS) $(ARGS)

clean:  ## remove .venv and all caches
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
