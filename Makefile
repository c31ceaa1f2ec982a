# Explainability workbench. `make` alone lists what can be done.
#
#   make run PORT=8502 ARGS="--model path/to/model --images path/to/images"
#   make test PYTHON=python3.12

PYTHON ?= python3
PORT ?= 8501
ARGS ?=
BIN := .venv/bin
WORKERS ?= auto

.DEFAULT_GOAL := help
.PHONY: help run test browser slow bench lint docs known lock changelog clean chromium
.DELETE_ON_ERROR:

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

run: .venv/.stamp-demo ## Open the workbench on http://localhost:8501 (PORT=..., ARGS="--model ... --images ...")
	@exec $(BIN)/workbench run --port $(PORT) $(ARGS)

test: lint chromium ## Check style and types, then run the tests, several files at a time
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder  # long files first, not last

browser: chromium ## Run every test in a browser, with the long journeys that make test leaves out
	$(BIN)/pytest -m 'browser and not slow' --numprocesses $(WORKERS) --dist loadfile

slow: .venv/.stamp-test ## Run the tests that take minutes each
	$(BIN)/pytest -m slow

lint: .venv/.stamp-test ## Check style and types only
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: .venv/.stamp-bench ## Run the side-by-side benchmarks
	@found=; for file in tests/benchmarks/bench_*.py; do \
	  [ -e "$$file" ] || continue; found=1; echo "== $$file"; $(BIN)/python "$$file" || exit 1; \
	done; [ -n "$$found" ] || echo "There are no benchmarks in tests/benchmarks yet."

docs: .venv/.stamp-test ## Regenerate the documentation's generated parts and build the site into build/docs
	$(BIN)/python docs/generate.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "Open build/docs/index.html"

known: .venv/.stamp-test ## Make anew what ships about the solar cells (assets/known; WORK=folder keeps what is computed)
	$(BIN)/python docs/known.py $(WORK)

lock: .venv/.stamp-test ## Renew requirements.lock after a change of the dependencies (LOCK=--upgrade takes the newest)
	$(BIN)/uv pip compile --quiet --universal --no-header --no-annotate --all-extras $(LOCK) --output-file requirements.lock pyproject.toml

changelog: .venv/.stamp-test ## Move the news fragments of changes/ into CHANGELOG.md (VERSION=0.2.0)
	$(BIN)/towncrier build --yes --version $(VERSION)

clean: ## Remove caches and build outputs (to free the installed packages too, remove .venv)
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find workbench pages tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps say which extra was installed last from which pins: a second `make run` starts at once.
.venv/.stamp-demo: pyproject.toml requirements.lock | $(BIN)/uv
	$(call install,demo)
	@touch $@

.venv/.stamp-test: pyproject.toml requirements.lock | $(BIN)/uv
	$(call install,test)
	@touch $@ .venv/.stamp-demo  # the test extra holds the demo extra

.venv/.stamp-bench: pyproject.toml requirements.lock | $(BIN)/uv
	$(call install,bench)
	@touch $@

# uv is several times faster; pip is there for machines whose package index only pip is told about.
define install
	@echo "Installing (the first time: a few minutes and about 5 GB on Linux) ..."
	@$(BIN)/uv pip install --python $(BIN)/python --constraint requirements.lock --editable '.[$(1)]' || \
	  { echo "uv could not install; trying pip ..."; \
	    $(BIN)/python -m pip install --constraint requirements.lock --editable '.[$(1)]'; }
endef

# Whether uv is new or old means nothing here, so the rules above only ask that it is there.
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>/dev/null || echo "not there"): install one and name it, as in make run PYTHON=python3.12" >&2; \
	  exit 1; }
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv || { \
	  rm -rf .venv; \
	  echo "$(PYTHON) cannot make a virtual environment: install its venv module (on Debian and Ubuntu: apt-get install python3-venv)" >&2; \
	  exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# The browser tests drive a real Chromium: $CHROMIUM, one on the PATH, or one that is fetched here.
chromium: .venv/.stamp-test
	@[ -z "$$CHROMIUM" ] || exit 0; \
	for name in chromium chromium-browser google-chrome; do ! command -v "$$name" >/dev/null || exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  echo "Installing Chromium for the browser tests ..."; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null && exit 0; \
	fi; \
	$(BIN)/playwright install chromium || \
	  echo "No Chromium could be had, so the browser tests cannot run: install one, or name it in CHROMIUM." >&2
