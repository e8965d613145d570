# One word a habit; `make help` lists them. Only Python 3.11+ and make must be there before.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes

# Each process compiles all that it imports, a second or two, unless what another one
# compiled is kept: in here, so that a checkout stays clean where that is wanted.
export PYTHONDONTWRITEBYTECODE :=
export PYTHONPYCACHEPREFIX := $(CURDIR)/$(VENV)/pycache

# As in production, where nothing is connected to.
CHECK_SECRET := a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0u1V2w3X4y5Z6
CHECK_ENV := DATABASE_URL=postgresql://tollgate_owner@127.0.0.1:1/none SECURE_COOKIES=true \
	PUBLIC_URL=https://gate.example ALLOWED_HOSTS=gate.example EMAIL_HOST=mail.example \
	KEY_PEPPER=$(CHECK_SECRET) OPERATOR_TOKEN=$(CHECK_SECRET)1 SECRET_KEY=$(CHECK_SECRET)2

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help up code test check test-engines fuzz mutants limits fairness chaos books stripe hostile bench peers figures screenshots lock fmt

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: $(INSTALLED)-local ## Run the whole product: PORT=8000 STATE_DIR=.tollgate GATEWAYS=1 ENGINE_URL=
	@exec $(BIN)/python -m config.local.up

code: $(INSTALLED)-local ## Print the code that the demo's operator signs in with: STATE_DIR=.tollgate
	@exec $(BIN)/python -m config.local.code

test: $(INSTALLED)-browser ## Run the tests, e.g. ARGS="tests/tenants -x"
	@exec $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

test-engines: $(INSTALLED)-dev ## Run the journeys against real engines, built once (ENGINE_URL= a vLLM that runs)
	@-$(BIN)/python -m tests.engines.environment
	@exec $(BIN)/python -m pytest -m engines $(ARGS)

fuzz: $(INSTALLED)-dev ## Send the management API requests made from its document, cut streams a million times: EXAMPLES=10
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),10) exec $(BIN)/python -m pytest tests/fuzz $(ARGS)

mutants: $(INSTALLED)-dev ## Mutate the core of the meter, and see that its tests notice: MODULES="slots journal"
	@exec $(BIN)/python -m tests.mutants $(ARGS) $(MODULES)

limits: $(INSTALLED)-dev ## Show on four gateways that budgets and limits hold: SEEDS=20 CLIENTS=1000 CROWD=100000
	@SEEDS=$(or $(SEEDS),20) CLIENTS=$(or $(CLIENTS),1000) CROWD=$(or $(CROWD),100000) \
		$(BIN)/python -m pytest -s -m "not engines" -p no:randomly tests/journeys/limits $(ARGS)

fairness: $(INSTALLED)-dev ## Measure on several gateways that busy models are shared by tokens and weight
	@exec $(BIN)/python -m pytest -s -m timed -p no:randomly tests/journeys/fairness $(ARGS)

chaos: $(INSTALLED)-dev ## Break everything under load and hold every bill: SEED=1 MINUTES=30 CASES="kill9 pg_frozen" TIMES=
	@exec $(BIN)/python -m tests.chaos --seed $(or $(SEED),1) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(TIMES),--times $(TIMES)) $(ARGS) $(CASES)

books: $(INSTALLED)-dev ## Bill three months of synthetic use, and compare all books: EVENTS="200000 2000000" TENANTS=200 WORKERS=2 KILLS=
	@exec $(BIN)/python -m tests.scale --events $(or $(EVENTS),200000) --tenants $(or $(TENANTS),200) \
		--workers $(or $(WORKERS),2) --kills $(or $(KILLS),0) $(ARGS)

stripe: $(INSTALLED)-dev ## Push invoices to a stand-in of Stripe, be paid there, compare both sides: TENANTS=20 WORKERS=2 KILLS=
	@exec $(BIN)/python -m tests.collecting --tenants $(or $(TENANTS),20) --workers $(or $(WORKERS),2) \
		--kills $(or $(KILLS),0) $(ARGS)

hostile: $(INSTALLED)-dev ## Show what hostile crowds do to healthy clients beside them: ARGS="--connections 10000"
	@exec $(BIN)/python -m tests.hostile $(ARGS)

bench: $(INSTALLED)-dev ## Measure the gateway beside the peers installed here: ARGS="--rounds 3 --json FILE"
	@exec $(BIN)/python -m tests.bench $(ARGS)

peers: $(INSTALLED)-dev ## Install the gateways that `make bench` measures beside ours, each in an environment of its own: ARGS="litellm"
	@exec $(BIN)/python -m tests.bench.peers install $(ARGS)

figures: $(INSTALLED)-dev ## Write the README's figures from what `make bench ARGS=--save` kept
	@exec $(BIN)/python -m tests.bench.figures

check: $(INSTALLED)-dev ## Check format, lint, types, import contracts, migrations, deployment
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo
	$(CHECK_ENV) $(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(CHECK_ENV) $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(CHECK_ENV) $(BIN)/python manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/yamllint --strict -c deploy/yamllint.yaml deploy .pre-commit-config.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/pre-commit validate-config

screenshots: $(INSTALLED)-browser ## Take every page, light and dark, wide and on a phone: SCREENS="finance-overview admin"
	@exec $(BIN)/python -m tests.pictures $(SCREENS) $(ARGS)

fmt: $(INSTALLED)-dev ## Format the code and repair what the linter can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(INSTALLED)-uv ## Resolve the dependencies anew, with hashes and no addresses; ARGS=--upgrade
	$(LOCK) --group installer --output-file requirements/installer.txt
	$(LOCK) pyproject.toml --extra local --output-file requirements/local.txt
	$(LOCK) pyproject.toml --extra local --group dev --constraints requirements/local.txt \
		--output-file requirements/dev.txt
	$(LOCK) pyproject.toml --constraints requirements/local.txt --output-file requirements/production.txt

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(ARGS)

# A marker per lock file: nothing is installed twice until that file changes.
$(INSTALLED)-uv: requirements/installer.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tollgate: Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -c 'import pathlib, sysconfig; here = pathlib.Path.cwd(); pathlib.Path(sysconfig.get_path("purelib"), "tollgate.pth").write_text(f"{here}/platform\n{here}\n")'
	@touch $@

$(INSTALLED)-local: requirements/local.txt $(INSTALLED)-uv
	@$(INSTALL) -r $<
	@touch $@

$(INSTALLED)-dev: requirements/dev.txt $(INSTALLED)-local
	@$(INSTALL) -r $<
	@touch $@

# Debian's browser, where none is there: without one the tests of pages fail and say so.
$(INSTALLED)-browser: $(INSTALLED)-dev
	@$(BIN)/python -m tests.browser.chromium
	@touch $@
