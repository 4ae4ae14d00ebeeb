# The whole project by `make`: every target makes .venv first when it is missing or out of date.
# The only needs are Python >= 3.11 (PYTHON=...) and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SEEDS  ?= 300
STAMP  := $(VENV)/.stamp

# What a command prints matters only where it fails.
quiet = said=$$($(1) 2>&1) || { echo "$$said" >&2; exit 1; }

.PHONY: venv demo test lint no-header stops bench simulate mutants shapes rights picture reference crashes lock dist image clean

venv: $(STAMP)

# Hash-checked wheels first, then the program itself, editable, without asking any index again. The lock is complete, so
# nothing is resolved: an older pip resolves an extra (coverage[toml]) before it sees the pin, and then refuses what was
# published after the lock. `pip check` holds the set against what each part says it needs.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "deployer needs Python 3.11 or newer; set PYTHON=..." >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute or two the first time)" >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(call quiet,$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .)
	@$(call quiet,$(BIN)/python -m pip --disable-pip-version-check check)
	@touch $(STAMP)

demo: venv
	$(BIN)/deployer demo $(DEMO)

# Without TEST: the quick tests on all cores, then those that boot a lab, six files at a time: they wait much.
# A file stays with one worker: its tests share a lab, or go on where the one before ended. The lab's tests are run
# whatever the quick ones said, and the verdict is of both.
test: venv
ifdef TEST
	$(BIN)/python -m pytest $(TEST)
else
	@quick=0; lab=0; \
	$(BIN)/python -m pytest -n auto -m "not lab" || quick=$$?; \
	$(BIN)/python -m pytest -n 6 --dist loadfile --no-loadscope-reorder -m lab || lab=$$?; \
	test $$quick -eq 0 || echo "the quick tests failed (pytest's exit code $$quick), see above" >&2; \
	test $$quick -eq 0 && test $$lab -eq 0
endif

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pylint --score=n deployer
	$(BIN)/mypy
	$(BIN)/hadolint Dockerfile

# Every way of installing, forward and back, with an application that names its release in no header.
no-header: venv
	EVERY_WAY=1 $(BIN)/python -m pytest -n 2 tests/e2e/test_no_header.py

# Deployers that are stopped inside their calls, taken over and let go on again; about half a minute a moment.
MOMENTS ?= 50
stops: venv
	MOMENTS=$(MOMENTS) $(BIN)/python -m pytest -n 0 -s --timeout 0 tests/e2e/test_stopped_inside_calls.py

bench: venv
	$(BIN)/python -m bench

simulate: venv
	$(BIN)/python -m deployer.sim --seeds $(SEEDS) --keep tests/sim/kept

mutants: venv
	$(BIN)/python -m tests.mutants

# One shape of traffic alone through each balancer, method and port. SHAPES="nlb half-close" runs a part, SHAPES=--resume
# what is left of the run before, SHAPES="--bug half-closed" the product with an old bug put back.
shapes: venv
	$(BIN)/python -m tests.shapes $(SHAPES)

# Every kind of rollout in the lab under the IAM policy that is printed for it, and what each part of that is needed for.
rights: venv
	$(BIN)/python -m tests.rights $(KINDS)

# docs/tree.svg, docs/configuration.md, docs/faults.md and docs/crashes.md are made by the program itself.
picture: venv
	$(BIN)/python -m deployer.view.picture > docs/tree.svg

reference: venv
	$(BIN)/python -m deployer.config.reference > docs/configuration.md

crashes: venv
	$(BIN)/python -m deployer.sim --faults > docs/faults.md
	$(BIN)/python -m deployer.sim --crashes > docs/crashes.md

# requirements.lock is for CI and this folder; the other two are for users: the program alone, and with the lab.
# Their versions are those of the first.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header --no-emit-index-url \
  --no-emit-find-links --no-emit-trusted-host --no-emit-options
lock: venv
	$(COMPILE) --extra lab --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --extra lab --output-file requirements-lab.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-cli.lock pyproject.toml

# Sdist, wheel, SBOM and checksums of HEAD, in dist/; the same commit gives the same bytes.
dist: venv
	@$(BIN)/python .ci/dist $(REVISION)

image: dist
	docker build --tag deployer .

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
