# Everything happens in .venv and var/ of this checkout; `make clean` removes what the two hold.
PYTHON ?= python3
BIN := .venv/bin
SECONDS_PER_TARGET ?= 30
# Processes that tests run in, a file in one.
JOBS ?= 2
# Of PostgreSQL, for make twin.
VERSIONS := 15,18
MUTATIONS ?= 100000
# What of tests/ test-compiled runs.
COMPILED ?= postgres mysql recorder guardrails sql phi http/test_http_masking.py http/test_http_large.py

.DEFAULT_GOAL := help
.PHONY: bench-log bench-ssh help install parts bench-parts demo-parts test test-compiled compile compiler interpreted lint types check fuzz twin twin-nightly twin-mysql tamper presidio archive bench bench-http bench-mysql demo screenshots clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 24

install: parts .venv/.installed ## a virtualenv with hoopgate and its tools, and the parts of the tests

.venv/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "hoopgate needs Python 3.11 or newer: make PYTHON=python3.11 …"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@tools/progress "install: hoopgate and its tools into .venv" \
	    $(BIN)/python -m pip install --disable-pip-version-check --editable '.[test,lint,types]'
	@touch $@

parts: ## servers and clients that the tests run against (Debian and npm)
	@tools/install-parts

bench-parts:
	@tools/install-parts --bench

compiler:
	@tools/install-parts --compiler

test: install interpreted ## ruff, mypy and all tests
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/mypy --no-error-summary
	@tools/tests $(BIN)/pytest -q -n $(JOBS) --dist loadfile --durations=25

test-compiled: install compiler ## compile a copy, and run the tests of what is compiled
	@tools/compiled $(BIN)/python -m pytest -q -p no:cacheprovider -c '$(CURDIR)/setup.cfg' \
	    --rootdir '$(CURDIR)' $(addprefix '$(CURDIR)'/tests/,$(COMPILED))

# Nobody should run what an edited source no longer says: compiled only when told to, and no longer
# than until the next test.
compile: compiler .venv/.installed interpreted ## compile the hot rooms in place, until the next edit
	@$(BIN)/python setup.py --quiet build_ext --inplace
	@$(BIN)/hoopgate --version

interpreted: ## remove what make compile has made
	@rm -rf hoopgate__mypyc.*.so build/*
	@find hoopgate -name '*.so' -delete

lint: .venv/.installed ## ruff: rules and layout
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.installed ## mypy, strict
	@$(BIN)/mypy

check: lint types ## what needs no servers

fuzz: .venv/.installed ## atheris on the decoders, SECONDS_PER_TARGET each
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	@tools/fuzz $(SECONDS_PER_TARGET) $(BIN)/python

tamper: install ## the 37 tamper and fault cases, at every system call; MUTATIONS=100000 at random
	@MUTATIONS=3000 TAMPER_STEP=1 TAMPER_TABLE=1 $(BIN)/pytest -q tests/tamper
	@$(BIN)/python tests/tamper/mutator.py --count $(MUTATIONS) --progress var/mutations-$(MUTATIONS).json

twin: .venv/.installed ## noninterference through the running gateway; PG=15 (16 and 17 too), EXAMPLES=N, ARGS=--benign
	@$(if $(findstring 16,$(PG))$(findstring 17,$(PG)),tools/install-parts --postgres)
	@$(BIN)/python tests/twin/run.py --versions '$(or $(PG),$(VERSIONS))' --examples $(or $(EXAMPLES),500) $(ARGS)

twin-mysql: .venv/.installed ## the same on MariaDB; EXAMPLES=N, ARGS=--mysql for MySQL 9
	@$(BIN)/python tests/twin_mysql/run.py --examples $(or $(EXAMPLES),1200) $(ARGS)

twin-nightly: .venv/.installed ## the same at length, from fixed seeds; EXAMPLES=N
	@$(BIN)/python tests/twin/run.py --versions '$(or $(PG),$(VERSIONS))' --every 1 --seeds 10 --examples $(or $(EXAMPLES),30000) $(ARGS)
	@TWIN_ALL=1 $(BIN)/pytest -q tests/twin

presidio: install ## hoopgate phi scan with Presidio's patterns (installs some 300 MB)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[presidio]'
	@$(BIN)/pytest -q tests/phi/check_presidio.py

archive: install ## the copy in object storage, on a Ceph gateway with Object Lock
	@tools/install-parts --ceph
	@$(BIN)/pytest -q tests/evidence/check_archive.py

bench: bench-parts .venv/.installed ## pgbench and bulk reads, beside pgbouncer and haproxy, compiled (ARGS=--quick)
	@tools/compiled $(BIN)/python '$(CURDIR)/benchmarks/run.py' $(ARGS)

bench-http: bench-parts .venv/.installed ## HTTP and masked FHIR, by wrk and h2load, beside haproxy and mitmproxy (ARGS='--rounds 1')
	@tools/compiled $(BIN)/python '$(CURDIR)/benchmarks/bench_http.py' $(ARGS)

bench-mysql: bench-parts .venv/.installed ## MariaDB: point selects and bulk reads, beside haproxy (ARGS='--rounds 1')
	@tools/compiled $(BIN)/python '$(CURDIR)/benchmarks/bench_mysql.py' $(ARGS)

bench-log: .venv/.installed ## the log by itself: gated events, cost by size, verification (ARGS=--sizes=1000,10000000)
	@tools/compiled $(BIN)/python '$(CURDIR)/benchmarks/bench_log.py' $(ARGS)

bench-decisions: parts .venv/.installed ## what a decision about masking costs, cached and cold
	@$(BIN)/python '$(CURDIR)/benchmarks/bench_decisions.py' $(ARGS)

bench-ssh: parts .venv/.installed ## SSH: files, output, logins, beside OpenSSH alone (ARGS='--rounds 1')
	@PYTHONPATH=tests $(BIN)/python '$(CURDIR)/benchmarks/bench_ssh.py' $(ARGS)

demo: demo-parts .venv/.installed ## a clinic and the gateway, a session told step by step; PG=18, DEMO_EXIT=1
	@PYTHONPATH=tests $(BIN)/python examples/demo $(if $(PG),--postgres $(PG))

screenshots: install ## the picture of the README, by the console's test
	@mkdir -p docs/images
	@HOOPGATE_SCREENSHOTS=docs/images $(BIN)/pytest -q tests/console -k picture

demo-parts:
	@tools/install-parts $(if $(filter 18,$(PG)),,--demo)

clean: interpreted ## remove .venv, installed parts and caches, and what was compiled
	rm -rf .venv var build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .tox
