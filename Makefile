# Every recipe is one call. The environment is made on first use and again when its requirements change.
#
#   make deploy TARGET=jetson_nano        analyze, search, quantize, export, verify
#   make deploy TARGET=./my_board.toml ARGS="--seed 1 --budget ram=64MiB"
#   make regenerate TARGETS="jetson_nano microbit_v1"     every target's model, or those named, and models.lock.toml
#   make bench-quantization ARGS="--data DIR"            or any other module of benchmarks/
#   make test | check | docs | bench-onnxruntime | clean
#
# PIP_ARGS reaches every pip install. On Linux without an NVIDIA GPU this avoids gigabytes of CUDA:
#   make deploy TARGET=jetson_nano PIP_ARGS="--extra-index-url <PyTorch's CPU index>"

VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
ARGS ?=
TARGETS ?=
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$$p"; break; }; done)

.PHONY: help deploy regenerate test check format docs clean
SHELL := bash
.DELETE_ON_ERROR:

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -10

deploy: $(VENV)/.runtime
	@$(BIN)/spikeport deploy $(or $(TARGET),$(error name a target: make deploy TARGET=jetson_nano)) $(ARGS)

regenerate: $(VENV)/.runtime
	@$(BIN)/spikeport regenerate $(TARGETS) $(ARGS)

test: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal $(ARGS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The output is kept, too: `make docs` shows it on the page of results.
bench-%: $(VENV)/.dev
	@mkdir -p benchmarks/results
	set -o pipefail; $(BIN)/python -m benchmarks.$(subst -,_,$*) $(ARGS) | tee benchmarks/results/.$*.tmp
	@mv benchmarks/results/.$*.tmp benchmarks/results/$*.txt

docs: $(VENV)/.runtime
	@$(BIN)/python -m pipeline.reference

clean:
	rm -rf build $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; name it with PYTHON=/path/to/python3.11" >&2; exit 5; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install -q --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	@touch $@ $(VENV)/.runtime
