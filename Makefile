.DEFAULT_GOAL := help
SHELL := /bin/bash
MILLRACE_HOME ?= .millrace
export MILLRACE_HOME
# Without kept bytecode every process compiles all that it imports: seconds of every start.
unexport PYTHONDONTWRITEBYTECODE

bin := .venv/bin
ready := .venv/ready
pytest := $(bin)/python -m pytest -q
units := contracts chassis services deploy
stacks := launcher scale chaos
# They share no server and choose other ports, so they run beside each other. (By the plain name of
# make: what names $(MAKE) is carried out even by `make -n`.)
lanes := test-deploy test-integration
# One process for each set of back ends: each has its own stack.
by_backend := -n 2 --dist loadgroup
parts := $(wildcard */pyproject.toml */*/pyproject.toml)

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

## --- environment
setup: $(ready) ## make .venv from the lock (every other target does so by itself)

$(ready): requirements-dev.txt $(parts) deploy/setup_venv.py
	@$(firstword $(shell command -v python3 python3.11 python3.12 python3.13)) deploy/setup_venv.py

lock: $(ready) ## resolve the dependencies anew into the lock files
	@$(bin)/python deploy/lock_requirements.py

## --- run
# USER is in every shell's environment, so only what is said on the command line counts.
said = $(if $(filter command line,$(origin $1)),--$2 "$($1)")

demo: $(ready) ## walk through everything once; DATA=<folder|file> [USER= ITEM= TIME=] for real data
	@exec $(bin)/python -m demo $(call said,DATA,data) $(call said,USER,user) \
		$(call said,ITEM,item) $(call said,TIME,time) $(call said,CUSTOMERS,customers)

up: $(ready) ## start everything; BACKENDS=servers [REPLICAS=2] runs on PostgreSQL and the others
	@exec $(bin)/python -m embedded up $(call said,BACKENDS,backends) \
		$(call said,REPLICAS,replicas) $(call said,BROKERS,brokers)

servers: $(ready) ## start real servers alone and print the variables that lead to them; s=<server>
	@exec $(bin)/python -m servers $(s)

down: $(ready) ## stop what `make up` started
	@$(bin)/python -m embedded down

status: $(ready) ## list the processes of the stack (JSON=1 for machines)
	@$(bin)/python -m embedded status $(if $(JSON),--json)

logs: $(ready) ## follow the logs; s=<service> for one
	@exec $(bin)/python -m embedded logs $(s)

trace: $(ready) ## print one trace as a tree; id=<trace id>
	@$(bin)/python -m embedded trace $(id)

assertion: $(ready) ## print an internal assertion for an API key, asked for or piped in; KEY=<key>
	@$(if $(KEY),printf '%s\n' "$$KEY" |) $(bin)/python -m embedded assertion
assertion: export KEY := $(KEY)

invitation: $(ready) ## print an invitation to make a tenant; to=<e-mail address>
	@$(bin)/python -m embedded invitation "$(to)"

rotate-key: $(ready) ## replace a key of the platform without an outage; key=<assertion|artefact>
	@exec $(bin)/python -m embedded rotate-key $(key) $(call said,step,step) \
		$(call said,folder,folder) $(call said,grace,grace)

replay: $(ready) ## send a service's remembered events again; s=<service>
	@$(bin)/python -m embedded replay $(s)

unclaimed: $(ready) ## list purchases whose tenant or plan is unknown
	@$(bin)/python -m embedded unclaimed

delete-tenant: $(ready) ## delete a tenant for ever, with all that it has; tenant=<uid> yes=1
	@$(bin)/python -m embedded delete-tenant "$(tenant)" $(if $(yes),--yes)

deletions: $(ready) ## list the tenants that were deleted, and who has not erased them yet
	@$(bin)/python -m embedded deletions

dead: $(ready) ## list dead letters; topic=<topic> for one
	@$(bin)/python -m embedded dead $(topic)

redrive: $(ready) ## put dead letters back for who failed; topic=<topic> offset=<offset|all> [again=1]
	@$(bin)/python -m embedded redrive $(topic) \
		$(if $(filter all,$(offset)),--all,--offset $(offset)) $(if $(again),--again)

migrate: $(ready) ## bring the databases to the newest schema; s=<service> for one
	@$(bin)/python -m embedded migrate $(s)

backup: $(ready) ## copy everything, running or not, into a new folder; TO=<folder>
	@$(bin)/python -m backup take "$(TO)"

restore: $(ready) ## put a backup back into an empty MILLRACE_HOME; FROM=<folder> [BACKENDS=servers]
	@$(bin)/python -m backup restore "$(FROM)" $(call said,BACKENDS,backends)

## --- check
check: format lint types imports ## everything below that reads code without running it

format: $(ready) ## is the code laid out as ruff would?
	@$(bin)/ruff format --check .

lint: $(ready) ## ruff's rules
	@$(bin)/ruff check .

types: $(ready) ## mypy, strict
	@$(bin)/mypy

imports: $(ready) ## who may import whom
	@$(bin)/lint-imports

## --- test
test: $(ready) ## all tests: two at a time where neither minds, then folder by folder what runs stacks
	@failed=0; $(pytest) --durations=8 -n 2 $(units) tests/contract || failed=1; \
		$(pytest) --durations=8 $(by_backend) tests/e2e || failed=1; \
		make --no-print-directory --keep-going --jobs=2 --output-sync=target $(lanes) || failed=1; \
		for part in $(stacks); do $(pytest) --durations=8 tests/$$part || failed=1; done; exit $$failed

test-unit: $(ready) ## tests that need nothing; s=<service> for one
	@$(pytest) $(if $(s),services/$(s),$(units))

test-contract: $(ready) ## what the services promise
	@$(pytest) tests/contract

test-deploy: $(ready) ## images, charts, backups, metrics and alerts
	@$(pytest) --durations=8 tests/deploy tests/observability
test-deploy: export MILLRACE_PORTS = 20000-25999

test-integration: $(ready) ## across services, on real servers
	@$(pytest) --durations=8 tests/integration
test-integration: export MILLRACE_PORTS = 26000-31999

test-e2e: $(ready) ## the whole stack through the gateway
	@$(pytest) $(by_backend) tests/e2e

test-chaos: $(ready) ## every fault under load: nothing lost, nothing twice; BACKENDS=embedded|servers
	@MILLRACE_CHAOS_ALL=1 MILLRACE_CHAOS_ROUNDS=$${MILLRACE_CHAOS_ROUNDS:-20} \
		$(pytest) tests/chaos$(if $(BACKENDS),/test_faults_$(BACKENDS).py)

bench: $(ready) ## measure what the README claims; BACKENDS=servers on real servers
	@$(bin)/python -m bench $(call said,BACKENDS,backends)

## --- deploy
image: ## build the image of a service; s=<service> [TAG=…]
	@docker build --file deploy/images/Dockerfile --build-arg SERVICE=$(s) \
		--build-arg REVISION=$$(git rev-parse HEAD) $(if $(TAG),--build-arg VERSION=$(TAG)) \
		--build-arg SOURCE="$$(git remote get-url origin | sed -E 's#//[^/@]*@#//#')" --tag millrace-$(s):$(or $(TAG),latest) .

deploy: ## roll one service out in Kubernetes; s=<service> TAG=<version> [RELEASE=millrace]
	@helm upgrade $(or $(RELEASE),millrace) deploy/kubernetes --reset-then-reuse-values --wait \
		--set services.$(s).tag=$(TAG)

## --- change
contracts: $(ready) ## rewrite the snapshots of schemas, AsyncAPI and OpenAPI
	@$(bin)/python tests/contract/snapshots.py

migration: $(ready) ## write a migration; s=<service> m="what it does"
	@export MILLRACE_HOME=$$(mktemp -d) && $(bin)/python -m chassis.migrations upgrade $(s) \
		&& $(bin)/python -m chassis.migrations revision $(s) --message "$(m)"

.PHONY: help setup lock demo up servers down status logs trace assertion invitation rotate-key replay unclaimed delete-tenant deletions dead redrive migrate backup \
	restore check format lint types imports test test-unit test-contract test-deploy test-integration \
	test-e2e test-chaos bench contracts migration image deploy
