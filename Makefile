# Two commands to remember: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
COLAB := .venv-colab
# Two test processes on two cores: one thread each, or they fight. A number, or `auto`.
JOBS ?= 2
PIP := -m pip --disable-pip-version-check install --quiet

.PHONY: demo test test-quick test-colab course lab bench bench-grading docs lint install clean

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
	@$(COLAB)/bin/python $(PIP) -c constraints-colab.txt -e . ipython ipykernel ipywidgets nbclient pytest pytest-xdist hypothesis
	@touch $@

# The quick tests and every student notebook with the versions that Colab ships (and without nbgrader).
test-colab: $(COLAB)/.installed
	@OMP_NUM_THREADS=1 $(COLAB)/bin/python -m pytest -n $(JOBS) -m "not slow or notebook" --ignore=tests/test_nbgrader.py

course: install
	@$(BIN)/specdec build

# The students' view: JupyterLab on a copy of the release, which git does not see.
lab: install
	@$(BIN)/specdec lab

bench: install
	@$(BIN)/specdec bench

# A class of 300, side by side with stock nbgrader, and what that makes of hostile submissions (a quarter of an hour, as
# root). For instance: make bench-grading ARGS="--students 60 --hostile none"
bench-grading: install
	@$(BIN)/python tests/bench_grading.py $(ARGS)

ROOMS := $(patsubst specdec_course/%.py,specdec_course.%,$(filter-out %/__init__.py,$(wildcard specdec_course/*.py))) \
  $(patsubst specdec_course/%/__init__.py,specdec_course.%,$(wildcard specdec_course/*/__init__.py))

# The reference of the package, as web pages under docs/site.
docs: install
	@$(BIN)/python $(PIP) -c constraints.txt -e ".[dev,docs]"
	@$(BIN)/pdoc specdec_course $(ROOMS) -o docs/site
	@echo "open docs/site/index.html"

lint: install
	@$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(COLAB) .pytest_cache .ruff_cache .hypothesis
