# Everything a newcomer needs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
SOURCE ?=
DEMO_FLAGS := $(if $(ONCE),--once) $(if $(CAMERA),--camera '$(CAMERA)') $(if $(LIMIT_S),--limit-s $(LIMIT_S)) $(if $(PORT),--port $(PORT))

# Recordings and weights for some of the tests: a folder beside the checkout, if it is there.
ifndef WAYSIDE_DATA
ifneq ($(wildcard ../shared/data/.),)
export WAYSIDE_DATA := $(abspath ../shared/data)
endif
endif

.PHONY: help demo test check static bench soak lock clean set-up set-up-dev debian-packages

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 26
	@echo
	@echo '  make demo SOURCE=clip.mp4 | rtsp://...   with your own camera (CAMERA=file.yaml LIMIT_S=30 PORT=8080 ONCE=1)'

demo: set-up ## a camera, a case, in your browser, within a minute
	@$(BIN)/wayside demo $(DEMO_FLAGS) $(if $(SOURCE),'$(SOURCE)')

test: debian-packages set-up-dev static ## everything that CI runs: real servers, real browser, real footage
	@$(BIN)/pytest -n 2 --dist worksteal -m "not system"
	@$(BIN)/pytest -m system

check: set-up-dev static ## what can be said within a minute, without servers
	@$(BIN)/pytest -q -n 2 -m "not system and not data"

static: set-up-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

bench: set-up-dev ## measure against the goals
	@for file in bench/[a-z]*.py; do name=$$(basename $$file .py); echo "== python -m bench.$$name"; $(BIN)/python -m bench.$$name || exit 1; done

soak: set-up-dev ## a million inputs to every decoder
	@for name in profiles registers jt808; do echo "== $$name"; $(BIN)/python -m tests.soak.fuzz_$$name 1000000 || exit 1; done

lock: set-up ## choose the versions of all libraries anew
	@scripts/lock.sh $(BIN)/uv

clean: ## remove what was made here
	@rm -rf .wayside .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist $(VENV)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

set-up:
	@scripts/set-up.sh $(VENV) run

set-up-dev:
	@scripts/set-up.sh $(VENV) dev

debian-packages:
	@scripts/debian-packages.sh
