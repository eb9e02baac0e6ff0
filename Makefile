# make quickstart   the whole road on a built-in world, in a few minutes; no model and no network needed
# make soundness    is a forensic check ever wrong about an honest text? 10,000 texts a check
# make docs         the pages of docs/methods, from the methods and from what is measured of them
# make grid         Sinkhorn's kernels: every size, every law, every number of iterations
# make test         lint, types, layers, and the tests on the wheel; CI adds the quickstart
PYTHON ?= python3
BIN = .venv/bin

.PHONY: quickstart test install soundness docs grid

install: .venv/installed

# what is imported is compiled when it is; all of torch and transformers would take a minute
.venv/installed: pyproject.toml constraints/cpu.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-compile -c constraints/cpu.txt -e '.[run]'
	touch $@

quickstart: .venv/installed
	$(BIN)/classay quickstart

soundness: .venv/installed
	$(BIN)/python -P benchmarks/claims/tables.py --draws 10000

docs: .venv/installed
	$(BIN)/python -P docs/measure.py
	$(BIN)/python -P docs/generate.py

grid: .venv/tox
	.venv/tox/bin/tox -e tests -- -m exhaustive --dist load tests/kernels

test: .venv/tox
	.venv/tox/bin/tox

.venv/tox:
	$(PYTHON) -m venv .venv/tox
	.venv/tox/bin/pip install --quiet --disable-pip-version-check -c constraints/cpu.txt tox
