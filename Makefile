# To start, run `make demo` and `make test`. Each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
SANDBOX := .venv-sandbox
PEERS := .venv-bench
IMAGE_VENV := .venv-image
CHECKS := .venv-check
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check --no-input

# Some containers set it. Each test process would then compile every module and each of its assertions again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-all aws check prove histories bench e2e lock docs clean
.DELETE_ON_ERROR:

demo: $(VENV)/.ready $(SANDBOX)/.ready  ## promote on success, on an embedded AWS
	@$(BIN)/python -m examples.demo

test: $(VENV)/.ready $(SANDBOX)/.ready  ## what to run before each commit: one test of each mechanism; no Docker, no AWS account
	$(BIN)/python -m pytest -n auto -m "not exhaustive" $(ARGS)

test-all: $(VENV)/.ready $(SANDBOX)/.ready  ## every test: the full matrices, 2,000 simulated schedules, every mutant
	$(BIN)/python -m pytest -n auto $(ARGS)

aws: $(VENV)/.ready  ## ask your AWS account what no recording shows: REGION=eu-west-1 PREFIX=try-1; docs/assumptions.md has the other options
	@$(BIN)/python -m conformance --region "$(REGION)" --prefix "$(PREFIX)" $(if $(IMAGE),--image "$(IMAGE)") \
	  $(if $(ROLE),--role "$(ROLE)") $(if $(SUBNETS),--subnets "$(SUBNETS)") $(if $(GROUPS),--security-groups "$(GROUPS)") \
	  $(if $(REPEAT),--repeat "$(REPEAT)") $(if $(WATCH),--watch "$(WATCH)") $(if $(ONLY),--only "$(ONLY)") \
	  $(if $(REPORT),--report "$(REPORT)") $(if $(CLEAN),--clean)

WORKFLOWS := $(wildcard .github/workflows/*.yml examples/workflows/*.yml)

check: $(VENV)/.ready $(CHECKS)/.ready  ## lint, format, types; the Dockerfile, action.yml and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(CHECKS)/bin/hadolint Dockerfile
	$(CHECKS)/bin/zizmor --quiet --offline --persona pedantic --config .github/zizmor.yml .github examples/workflows/*.yml action.yml
	$(CHECKS)/bin/check-jsonschema --builtin-schema vendor.github-actions action.yml
	$(CHECKS)/bin/check-jsonschema --builtin-schema vendor.github-workflows $(WORKFLOWS)
	$(CHECKS)/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@# The schema of action-validator does not know the permission to attest, so it gets copies without that line.
	for file in action.yml $(WORKFLOWS); do \
	  sed '/^ *attestations: write/d' $$file > $(CHECKS)/$${file##*/} && \
	  $(CHECKS)/bin/node $(CHECKS)/node_modules/@action-validator/cli/cli.mjs $(CHECKS)/$${file##*/} || { echo "in $$file"; exit 1; }; \
	done

TIME ?= 60

prove: $(VENV)/.ready  ## schedules of runs, faults and clocks for TIME=60 seconds; or SCHEDULES=50000, SEED=4711 (replay), MUTANTS=1
	$(BIN)/python -m tests.simulation.prove --seconds $(TIME) $(if $(SCHEDULES),--schedules $(SCHEDULES)) \
	  $(if $(FIRST),--first $(FIRST)) $(if $(SEED),--seed $(SEED)) $(if $(MUTANTS),--mutants)

PAIRS ?= 20000

histories: $(VENV)/.ready  ## compare the order of commits with git, on PAIRS=20000 pairs of random histories
	$(BIN)/python -m tests.histories --pairs $(PAIRS)

bench: $(VENV)/.ready $(SANDBOX)/.ready $(PEERS)/.ready $(IMAGE_VENV)/.ready  ## all benchmarks, written into docs/benchmarks.md; or PARTS="calls packing"
	$(BIN)/python -m benchmarks $(PARTS) --write docs/benchmarks.md

e2e: $(VENV)/.ready $(VENV)/.e2e $(SANDBOX)/.ready  ## the image and workflows as a runner starts them, and pictures of their output; needs a Docker Engine
	$(BIN)/python -m pytest tests/e2e $(ARGS)

docs: $(VENV)/.ready  ## update the README's tables and the schema of promote.yml
	$(BIN)/python -m tools.document

LOCK := uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --upgrade

lock:  ## update the lock files (needs uv)
	$(LOCK) --override requirements/overrides.in pyproject.toml -o requirements/runtime.txt
	$(LOCK) --override requirements/overrides.in -c requirements/runtime.txt pyproject.toml requirements/dev.in -o requirements/dev.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) requirements/e2e.in -o requirements/e2e.txt
	$(LOCK) requirements/check.in -o requirements/check.txt
	$(LOCK) -c requirements/runtime.txt requirements/bench.in -o requirements/bench.txt

clean:
	rm -rf $(VENV) $(SANDBOX) $(PEERS) $(IMAGE_VENV) $(CHECKS) .demo .e2e

$(VENV)/.ready: requirements/dev.txt
	@echo "setting up $(VENV): the action and its tools (once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with: make PYTHON=python3.13 ...")'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r requirements/dev.txt
	@$(BIN)/python -m pip install $(PIP_FLAGS) --no-deps --editable .
	@touch $@

# Separate, because only the tests that need Docker need a runner for workflows.
PICTURES := tests/e2e/pictures
$(VENV)/.e2e: requirements/e2e.txt $(PICTURES)/package.json $(PICTURES)/package-lock.json $(VENV)/.ready
	@$(BIN)/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r requirements/e2e.txt
	@cp $(PICTURES)/package.json $(PICTURES)/package-lock.json $(VENV)
	@$(BIN)/npm ci --prefix $(VENV) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(SANDBOX)/.ready: sandbox/requirements.txt
	@echo "setting up $(SANDBOX): the embedded AWS (once)"
	@$(PYTHON) -m venv --clear $(SANDBOX)
	@$(SANDBOX)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r sandbox/requirements.txt
	@touch $@

# Separate, because only the benchmarks need the tools that they compare with.
$(PEERS)/.ready: requirements/bench.txt
	@echo "setting up $(PEERS): tools for the benchmarks (once)"
	@$(PYTHON) -m venv --clear $(PEERS)
	@$(PEERS)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r requirements/bench.txt
	@touch $@

# The benchmarks measure what users run: the packages of the image, and the code of this folder.
$(IMAGE_VENV)/.ready: requirements/runtime.txt promote/aws/clients.py $(VENV)/.ready
	@echo "setting up $(IMAGE_VENV): the action with the packages of its image (once)"
	@$(PYTHON) -m venv --clear --without-pip $(IMAGE_VENV)
	@$(BIN)/python -m pip --python $(IMAGE_VENV)/bin/python install $(PIP_FLAGS) --require-hashes --no-deps -r requirements/runtime.txt
	@$(BIN)/python -m pip --python $(IMAGE_VENV)/bin/python install $(PIP_FLAGS) --no-deps --editable .
	@$(IMAGE_VENV)/bin/python -Ic "import pathlib, shutil, botocore, promote.aws.clients as aws; \
	  data = pathlib.Path(botocore.__file__).parent / 'data'; \
	  [shutil.rmtree(each) for each in data.iterdir() if each.is_dir() and each.name not in aws.SERVICES]"
	@touch $@

# Separate, so that the demo and the tests do not install the linters, most of which is Node.
$(CHECKS)/.ready: requirements/check.txt requirements/node/package-lock.json
	@echo "setting up $(CHECKS): the linters of the Dockerfile, the action and the workflows (once)"
	@$(PYTHON) -m venv --clear $(CHECKS)
	@$(CHECKS)/bin/python -m pip install $(PIP_FLAGS) --require-hashes --no-deps -r requirements/check.txt
	@cp requirements/node/package.json requirements/node/package-lock.json $(CHECKS)
	@$(CHECKS)/bin/npm ci --prefix $(CHECKS) --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@
