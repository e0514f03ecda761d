# What one does with medmesh. `make` alone lists it.
#
# Every target makes the environments it needs and is done with that in a moment when nothing has changed.

PYTHON ?= python3
VENV := .venv/bin
BOOTSTRAP := $(PYTHON) tools/bootstrap.py
TORCH_TESTS := tests/training tests/importing tests/imaging/test_training.py tests/language/test_calibration.py tests/language/test_tagger_training.py tests/recommendation/test_outcome_calibration.py tests/recommendation/test_series.py
FAST := --numprocesses=auto -m "not live and not slow and not large"
CHECKED := services tools clients/archive clients/cli clients/loadtest clients/gateway clients/console clients/python/medmesh clients/dicom_node clients/hl7_node clients/jobs protos/generate.py

# The contracts that those of today must stay compatible with: a buf image, so that no history is needed.
BASELINE := protos/baseline/medmesh.binpb

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*\#\# .*/\1/p' Makefile)

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv:  ## Make the environments: services with the development tools, and the embedded Triton
	@$(BOOTSTRAP) dev triton

demo:  ## Start everything, send one combined request, print the diagnosis, stop everything
	@$(BOOTSTRAP) local triton
	@$(VENV)/medmesh demo

up:  ## Start Triton and the four services on this machine; Ctrl-C stops them
	@$(BOOTSTRAP) local triton
	@$(VENV)/medmesh up

test: venv  ## Run the tests (with ARGS="-k name -x" pytest alone, on what they choose)
ifeq ($(strip $(ARGS)),)
	@$(MAKE) --no-print-directory coverage
	@$(VENV)/python -m pytest -m "live or slow"
else
	@$(VENV)/python -m pytest $(ARGS)
endif

test-fast: venv  ## Run those that need no Triton and are over in a moment each, a process a core
	@$(VENV)/python -m pytest --quiet $(FAST) $(ARGS)

coverage: venv  ## The same, measuring the branches that they take, held to the floor in pyproject.toml
	@$(VENV)/python -m pytest --quiet $(FAST) --cov --cov-report= $(ARGS)

test-large: venv  ## What every kind of large DICOM file takes in memory (minutes)
	@$(VENV)/python -m pytest --numprocesses=auto tests/imaging/test_large_files.py $(ARGS)

test-training:  ## Run the tests of training and of imports, which need torch (3 GB)
	@$(BOOTSTRAP) training triton
	@OMP_NUM_THREADS=1 .venv-training/bin/python -m pytest --numprocesses=auto --dist=loadfile $(TORCH_TESTS) $(ARGS)

bench-gpu:  ## Measure the models on this machine's NVIDIA GPU (needs onnxruntime-gpu in PYTHON)
	@$(PYTHON) training/bench_gpu.py $(ARGS)

test-consumers: venv  ## Build and run the clients in other languages, Locust and k6 (needs npm and clients/debian-packages.txt)
	@TEST_CONSUMERS=1 $(VENV)/python -m pytest tests/clients/test_installation.py tests/end_to_end/test_other_languages.py tests/end_to_end/test_console.py tests/end_to_end/test_fhir_readers.py tests/end_to_end/test_load_tools.py $(ARGS)

bench:  ## Measure medmesh against what it stands on and against other servers (ARGS="--only imaging", CHECK=1): docs/performance.md
	@$(BOOTSTRAP) dev triton peers
	@$(VENV)/python -m tools.bench $(if $(CHECK),--check) $(ARGS)

capacity: venv  ## How many cores, processes and GPUs a load needs: docs/capacity.md (ARGS=--measure, ARGS="--studies-per-day N")
	@$(VENV)/python -m tools.capacity $(ARGS)

test-prometheus: venv  ## Run a real Prometheus on a mesh under load: its configuration, alerts, dashboards (needs Debian's prometheus)
	@TEST_PROMETHEUS=1 $(VENV)/python -m pytest tests/end_to_end/test_prometheus.py $(ARGS)

archive-proof: venv  ## Read 10,000 small files with kill -9 in the midst of it, and count (ARGS="--stand-in", "--count N")
	@$(VENV)/python -m tests.clients.archive_proof $(ARGS)

test-viewer: venv  ## Look at the DICOM node's results in OHIF (needs npm, Chromium, Orthanc and dcmtk; loads 48 MB)
	@TEST_VIEWER=.medmesh/ohif $(VENV)/python -m pytest -s tests/end_to_end/test_dicom_viewer.py $(ARGS)

drill: venv  ## Break one thing after the other in a mesh under load for 30 minutes, draw it, judge it (ARGS="--minutes 5 --seed 1")
	@$(VENV)/python -m tests.faults.drill $(ARGS)

rolling: venv  ## Restart each service of a mesh of two replicas, and Triton, under load, and count what is lost
	@$(VENV)/python -m tests.faults.rolling $(ARGS)

compose-proof: venv  ## Kill one of two replicas of imaging and of language in containers, under load, and count what is lost (needs Docker; ARGS=--no-build)
	@$(VENV)/python -m tests.faults.compose_proof $(ARGS)

simulation: venv  ## Play the orchestrator under virtual time with 20,000 seeds of failures (ARGS="--seed 7": one of them)
	@$(VENV)/python -m tests.faults.simulation $(ARGS)

planted: venv  ## Plant bugs one at a time into a copy and see whether the tests find them: docs/planted-bugs.md (ARGS="--only breaker")
	@nice -n 19 $(VENV)/python -m tests.faults.planted $(ARGS)

drill-dicom: venv  ## Kill the DICOM node again and again while it is sent objects, and count (needs Orthanc; RUNS=20 OBJECTS=200)
	@$(VENV)/python -m tests.dicom_node.drill --runs $(or $(RUNS),20) --objects $(or $(OBJECTS),200)

fuzz: venv  ## Feed each parser of bytes what reaches new code, SECONDS=60 each; findings lie in .medmesh/fuzz (ARGS="dicom": one parser)
	@$(VENV)/python -m tests.fuzz --seconds $(or $(SECONDS),60) $(ARGS)

wire: venv  ## Send a service 200,000 hostile streams of HTTP/2 and time a good client beside them (STREAMS=20000)
	@$(VENV)/python -m tests.faults.wire --streams $(or $(STREAMS),200000)

cancelled: venv  ## Cancel 100,000 calls of a real mesh in every phase, and look what they leave behind (CALLS=2000)
	@$(VENV)/python -m tests.faults.cancelled --calls $(or $(CALLS),100000)

fairness: venv  ## Time small requests beside a caller of large ones on a real mesh (ARGS="--only imaging")
	@$(VENV)/python -m tests.faults.fairness $(ARGS)

isolation: venv  ## Time a tenant's requests alone and beside another tenant's load on a real mesh (ARGS="--only imaging")
	@$(VENV)/python -m tests.faults.isolation $(ARGS)

drill-hl7: venv  ## Kill the HL7 node again and again while it is sent messages, and count (RUNS=20 MESSAGES=200)
	@$(VENV)/python -m tests.hl7_node.drill --runs $(or $(RUNS),20) --messages $(or $(MESSAGES),200)

helm: venv  ## Render the Helm chart over a matrix of values and hold it to Kubernetes' schemas (installs helm beside, 250 MB)
	@$(VENV)/python tools/helm.py .medmesh/helm
	@TEST_HELM=.medmesh/helm $(VENV)/python -m pytest --numprocesses=auto tests/deploy $(ARGS)

sbom: venv  ## Write a bill of materials (CycloneDX) of each environment into .medmesh/sbom, and look that all is held to hashes
	@$(VENV)/python tools/sbom.py .medmesh/sbom

lint: venv  ## Check style, types and contracts
	@echo "medmesh: ruff" && $(VENV)/ruff check && $(VENV)/ruff format --check
	@echo "medmesh: mypy" && $(VENV)/mypy $(CHECKED) training
	@echo "medmesh: buf lint" && $(VENV)/buf lint
	@echo "medmesh: buf breaking against $(BASELINE)" && $(VENV)/buf breaking --against $(BASELINE)

format:  ## Format the code
	@$(BOOTSTRAP) dev
	@$(VENV)/ruff check --fix-only --quiet && $(VENV)/ruff format

protos:  ## Generate the client stubs from protos/
	@$(BOOTSTRAP) dev
	@$(VENV)/python protos/generate.py

blocking-client:  ## Generate the Python client's blocking half from its asyncio one
	@$(BOOTSTRAP) dev
	@$(VENV)/python tools/blocking_client.py

console:  ## Build the page of the console, which is committed (needs npm)
	@cd clients/console/web && npm ci --no-audit --no-fund --silent && npm run --silent generate && npm run --silent check && npm run --silent build

docs:  ## Write the generated parts of docs/: the API reference and the configuration
	@$(BOOTSTRAP) dev
	@$(VENV)/python -m tools.reference

baseline:  ## Hold the contracts to those of today from here on (BREAK=yes: even if they break the baseline)
	@$(BOOTSTRAP) dev
	@test "$(BREAK)" = yes || $(VENV)/buf breaking --against $(BASELINE)
	@$(VENV)/buf build --exclude-source-info -o $(BASELINE)

train:  ## Train, evaluate and export one model: make train MODEL=chest_xray [PRECISION=fp32]
	@test -n "$(MODEL)" || { echo "medmesh: say which model: make train MODEL=<$$(ls -d training/*/export.py | xargs -n1 dirname | xargs -n1 basename | paste -sd'|')>" >&2; exit 2; }
	@test -f training/$(MODEL)/export.py || { echo "medmesh: there is no training/$(MODEL)/export.py" >&2; exit 2; }
	@$(BOOTSTRAP) training
	@for step in train evaluate export; do \
	  test -f training/$(MODEL)/$$step.py || continue; \
	  case "$${step}$(PRECISION)" in export?*) extra="--precision $(PRECISION)";; *) extra=;; esac; \
	  echo "medmesh: $(MODEL): $$step" && .venv-training/bin/python -m training.$(MODEL).$$step $$extra || exit 1; done

models:  ## Train, evaluate and export every model; with PRECISION=fp32|fp16|int8 those that have that form
	@for step in $$(grep -lE -- '$(if $(PRECISION),--precision.*"$(PRECISION)",.)' training/*/export.py); do \
	  $(MAKE) --no-print-directory train MODEL=$$(basename $$(dirname $$step)) PRECISION=$(PRECISION) || exit 1; done

requirements:  ## Pin requirements/*.in again, with hashes, into requirements/*.txt (needs uv)
	@command -v uv >/dev/null || { echo "medmesh: uv is missing; it resolves the pins (https://docs.astral.sh/uv)" >&2; exit 1; }
	@cd requirements && for name in services gateway local dev triton peers dicom-node archive sbom; do \
	  case $$name in triton) extra="--no-deps --python-platform x86_64-manylinux_2_35";; \
	  peers) extra="--override overrides.txt --constraint services.txt --python-platform x86_64-manylinux_2_28";; \
	  *) extra="--override overrides.txt --python-platform x86_64-manylinux_2_28";; esac; \
	  echo "medmesh: pinning $$name" && \
	  uv pip compile -q --generate-hashes --no-header --no-annotate --python-version 3.11 $$extra $$name.in -o $$name.new && \
	  { echo "# Made by \`make requirements\` from $$name.in; not edited by hand."; cat $$name.new; } > $$name.txt && rm $$name.new || exit 1; done

clean:  ## Remove build outputs, caches and logs; receipts and training runs stay
	@rm -rf .medmesh/run .mypy_cache .ruff_cache .pytest_cache .coverage .hypothesis build dist demo-output
	@find . -path './.venv*' -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

distclean: clean  ## Remove the environments too
	@rm -rf .venv .venv-triton .venv-training .venv*.lock
