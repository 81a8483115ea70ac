# Everything runs inside .venv; each target installs what it needs, once.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

.PHONY: install grid test check format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

grid: install
	$(RUN) -m benchmark run --grid

test: install
	$(RUN) -m pytest

check: install
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

format: install
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
