# make            the virtual environment in .venv, with the native kernels built
# make demo       the whole 2016 market over HTTP from an empty disk to ranked matches
# make demo-web   the same, and then the web page over it
# make demo-live  a session of 2016 at 60 times its speed: what enters conditions and leaves them
# make test       all tests
# make check      formatting, lint, strict types, layers, kernels equal and compiled for GPUs
# make check-native   the kernels under AddressSanitizer and UndefinedBehaviorSanitizer, of GCC
# make bench      the benchmarks, as ratios
# make check-deploy   the steps of the Dockerfile in a bare Debian; needs root and debootstrap
# make wheel      wheels in dist/ that need no compiler, for Linux on x86-64 and aarch64, and the sources
# make check-wheel   the same, and the fast tests against the installed wheel

PYTHON ?= python3
BIN    := .venv/bin
BUILT  := .venv/.built
NATIVE := $(wildcard marketsweep/kernels/*.* marketsweep/kernels/*/*.*pp)

.PHONY: all demo demo-live demo-web test check check-native check-deploy bench wheel check-wheel clean format
all: $(BUILT)
	@$(HOW)

HOW = echo "marketsweep is in .venv/bin: call .venv/bin/marketsweep, or: source .venv/bin/activate"

$(BUILT): pyproject.toml CMakeLists.txt $(NATIVE)
	@$(PYTHON) .ci/prerequisites.py
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(BUILT)
	$(BIN)/marketsweep demo
	@$(HOW)

demo-live: $(BUILT)
	@echo "A session passes in six and a half minutes; Ctrl-C ends it."
	$(BIN)/marketsweep demo --live

demo-web: demo
	@echo "Open the address below; Ctrl-C ends the server."
	$(BIN)/marketsweep serve --data demo-market

# A worker takes whole files, so that what a file's tests share is made once.
test: $(BUILT)
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile
	# Damage must be found without assert as well.
	$(BIN)/python -O -m pytest -q -W ignore::pytest.PytestConfigWarning --numprocesses auto \
	  --maxprocesses 4 --dist loadfile tests/store/test_store.py tests/store/test_store_flips.py tests/ingest/test_repair.py

check: $(BUILT)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/kernels/test_same_bits.py tests/kernels/test_cuda_source.py

SANITIZED := build/sanitized
check-native: $(BUILT)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
	  --target $(SANITIZED) --config-settings=build-dir=$(SANITIZED)-objects \
	  --config-settings=cmake.define.MARKETSWEEP_SANITIZE=ON \
	  --config-settings=cmake.build-type=None .
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
	  ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	  $(BIN)/python .ci/sanitized.py $(SANITIZED) tests/kernels/test_rows.py tests/kernels/test_same_bits.py \
	  tests/kernels/test_windows.py tests/engine/test_lowering.py \
	  tests/engine/test_panel.py tests/store/test_segments.py

check-deploy: $(BUILT)
	$(BIN)/python .ci/dockerfile.py

bench: $(BUILT)
	$(BIN)/python -m benchmarks

wheel: $(BUILT)
	$(BIN)/python .ci/wheel.py

check-wheel: wheel
	$(BIN)/python .ci/installed.py

format: $(BUILT)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache
