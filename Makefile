# Two commands do everything on a fresh machine with Python 3.11+: `make demo` and `make test`.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: venv demo test lint bench prove lock clean

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tidemill needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "no venv module; install python3-venv"; exit 1; }
	@echo "installing the pinned set into $(VENV) (two to four minutes the first time)"
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' -c constraints.txt
	$(BIN)/python -m pip install --quiet -c constraints.txt --group dev -e '.[all]'
	@touch $@

venv: $(STAMP)

demo: $(STAMP)
	$(BIN)/tidemill demo

test: $(STAMP)
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)
	$(BIN)/python -m tests.bench

prove: $(STAMP)
	$(BIN)/python -m tests.proofs

lock: $(STAMP)
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v '^tidemill' > constraints.txt

clean:
	rm -rf $(VENV) .tidemill .pytest_cache .mypy_cache .ruff_cache .hypothesis
