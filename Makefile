# What a contributor needs. It takes git, make and Python 3.11 or newer; everything else is installed into $(VENV).

PYTHON ?= python3
VENV ?= .venv
WORKERS ?= 2
ARGS ?=

BIN := $(VENV)/bin
LOG := $(VENV)/install.log

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export NO_MKDOCS_2_WARNING := 1
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
export XLA_PYTHON_CLIENT_PREALLOCATE := false

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo bench test test-all lint types contracts docs clean

help: ## list the targets
	@awk -F ': .*## ' '/^[a-z-]+: .*## / {printf "%-10s %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.installed ## run the first experiment in its laptop size
	$(BIN)/python -m experiments run vanishing_gradient --preset laptop --overwrite

bench: $(VENV)/.installed-bench ## measure beside other libraries and write the page: make bench ARGS=--quick to try it
	$(BIN)/python -m benchmarks $(or $(ARGS),--json benchmarks/measured/cpu.json --docs docs/benchmarks.md)

test: $(VENV)/.installed-test ## run the tests: make test ARGS="-k lstm -m 'not slow'" WORKERS=4
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

test-all: $(VENV)/.installed-test ## run the tests of every cell in full, which takes an hour
	$(BIN)/python -m pytest -n $(WORKERS) -m "exhaustive or not exhaustive" $(ARGS)

lint: $(VENV)/.installed-test ## check the style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-test ## check the types
	$(BIN)/pyright --pythonpath $(BIN)/python

contracts: $(VENV)/.installed-test ## check that each layer imports lower ones only
	$(BIN)/lint-imports

docs: $(VENV)/.installed-docs ## build the site
	$(BIN)/mkdocs build --strict

clean: ## remove the environment, caches and builds; results in runs/ stay
	rm -rf $(VENV) build dist site .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Pip writes a page where a line would do. This finds the line: the two requirements that contradict each other, the
# first error, or the last line of a failed build.
define reason
awk '/conflict is caused by/ {listing = 1; next} \
	listing && !NF {listing = 0} \
	listing {sub(/^ +/, ""); conflict = conflict (conflict ? ", but " : "") $$0} \
	/Failed to establish|[Cc]onnection broken|[Nn]ame resolution|ReadTimeout/ {offline = " (the package index was not reached)"} \
	/ensurepip is not/ {error = "this Python lacks ensurepip (Debian and Ubuntu have it in the package python3-venv)"} \
	!error && /ERROR: / && !/Could not find a version|Cannot install|ResolutionImpossible/ {error = $$0} \
	!error && /\[end of output\]/ {error = last} \
	NF {last = $$0} \
	END {line = conflict ? conflict : error ? error : last; sub(/^ +/, "", line); \
		print "install failed: " line (line ~ /No matching/ ? offline : "") "; all of it is in $(LOG)"}' $(LOG) >&2; exit 1
endef

# $(call install,extras)
define install
@echo "installing rnnjax$(1) into $(VENV)"
@$(BIN)/python -m pip install --progress-bar off --constraint constraints.txt --editable '.$(1)' >$(LOG) 2>&1 || { $(reason); }
@touch $(VENV)/.installed $@
endef

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(call install)

$(VENV)/.installed-test: $(VENV)/.created pyproject.toml constraints.txt
	$(call install,[test])

$(VENV)/.installed-bench: $(VENV)/.created pyproject.toml constraints.txt
	$(call install,[bench])

$(VENV)/.installed-docs: $(VENV)/.created pyproject.toml constraints.txt
	$(call install,[docs])

$(VENV)/.created:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: name a Python of 3.11 or newer with make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "$(PYTHON) is Python %s, and 3.11 or newer is needed: name one with make PYTHON=..." % sys.version.split()[0])'
	@mkdir -p $(VENV)
	@$(PYTHON) -m venv $(VENV) >$(LOG) 2>&1 || { $(reason); }
	@touch $@
