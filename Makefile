# Every target that needs the machine prepared sees to it first: `make setup`
# runs tools/setup.sh once, and again only when what it installs has changed.

BIN := .venv/bin
STAMP := .venv/.set-up
SCENES := forward_process reverse_process

# The stamp names the folder that it was set up in.  A clone that was moved, or
# whose Python is gone, is set up again whatever the times of its files say.
SOUND := $(shell [ -x $(BIN)/python ] && [ "$$(cat $(STAMP) 2>/dev/null)" = "$$(pwd -P)" ] && echo yes)

.DEFAULT_GOAL := help
.PHONY: help setup lecture test lint gallery bench clean unsound

help: ## say what each target does
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## prepare this machine: system packages, .venv, pinned Python packages

$(STAMP): pyproject.toml constraints.txt tools/setup.sh $(if $(SOUND),,unsound)
	@bash tools/setup.sh

lecture: setup ## render the introduction, narrated and with chapters
	$(BIN)/python render.py lecture introduction

test: lint ## lint, then run the tests, on all cores
	@bash tools/test-setup.sh
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

lint: setup ## ruff, mypy and the import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

gallery: setup ## make the loops in media/gallery that the README shows
	@set -e; for scene in $(SCENES); do \
		echo "$(BIN)/python render.py gif $$scene --output media/gallery/$$scene.gif" >&2; \
		$(BIN)/python render.py gif $$scene --output media/gallery/$$scene.gif; \
	done

bench: setup ## print the figures that the README quotes
	@set -e; for benchmark in $(wildcard benchmarks/[a-z]*.py); do \
		echo "$(BIN)/python $$benchmark" >&2; \
		$(BIN)/python $$benchmark; \
	done

clean: ## remove what was rendered and the tools' caches; keep .venv, runs and media/gallery
	@[ ! -d media ] || find media -mindepth 1 -maxdepth 1 ! -name gallery -exec rm -rf {} +
	@rm -rf __pycache__ build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find $(wildcard diffusion_core explorer scenes studio tests tools benchmarks) -name __pycache__ -prune -exec rm -rf {} +
