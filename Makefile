# vukey. `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# Two for each core: hundreds of tests wait for pcscd, which looks for a card twice a second.
JOBS   ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 2))))
CORE   := setup.py protocols/sm2/build_core.py $(wildcard protocols/sm2/csrc/* hostdriver/skf/csrc/* hostdriver/skf/include/*)
SKF    := hostdriver/skf/lib/libskf_vukey.so
SKF_SOURCES := $(wildcard hostdriver/skf/csrc/*.c)
SKF_CFLAGS := -std=c11 -O2 -fPIC -fvisibility=hidden -pthread -Wall -Wextra -Wpedantic -Wshadow -Wconversion

.DEFAULT_GOAL := help
# The tests start Python a thousand times, which would compile everything anew each time.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo skf packages check test cover test-full bench bench-usb bench-speculos messages docs disc glyphs clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/demo.stamp: pyproject.toml constraints.txt $(CORE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --only-binary :all: -c constraints.txt -e '.[demo,panel]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml constraints.txt $(CORE) | $(VENV)/demo.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,panel,pcsc,test,check]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps speculos==0.27.1  # its client only: see tests
	@touch $@

demo: $(VENV)/demo.stamp  ## a key's first day in the terminal: needs no root, no pcscd, no compiler
	@$(BIN)/vukey demo

skf: $(SKF)  ## the SKF library (GM/T 0016) for C programs: needs a C compiler

$(SKF): $(SKF_SOURCES) $(wildcard hostdriver/skf/csrc/*.h hostdriver/skf/include/*.h)
	@mkdir -p $(@D)
	$(CC) $(SKF_CFLAGS) -Werror -D_POSIX_C_SOURCE=200809L -Ihostdriver/skf/include -Ihostdriver/skf/csrc \
	  -shared -Wl,-soname,$(@F),-z,defs,-z,nodelete,-z,relro,-z,now -o $@ $(SKF_SOURCES) -ldl

packages:
	@PYTHON=$(PYTHON) sh tests/install-packages.sh

check: packages $(VENV)/dev.stamp  ## what a reviewer's machine checks: ruff, mypy --strict, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports

test: packages $(VENV)/dev.stamp  ## every test but the slow counts; as root it installs the system packages first
	$(PYTEST) -n $(JOBS) -m "not slow"

cover: packages $(VENV)/dev.stamp  ## the same, and the lines that nobody ran: takes longer
	$(PYTEST) -n $(JOBS) -m "not slow" --cov --cov-report=term:skip-covered

test-full: packages $(VENV)/dev.stamp  ## the slow counts too
	$(PYTEST) -n $(JOBS)

bench: packages $(VENV)/dev.stamp $(SKF)  ## speed, as ratios within one run
	$(BIN)/python -m bench
	$(BIN)/python -m bench sm2
	$(BIN)/python -m bench skf
	$(BIN)/python -m bench ble

bench-usb: packages $(VENV)/dev.stamp  ## the key on USB beside a bare responder, in a virtual machine
	$(BIN)/python -m bench usb

bench-speculos: $(VENV)/dev.stamp  ## the control API beside Speculos, taken from PyPI into the user's cache
	$(BIN)/python -m bench speculos

messages: $(VENV)/dev.stamp  ## collect the messages and compile the catalogues
	$(BIN)/python tests/messages.py

docs: $(VENV)/dev.stamp  ## write the generated pages and pictures of docs/ again
	$(BIN)/python docs/generate_commands.py
	$(BIN)/python docs/generate_errors.py
	$(BIN)/python -m docs.take_screenshots

disc: $(VENV)/dev.stamp  ## make the disc of CD-ROM keys again (needs xorriso)
	$(BIN)/python docs/generate_disc.py

glyphs: $(VENV)/dev.stamp  ## take the glyphs from Debian's unifont again
	$(BIN)/python docs/generate_glyphs.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) build dist *.egg-info protocols/sm2/*.so hostdriver/skf/lib .pytest_cache .mypy_cache .ruff_cache .coverage*
